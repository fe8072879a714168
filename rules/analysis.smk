rule analyse_profiles:
    """Fits and figures of merit of every frame."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        analysis="results/{run}/{reduction}/analysis.nxs",
    log:
        "logs/analyse_profiles/{run}/{reduction}.log",
    benchmark:
        "logs/benchmarks/analyse_profiles/{run}/{reduction}.tsv"
    conda:
        "../envs/integration.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=lambda wildcards, attempt: attempt * planned(wildcards).analysis_minutes,
    params:
        parameters=lambda wildcards: planned(wildcards).analysis.parameters,
        code=code_digest("analyse_profiles"),
    script:
        "../scripts/analyse_profiles.py"


rule plot_fits:
    """Data, best fit and residual of chosen frames, and the fitted values of all."""
    input:
        analysis="results/{run}/{reduction}/analysis.nxs",
    output:
        **figure("results/{run}/{reduction}/plots/{fit}_fit", "fit", "fit", "{fit}"),
    log:
        "logs/plot_fits/{run}/{reduction}/{fit}.log",
    benchmark:
        "logs/benchmarks/plot_fits/{run}/{reduction}/{fit}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        values=fit_values,
        axis=plot_axis,
        code=code_digest("plot_fits"),
    script:
        "../scripts/plot_fits.py"


rule plot_figures:
    """Figures of merit of all frames."""
    input:
        analysis="results/{run}/{reduction}/analysis.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/figures",
            "figures",
            "figures of merit",
            "all frames",
        ),
    log:
        "logs/plot_figures/{run}/{reduction}.log",
    benchmark:
        "logs/benchmarks/plot_figures/{run}/{reduction}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        values=figure_values,
        axis=plot_axis,
        code=code_digest("plot_figures"),
    script:
        "../scripts/plot_figures.py"


rule plot_views:
    """Guinier, Kratky and Porod plots of the mean profile and of some frames."""
    input:
        result="results/{run}/{reduction}/result.nxs",
        analysis="results/{run}/{reduction}/analysis.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/{task}_views",
            "views",
            "Guinier, Kratky, Porod",
            "{task}",
        ),
    log:
        "logs/plot_views/{run}/{reduction}/{task}.log",
    benchmark:
        "logs/benchmarks/plot_views/{run}/{reduction}/{task}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        detector=lambda wildcards: planned_task(wildcards).detector,
        integration=lambda wildcards: planned_task(wildcards).integration,
        figures=viewed_figures,
        axis=plot_axis,
        code=code_digest("plot_views"),
    script:
        "../scripts/plot_views.py"
