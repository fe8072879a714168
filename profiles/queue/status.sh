#!/usr/bin/env bash
# State of one job: status.sh sge|pbs|lsf NUMBER prints running, success or failed.
# A job that has ended says so itself, by its exit code (see submit.sh). Otherwise the scheduler is asked, once
# for all jobs: who does not answer, or not in time, has said nothing, and the job counts as running. A job is
# lost when it is gone from the queue and its exit code has not appeared on the shared disk either.
set -uo pipefail

scheduler=$1 number=$2
folder=.snakemake/queue
fresh=${QUEUE_FRESH_SECONDS:-10}   # one list of the queue serves all jobs for so long
grace=${QUEUE_GRACE_SECONDS:-120}  # for the shared disk to show a file
patience=${QUEUE_PATIENCE_SECONDS:-30} # for the scheduler to answer
mkdir -p "$folder"

token=$(cat "$folder/$number.submitted" 2>/dev/null)
read -r ended code 2>/dev/null <"$folder/$number.exit"
if [[ -n ${code:-} && $ended == "$token" ]]; then
    ((code == 0)) && echo success || echo failed
    exit
fi

# Numbers of all jobs that wait or run, one a line; a non-zero exit code if the scheduler does not say.
queue() {
    case $scheduler in
        sge) # a job in an error state never runs
            timeout "$patience" qstat -u "$(id -un)" >"$1" && awk '$1 ~ /^[0-9]+$/ && $5 !~ /E/ {print $1}' "$1"
            ;;
        pbs)
            timeout "$patience" qselect -u "$(id -un)"
            ;;
        lsf) # without unfinished jobs there is an error code, too
            timeout "$patience" bjobs -noheader -o jobid >"$1" 2>&1 || grep -q 'No unfinished job' "$1" || return 1
            grep -E '^[0-9]+$' "$1" || true
            ;;
    esac
}

age() { echo $(($(date +%s) - $(stat -c %Y "$1" 2>/dev/null || echo 0))); }

list=$folder/queue.txt
if (($(age "$list") >= fresh)); then
    new=$(mktemp "$folder/.queue.XXXXXX")
    if queue "$new.raw" >"$new" 2>/dev/null; then
        mv "$new" "$list"
    else
        rm -f "$new" "$new.raw"
        echo running
        exit
    fi
    rm -f "$new.raw"
fi

gone=$folder/$number.gone
if grep -qx -- "$number" "$list"; then
    rm -f "$gone"
    echo running
elif [[ ! -e $gone ]]; then
    touch "$gone"
    echo running
elif (($(age "$gone") < grace)); then
    echo running
else
    rm -f "$gone"
    echo failed
fi
