rule describe_result:
    """Record of a result, for search and publication, and a small picture of it."""
    input:
        files=described_files,
        plot=described_plot,
        quality="results/{run}/{result}/quality.json",
        verdicts="results/{run}/{result}/plots/quality.png",
        masks=described_masks,
        geometry=described_geometries,
    output:
        record="results/{run}/{result}/record.json",
        thumbnail="results/{run}/{result}/thumbnail.png",
    log:
        "logs/describe_result/{run}/{result}.log",
    benchmark:
        "logs/benchmarks/describe_result/{run}/{result}.tsv"
    conda:
        "../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        masks=lambda wildcards: list(
            catalogue_plan.mask_keys(planned_result(wildcards))
        ),
        described=lambda wildcards: catalogue_plan.description(
            PLAN, planned_result(wildcards)
        ),
        code=code_digest("describe_result"),
    script:
        "../scripts/describe_result.py"


rule build_catalogue:
    """Index of all records in the results folder, for `scatterflow search` and the portal."""
    input:
        records=all_records,
    output:
        # What has not changed is not read again.
        index=update("results/catalogue/index.sqlite"),
    log:
        "logs/build_catalogue/catalogue.log",
    benchmark:
        "logs/benchmarks/build_catalogue/catalogue.tsv"
    conda:
        "../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1000),
        runtime=each_attempt(30),
    params:
        code=code_digest("build_catalogue"),
    script:
        "../scripts/build_catalogue.py"
