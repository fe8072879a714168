rule plot_summary:
    """A run on one page: shots, light, photons, what is missing."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure("results/{run}/{shots}/plots/summary", "summary", "summary", "{run}"),
        table=report(
            "results/{run}/{shots}/plots/summary.tsv",
            caption="report/summary.rst",
            category="{run} / {shots}",
            labels={"plot": "summary (table)", "of": "{run}"},
        ),
    log:
        "logs/plot_summary/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/plot_summary/{run}/{shots}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_summary"),
    script:
        "../scripts/plot_summary.py"


rule plot_shot_monitors:
    """The intensity monitors of a run, and when there was light."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure(
            "results/{run}/{shots}/plots/shot_monitors",
            "shot_monitors",
            "shot monitors",
            "{run}",
        ),
    log:
        "logs/plot_shot_monitors/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/plot_shot_monitors/{run}/{shots}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_shot_monitors"),
    script:
        "../scripts/plot_shot_monitors.py"


rule plot_shot_correlations:
    """Monitors against each other and against sums of detectors."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure(
            "results/{run}/{shots}/plots/shot_correlations",
            "shot_correlations",
            "shot correlations",
            "{run}",
        ),
    log:
        "logs/plot_shot_correlations/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/plot_shot_correlations/{run}/{shots}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_shot_correlations"),
    script:
        "../scripts/plot_shot_correlations.py"


rule plot_scan_steps:
    """Scan variables, delays and time tool."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure(
            "results/{run}/{shots}/plots/scan_steps", "scan_steps", "scan", "{run}"
        ),
    log:
        "logs/plot_scan_steps/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/plot_scan_steps/{run}/{shots}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_scan_steps"),
    script:
        "../scripts/plot_scan_steps.py"


rule plot_damage:
    """How many shots lack each detector."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure("results/{run}/{shots}/plots/damage", "damage", "damage", "{run}"),
    log:
        "logs/plot_damage/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/plot_damage/{run}/{shots}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_damage"),
    script:
        "../scripts/plot_damage.py"


rule plot_filters:
    """What each filter removes."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure("results/{run}/{shots}/plots/filters", "filters", "filters", "{run}"),
    log:
        "logs/plot_filters/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/plot_filters/{run}/{shots}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_filters"),
    script:
        "../scripts/plot_filters.py"


rule plot_on_off:
    """Sums of detectors with and without laser along the delay."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure("results/{run}/{shots}/plots/on_off", "on_off", "on and off", "{run}"),
    log:
        "logs/plot_on_off/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/plot_on_off/{run}/{shots}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_on_off"),
    script:
        "../scripts/plot_on_off.py"


rule plot_cube:
    """Quantities of a cube along its axes."""
    input:
        cube="results/{run}/{shots}/cube_{cube}.nxs",
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure("results/{run}/{shots}/plots/cube_{cube}", "cube", "cube", "{cube}"),
    log:
        "logs/plot_cube/{run}/{shots}/{cube}.log",
    benchmark:
        "logs/benchmarks/plot_cube/{run}/{shots}/{cube}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_cube"),
    script:
        "../scripts/plot_cube.py"
