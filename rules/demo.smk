rule simulate_raw:
    """Raw data of the demo: seeded, in real formats, with known answers."""
    output:
        simulated_raw_files(),
    log:
        "logs/simulate_raw/demo.log",
    benchmark:
        "logs/benchmarks/simulate_raw/demo.tsv"
    conda:
        "../envs/integration.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        root=lambda wildcards: PLAN.configuration.raw,
        seed=PLAN.configuration.demo.seed,
        code=code_digest("simulate_raw"),
    script:
        "../scripts/simulate_raw.py"
