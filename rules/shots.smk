rule tabulate_shots:
    """Light, monitors, time tool, scan variables of all shots of a run."""
    input:
        raw=run_shot_files,
    output:
        table="work/{run}/{shots}/shots.h5",
    log:
        "logs/tabulate_shots/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/tabulate_shots/{run}/{shots}.tsv"
    conda:
        "../envs/shots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * planned_shots(wildcards).table_memory_mb,
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        location=lambda wildcards: planned_shots(wildcards).location(scalars=True),
        defaults=shot_defaults,
        code=shot_code("tabulate_shots"),
    script:
        "../scripts/tabulate_shots.py"


rule make_dark:
    """Pedestal, noise and bad pixels of a detector from a dark run."""
    input:
        raw=dark_shot_files,
    output:
        dark="resources/darks/{key}.h5",
    log:
        "logs/make_dark/{key}.log",
    benchmark:
        "logs/benchmarks/make_dark/{key}.tsv"
    conda:
        "../envs/shots.yaml"
    threads: lambda wildcards: PLAN.configuration.chunks.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4000,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        location=lambda wildcards: PLAN.darks[wildcards.key]["location"],
        detector=lambda wildcards: PLAN.darks[wildcards.key]["detector"],
        settings=lambda wildcards: PLAN.darks[wildcards.key]["settings"],
        code=shot_code("make_dark"),
    script:
        "../scripts/make_dark.py"


rule register_dark:
    """Pedestal, noise and bad pixels of a dark run in the registry, as new versions if they are new."""
    input:
        dark="resources/darks/{key}.h5",
    output:
        record="resources/darks/{key}.registered.json",
    log:
        "logs/register_dark/{key}.log",
    benchmark:
        "logs/benchmarks/register_dark/{key}.tsv"
    conda:
        "../envs/proposals.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        detector=lambda wildcards: PLAN.darks[wildcards.key]["detector"],
        name=lambda wildcards: PLAN.darks[wildcards.key]["register_as"],
        registry=lambda wildcards: PLAN.configuration.registry,
        code=code_digest("register_dark"),
    script:
        "../scripts/register_dark.py"


rule reduce_shots_chunk:
    """One chunk of a run's shots: calibrated, reduced by functions, summed."""
    input:
        raw=run_shot_files,
        table="work/{run}/{shots}/shots.h5",
        masks=shot_mask_files,
        darks=shot_dark_files,
        constants=shot_constant_files,
    output:
        part=temp("work/{run}/{shots}/chunks/{start}-{stop}.h5"),
    log:
        "logs/reduce_shots_chunk/{run}/{shots}/{start}-{stop}.log",
    benchmark:
        "logs/benchmarks/reduce_shots_chunk/{run}/{shots}/{start}-{stop}.tsv"
    conda:
        "../envs/shots.yaml"
    threads: lambda wildcards: planned_shots(wildcards).configuration.chunks.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt * planned_shots(wildcards).memory_mb,
        runtime=lambda wildcards, attempt: attempt * shot_minutes(wildcards),
    params:
        location=lambda wildcards: planned_shots(wildcards).location(scalars=False),
        detectors=shot_detectors,
        masks=shot_masks,
        darks=shot_darks,
        variables=statistic_variables,
        filters=statistic_filters,
        code=shot_code("reduce_shots_chunk"),
    script:
        "../scripts/reduce_shots_chunk.py"


rule merge_shots:
    """Small data file and result of a run, from all chunks."""
    input:
        parts=shot_parts,
        raw=run_shot_files,
        table="work/{run}/{shots}/shots.h5",
        masks=shot_mask_files,
        darks=shot_dark_files,
        constants=shot_constant_files,
    output:
        small="results/{run}/{shots}/{run}.h5",
        result="results/{run}/{shots}/result.nxs",
    log:
        "logs/merge_shots/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/merge_shots/{run}/{shots}.tsv"
    conda:
        "../envs/shots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * planned_shots(wildcards).merge_memory_mb,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        location=lambda wildcards: planned_shots(wildcards).location(scalars=False),
        defaults=shot_defaults,
        detectors=shot_detectors,
        masks=shot_masks,
        darks=shot_darks,
        variables=shot_variables,
        filters=shot_filters,
        description=shots_description,
        code=shot_code("merge_shots"),
    script:
        "../scripts/merge_shots.py"
