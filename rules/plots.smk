rule plot_frames:
    """Mean frame of a detector, with mask and beam centre."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        png=report(
            "results/{run}/{reduction}/plots/{detector}_frames.png",
            caption="report/frame_sum.rst",
            category="{run} / {reduction}",
            labels={"plot": "mean frame", "of": "{detector}"},
        ),
        svg="results/{run}/{reduction}/plots/{detector}_frames.svg",
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
        png=report(
            "results/{run}/{reduction}/plots/{task}_profiles.png",
            caption="report/profiles.rst",
            category="{run} / {reduction}",
            labels={"plot": "all profiles", "of": "{task}"},
        ),
        svg="results/{run}/{reduction}/plots/{task}_profiles.svg",
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
        png=report(
            "results/{run}/{reduction}/plots/{task}_mean.png",
            caption="report/mean_profile.rst",
            category="{run} / {reduction}",
            labels={"plot": "mean profile", "of": "{task}"},
        ),
        svg="results/{run}/{reduction}/plots/{task}_mean.svg",
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
        png=report(
            "results/{run}/{reduction}/plots/{task}_map.png",
            caption="report/cake.rst",
            category="{run} / {reduction}",
            labels={"plot": "cake", "of": "{task}"},
        ),
        svg="results/{run}/{reduction}/plots/{task}_map.svg",
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
        png=report(
            "results/{run}/{reduction}/plots/monitors.png",
            caption="report/monitors.rst",
            category="{run} / {reduction}",
            labels={"plot": "monitors", "of": "run"},
        ),
        svg="results/{run}/{reduction}/plots/monitors.svg",
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
        png=report(
            "results/{run}/{reduction}/plots/{task}_corrections.png",
            caption="report/corrections.rst",
            category="{run} / {reduction}",
            labels={"plot": "corrections", "of": "{task}"},
        ),
        svg="results/{run}/{reduction}/plots/{task}_corrections.svg",
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
        png=report(
            "results/{run}/{reduction}/plots/transmission.png",
            caption="report/transmission.rst",
            category="{run} / {reduction}",
            labels={"plot": "transmission", "of": "run"},
        ),
        svg="results/{run}/{reduction}/plots/transmission.svg",
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
        table=report(
            "results/{run}/{reduction}/{task}_rings.tsv",
            caption="report/calibrant_table.rst",
            category="{run} / {reduction}",
            labels={"plot": "calibrant table", "of": "{task}"},
        ),
        verdict="results/{run}/{reduction}/{task}_rings.json",
        png=report(
            "results/{run}/{reduction}/plots/{task}_rings.png",
            caption="report/calibrant_plot.rst",
            category="{run} / {reduction}",
            labels={"plot": "calibrant check", "of": "{task}"},
        ),
        svg="results/{run}/{reduction}/plots/{task}_rings.svg",
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
