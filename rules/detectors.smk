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
        mem_mb=2000,
        runtime=10,
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
        mem_mb=4000,
        runtime=20,
    params:
        detector=lambda wildcards: PLAN.weights[wildcards.key]["detector"],
        settings=lambda wildcards: PLAN.weights[wildcards.key],
        code=code_digest("prepare_integration"),
    script:
        "../scripts/prepare_integration.py"
