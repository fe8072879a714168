rule plot_frames:
    """Mean frame of a detector, with mask and beam centre."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/{detector}_frames",
            "frame_sum",
            "mean frame",
            "{detector}",
        ),
    log:
        "logs/plot_frames/{run}/{reduction}/{detector}.log",
    benchmark:
        "logs/benchmarks/plot_frames/{run}/{reduction}/{detector}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_frames"),
    script:
        "../scripts/plot_frames.py"


rule plot_profiles:
    """Profiles of all frames."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/{task}_profiles",
            "profiles",
            "all profiles",
            "{task}",
        ),
    log:
        "logs/plot_profiles/{run}/{reduction}/{task}.log",
    benchmark:
        "logs/benchmarks/plot_profiles/{run}/{reduction}/{task}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        detector=lambda wildcards: planned_task(wildcards).detector,
        integration=lambda wildcards: planned_task(wildcards).integration,
        axis=plot_axis,
        code=code_digest("plot_profiles"),
    script:
        "../scripts/plot_profiles.py"


rule plot_mean_profile:
    """Mean profile with error band."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/{task}_mean",
            "mean_profile",
            "mean profile",
            "{task}",
        ),
    log:
        "logs/plot_mean_profile/{run}/{reduction}/{task}.log",
    benchmark:
        "logs/benchmarks/plot_mean_profile/{run}/{reduction}/{task}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        detector=lambda wildcards: planned_task(wildcards).detector,
        integration=lambda wildcards: planned_task(wildcards).integration,
        calibrant=calibrant,
        code=code_digest("plot_mean_profile"),
    script:
        "../scripts/plot_mean_profile.py"


rule plot_cake:
    """Mean cake."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        **figure("results/{run}/{reduction}/plots/{task}_map", "cake", "cake", "{task}"),
    log:
        "logs/plot_cake/{run}/{reduction}/{task}.log",
    benchmark:
        "logs/benchmarks/plot_cake/{run}/{reduction}/{task}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        detector=lambda wildcards: planned_task(wildcards).detector,
        integration=lambda wildcards: planned_task(wildcards).integration,
        calibrant=calibrant,
        code=code_digest("plot_cake"),
    script:
        "../scripts/plot_cake.py"


rule plot_monitors:
    """Per-frame scalars."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/monitors", "monitors", "monitors", "run"
        ),
    log:
        "logs/plot_monitors/{run}/{reduction}/monitors.log",
    benchmark:
        "logs/benchmarks/plot_monitors/{run}/{reduction}/monitors.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_monitors"),
    script:
        "../scripts/plot_monitors.py"


rule plot_corrections:
    """Mean profile before and after its corrections, with the background."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/{task}_corrections",
            "corrections",
            "corrections",
            "{task}",
        ),
    log:
        "logs/plot_corrections/{run}/{reduction}/{task}.log",
    benchmark:
        "logs/benchmarks/plot_corrections/{run}/{reduction}/{task}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        detector=lambda wildcards: planned_task(wildcards).detector,
        integration=lambda wildcards: planned_task(wildcards).integration,
        code=code_digest("plot_corrections"),
    script:
        "../scripts/plot_corrections.py"


rule plot_transmission:
    """Monitors and transmission against the frame number."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/transmission",
            "transmission",
            "transmission",
            "run",
        ),
    log:
        "logs/plot_transmission/{run}/{reduction}/transmission.log",
    benchmark:
        "logs/benchmarks/plot_transmission/{run}/{reduction}/transmission.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_transmission"),
    script:
        "../scripts/plot_transmission.py"


rule check_calibrant:
    """Rings of a calibrant against its d-spacings."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        **figure(
            "results/{run}/{reduction}/plots/{task}_rings",
            "calibrant_plot",
            "calibrant check",
            "{task}",
        ),
        table=report(
            "results/{run}/{reduction}/{task}_rings.tsv",
            caption="report/calibrant_table.rst",
            category="{run} / {reduction}",
            labels={"plot": "calibrant table", "of": "{task}"},
        ),
        verdict="results/{run}/{reduction}/{task}_rings.json",
    log:
        "logs/check_calibrant/{run}/{reduction}/{task}.log",
    benchmark:
        "logs/benchmarks/check_calibrant/{run}/{reduction}/{task}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=each_attempt(10),
    params:
        detector=lambda wildcards: planned_task(wildcards).detector,
        integration=lambda wildcards: planned_task(wildcards).integration,
        calibrant=calibrant,
        tolerance=lambda wildcards: planned(wildcards).reduction.calibrant.tolerance,
        code=code_digest("check_calibrant"),
    script:
        "../scripts/check_calibrant.py"
