rule assess_quality:
    """Structure and physics of a result against the limits of the configuration."""
    input:
        result="results/{run}/{result}/result.nxs",
        analysis=assessed_analysis,
        small_data=assessed_small_data,
        rings=assessed_rings,
        history=assessed_history,
    output:
        **figure("results/{run}/{result}/plots/quality", "quality", "quality", "{run}"),
        quality="results/{run}/{result}/quality.json",
    log:
        "logs/assess_quality/{run}/{result}.log",
    benchmark:
        "logs/benchmarks/assess_quality/{run}/{result}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 3000,
        runtime=lambda wildcards, attempt: attempt * 20,
    params:
        settings=lambda wildcards: quality_settings(planned_result(wildcards)),
        names=lambda wildcards: {"run": wildcards.run, "reduction": wildcards.result},
        code=code_digest("assess_quality"),
    script:
        "../scripts/assess_quality.py"


rule summarise_quality:
    """The verdicts on all results in one table."""
    input:
        verdicts=all_verdicts,
    output:
        html=report(
            "results/quality.html",
            caption="report/quality_table.rst",
            category="Quality",
            labels={"plot": "verdicts", "of": "all results"},
        ),
        table="results/quality.csv",
    log:
        "logs/summarise_quality/all.log",
    benchmark:
        "logs/benchmarks/summarise_quality/all.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1000),
        runtime=each_attempt(10),
    params:
        code=code_digest("summarise_quality"),
    script:
        "../scripts/summarise_quality.py"
