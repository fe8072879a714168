#!/usr/bin/env bash
# Submit one job to a queue: submit.sh sge|pbs|lsf NAME THREADS MEGABYTES MINUTES [SITE OPTION ...] JOBSCRIPT
# Prints the job's number. The job leaves its exit code in .snakemake/queue/NUMBER.exit, where status.sh finds
# it without asking the scheduler. A token tells it from an older job of the same number.
set -euo pipefail

scheduler=$1 name=$2 threads=$3 memory=$4 minutes=$5
shift 5
jobscript=${!#}
site=("${@:1:$#-1}")
folder=$PWD/.snakemake/queue
mkdir -p "$folder/log"
token=$(date +%s%N).$$

# The job script is copied: Snakemake removes it when it ends, the job may start later.
job=$folder/.job.$token
trap 'rm -f "$job"' EXIT
write_job() { # write_job VARIABLE: that holds the job's number where it runs
    printf '#!/bin/bash\n(\n'
    cat "$jobscript"
    printf '\n)\ncode=$?\nfile=%q/$%s\n' "$folder" "$1"
    printf 'echo %s "$code" > "$file.tmp" && mv "$file.tmp" "$file.exit"\nexit "$code"\n' "$token"
}

submit() { # a scheduler that restarts does not answer for a while
    local pause
    for pause in ${QUEUE_PAUSES:-0 5 20}; do
        sleep "$pause"
        "$@" <"$job" && return
    done
    return 1
}

case $scheduler in
    sge) # memory is counted for each slot
        write_job JOB_ID >"$job"
        number=$(submit qsub -terse -V -cwd -S /bin/bash -j y -N "$name" -o "$folder/log/$name.\$JOB_ID.log" \
            -l "h_rt=$((minutes * 60)),${SGE_MEMORY:-mem_free}=$(((memory + threads - 1) / threads))M" \
            -pe "${SGE_PARALLEL_ENVIRONMENT:-smp}" "$threads" "${site[@]}")
        ;;
    pbs)
        write_job PBS_JOBID >"$job"
        number=$(submit qsub -V -S /bin/bash -j oe -N "${name:0:15}" -o "$folder/log/" \
            -l "select=1:ncpus=$threads:mem=${memory}mb${PBS_CHUNK:+:$PBS_CHUNK}" \
            -l "walltime=$((minutes * 60))" "${site[@]}")
        ;;
    lsf)
        write_job LSB_JOBID >"$job"
        answer=$(submit bsub -J "$name" -o "$folder/log/$name.%J.log" -n "$threads" -W "$minutes" \
            -M "${memory}MB" -R "rusage[mem=${memory}MB] span[hosts=1]" "${site[@]}")
        number=$(sed -n 's/^Job <\([0-9]*\)>.*/\1/p' <<<"$answer")
        ;;
    *)
        echo "submit.sh: unknown scheduler $scheduler" >&2
        exit 2
        ;;
esac

if [[ ! $number =~ ^[0-9] ]]; then
    echo "submit.sh: $scheduler gave no number for the job" >&2
    exit 1
fi
echo "$token" >"$folder/$number.submitted"
echo "$number"
