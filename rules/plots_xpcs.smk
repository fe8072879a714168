rule plot_qmap:
    """Which pixels belong together."""
    input:
        qmap=qmap_file,
    output:
        **figure("results/{run}/{xpcs}/plots/qmap", "qmap", "qmap", "{run}"),
    log:
        "logs/plot_qmap/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/plot_qmap/{run}/{xpcs}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_qmap"),
    script:
        "../scripts/plot_qmap.py"


rule plot_scattering:
    """Mean frame and mean intensity of the bins."""
    input:
        result="results/{run}/{xpcs}/result.nxs",
    output:
        **figure(
            "results/{run}/{xpcs}/plots/scattering",
            "scattering",
            "scattering",
            "{run}",
        ),
    log:
        "logs/plot_scattering/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/plot_scattering/{run}/{xpcs}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_scattering"),
    script:
        "../scripts/plot_scattering.py"


rule plot_stability:
    """Intensity over time, bad frames."""
    input:
        result="results/{run}/{xpcs}/result.nxs",
    output:
        **figure(
            "results/{run}/{xpcs}/plots/stability", "stability", "stability", "{run}"
        ),
    log:
        "logs/plot_stability/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/plot_stability/{run}/{xpcs}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_stability"),
    script:
        "../scripts/plot_stability.py"


rule plot_g2:
    """g2 of all dynamic bins."""
    input:
        result="results/{run}/{xpcs}/result.nxs",
    output:
        **figure("results/{run}/{xpcs}/plots/g2", "g2", "g2", "{run}"),
    log:
        "logs/plot_g2/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/plot_g2/{run}/{xpcs}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        noise_limit=starvation_limit,
        code=code_digest("plot_g2"),
    script:
        "../scripts/plot_g2.py"


rule plot_partial_g2:
    """g2 of windows of time."""
    input:
        result="results/{run}/{xpcs}/result.nxs",
    output:
        **figure(
            "results/{run}/{xpcs}/plots/partial_g2",
            "partial_g2",
            "partial g2",
            "{run}",
        ),
    log:
        "logs/plot_partial_g2/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/plot_partial_g2/{run}/{xpcs}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        noise_limit=starvation_limit,
        code=code_digest("plot_partial_g2"),
    script:
        "../scripts/plot_partial_g2.py"


rule plot_twotime:
    """Two-time maps, g2 and what it hides."""
    input:
        result="results/{run}/{xpcs}/result.nxs",
    output:
        **figure("results/{run}/{xpcs}/plots/twotime", "twotime", "twotime", "{run}"),
    log:
        "logs/plot_twotime/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/plot_twotime/{run}/{xpcs}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_twotime"),
    script:
        "../scripts/plot_twotime.py"


rule plot_speckle_statistics:
    """Photon counts and contrast."""
    input:
        result="results/{run}/{xpcs}/result.nxs",
    output:
        **figure(
            "results/{run}/{xpcs}/plots/speckle_statistics",
            "speckle_statistics",
            "speckle statistics",
            "{run}",
        ),
    log:
        "logs/plot_speckle_statistics/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/plot_speckle_statistics/{run}/{xpcs}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_speckle_statistics"),
    script:
        "../scripts/plot_speckle_statistics.py"


rule plot_g2_fits:
    """g2 of each bin with a fitted model."""
    input:
        analysis="results/{run}/{xpcs}/analysis.nxs",
        result="results/{run}/{xpcs}/result.nxs",
    output:
        **figure("results/{run}/{xpcs}/plots/g2_{fit}", "g2_fits", "fit of g2", "{fit}"),
    log:
        "logs/plot_g2_fits/{run}/{xpcs}/{fit}.log",
    benchmark:
        "logs/benchmarks/plot_g2_fits/{run}/{xpcs}/{fit}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        noise_limit=starvation_limit,
        code=code_digest("plot_g2_fits"),
    script:
        "../scripts/plot_g2_fits.py"


rule plot_diffusion:
    """Parameters of a fit over q."""
    input:
        analysis="results/{run}/{xpcs}/analysis.nxs",
    output:
        **figure(
            "results/{run}/{xpcs}/plots/parameters_{fit}",
            "diffusion",
            "fitted parameters",
            "{fit}",
        ),
    log:
        "logs/plot_diffusion/{run}/{xpcs}/{fit}.log",
    benchmark:
        "logs/benchmarks/plot_diffusion/{run}/{xpcs}/{fit}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_diffusion"),
    script:
        "../scripts/plot_diffusion.py"
