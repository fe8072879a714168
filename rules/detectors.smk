rule build_mask:
    """Composite good mask of a detector, with reasons and identities."""
    input:
        files=mask_inputs,
    output:
        mask="resources/masks/{key}.h5",
    log:
        "logs/build_mask/{key}.log",
    benchmark:
        "logs/benchmarks/build_mask/{key}.tsv"
    conda:
        "../envs/integration.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        detector=lambda wildcards: PLAN.masks[wildcards.key]["detector"],
        settings=lambda wildcards: PLAN.masks[wildcards.key],
        code=code_digest("build_mask"),
    script:
        "../scripts/build_mask.py"


rule prepare_integration:
    """Weights of one integration of one detector, shared by all runs that use the same."""
    input:
        files=weights_inputs,
        mask=weights_mask,
    output:
        weights="resources/weights/{key}.h5",
    log:
        "logs/prepare_integration/{key}.log",
    benchmark:
        "logs/benchmarks/prepare_integration/{key}.tsv"
    conda:
        "../envs/integration.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(4000),
        runtime=each_attempt(20),
    params:
        detector=lambda wildcards: PLAN.weights[wildcards.key]["detector"],
        settings=lambda wildcards: PLAN.weights[wildcards.key],
        code=code_digest("prepare_integration"),
    script:
        "../scripts/prepare_integration.py"


rule refine_geometry:
    """Geometry refined from the rings of a calibrant, as a new file."""
    input:
        result="results/{run}/{reduction}/result.nxs",
        files=refined_from,
    output:
        **figure(
            "results/{run}/{reduction}/plots/{detector}_geometry",
            "geometry",
            "refined geometry",
            "{detector}",
        ),
        poni="results/{run}/{reduction}/geometry/{detector}.poni",
        verdict="results/{run}/{reduction}/geometry/{detector}.json",
    log:
        "logs/refine_geometry/{run}/{reduction}/{detector}.log",
    benchmark:
        "logs/benchmarks/refine_geometry/{run}/{reduction}/{detector}.tsv"
    conda:
        "../envs/plots.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(3000),
        runtime=each_attempt(20),
    params:
        settings=geometry_settings,
        calibrant=calibrant,
        refine=lambda wildcards: planned(wildcards).reduction.calibrant.refine,
        code=code_digest("refine_geometry"),
    script:
        "../scripts/refine_geometry.py"
