rule export_nxcansas:
    """Curves of an integration as NXcanSAS."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        nxcansas="results/{run}/{reduction}/export/{task}.h5",
    log:
        "logs/export_nxcansas/{run}/{reduction}/{task}.log",
    benchmark:
        "logs/benchmarks/export_nxcansas/{run}/{reduction}/{task}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        frames=lambda wildcards: planned(wildcards).reduction.exports.frames,
        code=code_digest("export_nxcansas"),
    script:
        "../scripts/export_nxcansas.py"


rule export_text:
    """Mean curve of an integration as text."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        text="results/{run}/{reduction}/export/{task}.dat",
    log:
        "logs/export_text/{run}/{reduction}/{task}.log",
    benchmark:
        "logs/benchmarks/export_text/{run}/{reduction}/{task}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        code=code_digest("export_text"),
    script:
        "../scripts/export_text.py"


rule export_text_frames:
    """Curve of each frame of an integration as text."""
    input:
        result="results/{run}/{reduction}/result.nxs",
    output:
        folder=directory("results/{run}/{reduction}/export/{task}_frames"),
    log:
        "logs/export_text_frames/{run}/{reduction}/{task}.log",
    benchmark:
        "logs/benchmarks/export_text_frames/{run}/{reduction}/{task}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        code=code_digest("export_text_frames"),
    script:
        "../scripts/export_text_frames.py"


rule export_scalars:
    """All per-frame scalars as CSV."""
    input:
        result="results/{run}/{reduction}/result.nxs",
        analysis=exported_analysis,
    output:
        scalars="results/{run}/{reduction}/export/scalars.csv",
    log:
        "logs/export_scalars/{run}/{reduction}.log",
    benchmark:
        "logs/benchmarks/export_scalars/{run}/{reduction}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1500),
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        code=code_digest("export_scalars"),
    script:
        "../scripts/export_scalars.py"
