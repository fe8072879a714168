rule structure_map:
    """Frames of one or several runs on the grid that was scanned."""
    input:
        results=map_results,
        analyses=map_analyses,
    output:
        map="results/{run}/{reduction}/map.nxs",
    log:
        "logs/structure_map/{run}/{reduction}.log",
    benchmark:
        "logs/benchmarks/structure_map/{run}/{reduction}.tsv"
    conda:
        "../envs/integration.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 2000,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        runs=map_runs,
        settings=lambda wildcards: planned_map(wildcards).parameters,
        tasks=lambda wildcards: planned_map(wildcards).tasks,
        description=map_description,
        code=code_digest("structure_map"),
    script:
        "../scripts/structure_map.py"


rule plot_map:
    """All quantities of a map on one sheet."""
    input:
        map="results/{run}/{reduction}/map.nxs",
    output:
        **figure("results/{run}/{reduction}/plots/map", "map", "map", "all quantities"),
    log:
        "logs/plot_map/{run}/{reduction}/map.log",
    benchmark:
        "logs/benchmarks/plot_map/{run}/{reduction}/map.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        quantities=lambda wildcards: planned_map(wildcards).settings.quantities,
        code=code_digest("plot_map"),
    script:
        "../scripts/plot_map.py"


rule plot_map_quantity:
    """One quantity of a map."""
    input:
        map="results/{run}/{reduction}/map.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/map/{quantity}",
            "map",
            "map",
            "{quantity}",
        ),
    log:
        "logs/plot_map_quantity/{run}/{reduction}/{quantity}.log",
    benchmark:
        "logs/benchmarks/plot_map_quantity/{run}/{reduction}/{quantity}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_map_quantity"),
    script:
        "../scripts/plot_map_quantity.py"
