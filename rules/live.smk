rule refuse_run:
    """Fails with what is wrong with the raw data of a run, while the other runs are reduced."""
    output:
        never=temp("work/{run}/{result}/raw_data_is_usable"),
    log:
        "logs/refuse_run/{run}/{result}.log",
    benchmark:
        "logs/benchmarks/refuse_run/{run}/{result}.tsv"
    retries: 0
    conda:
        "../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(500),
        runtime=each_attempt(5),
    params:
        reason=refused_for,
    script:
        "../scripts/refuse_run.py"


rule watched:
    """What `scatterflow watch` has asked for."""
    input:
        watched_files,


localrules:
    refuse_run,
    watched,
