# A cube may be called as the figures of detectors are.
ruleorder:
    plot_cube
    > plot_dark
    > plot_mean_images
    > plot_single_photon_spectrum
    > plot_photon_histograms
ruleorder: plot_cube > plot_speckle_size > plot_azimuthal


rule plot_mean_images:
    """Sums of a detector over shots as images."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure(
            "results/{run}/{shots}/plots/{detector}_mean_images",
            "mean_images",
            "mean images",
            "{detector}",
        ),
    log:
        "logs/plot_mean_images/{run}/{shots}/{detector}.log",
    benchmark:
        "logs/benchmarks/plot_mean_images/{run}/{shots}/{detector}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_mean_images"),
    script:
        "../scripts/plot_mean_images.py"


rule plot_single_photon_spectrum:
    """Spectra of the pixels and droplets of a detector."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure(
            "results/{run}/{shots}/plots/{detector}_single_photon_spectrum",
            "single_photon_spectrum",
            "photon spectrum",
            "{detector}",
        ),
    log:
        "logs/plot_single_photon_spectrum/{run}/{shots}/{detector}.log",
    benchmark:
        "logs/benchmarks/plot_single_photon_spectrum/{run}/{shots}/{detector}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_single_photon_spectrum"),
    script:
        "../scripts/plot_single_photon_spectrum.py"


rule plot_photon_histograms:
    """Photons per shot and per pixel of a detector."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure(
            "results/{run}/{shots}/plots/{detector}_photon_histograms",
            "photon_histograms",
            "photons",
            "{detector}",
        ),
    log:
        "logs/plot_photon_histograms/{run}/{shots}/{detector}.log",
    benchmark:
        "logs/benchmarks/plot_photon_histograms/{run}/{shots}/{detector}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_photon_histograms"),
    script:
        "../scripts/plot_photon_histograms.py"


rule plot_speckle_size:
    """Speckles of single shots of a detector."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure(
            "results/{run}/{shots}/plots/{detector}_speckle_size",
            "speckle_size",
            "speckles",
            "{detector}",
        ),
    log:
        "logs/plot_speckle_size/{run}/{shots}/{detector}.log",
    benchmark:
        "logs/benchmarks/plot_speckle_size/{run}/{shots}/{detector}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_speckle_size"),
    script:
        "../scripts/plot_speckle_size.py"


rule plot_azimuthal:
    """Azimuthal averages of single shots of a detector."""
    input:
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure(
            "results/{run}/{shots}/plots/{detector}_azimuthal",
            "azimuthal",
            "azimuthal",
            "{detector}",
        ),
    log:
        "logs/plot_azimuthal/{run}/{shots}/{detector}.log",
    benchmark:
        "logs/benchmarks/plot_azimuthal/{run}/{shots}/{detector}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_azimuthal"),
    script:
        "../scripts/plot_azimuthal.py"


rule plot_dark:
    """Pedestal, noise and bad pixels of a detector, and what changed since the dark before."""
    input:
        dark=plotted_dark,
        previous=previous_dark,
        small="results/{run}/{shots}/{run}.h5",
    output:
        **figure(
            "results/{run}/{shots}/plots/{detector}_dark", "dark", "dark", "{detector}"
        ),
    log:
        "logs/plot_dark/{run}/{shots}/{detector}.log",
    benchmark:
        "logs/benchmarks/plot_dark/{run}/{shots}/{detector}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        code=code_digest("plot_dark"),
    script:
        "../scripts/plot_dark.py"
