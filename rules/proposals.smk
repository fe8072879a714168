rule propose_mask:
    """Bad pixels of a run, written into the registry as a proposal that a user accepts."""
    input:
        raw=proposal_inputs,
        geometry=proposal_geometry,
    output:
        proposal="resources/proposals/{proposal}.json",
        png="resources/proposals/{proposal}.png",
        svg="resources/proposals/{proposal}.svg",
    log:
        "logs/propose_mask/{proposal}.log",
    benchmark:
        "logs/benchmarks/propose_mask/{proposal}.tsv"
    conda:
        "../envs/proposals.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(4000),
        runtime=each_attempt(60),
    params:
        name=lambda wildcards: wildcards.proposal,
        settings=proposal_settings,
        detector=proposal_detector,
        location=proposal_place,
        registry=PLAN.configuration.registry,
        code=code_digest("propose_mask"),
    script:
        "../scripts/propose_mask.py"


rule proposals:
    """All proposals of the configuration: `snakemake proposals`."""
    input:
        [f"resources/proposals/{name}.json" for name in PLAN.configuration.proposals],
