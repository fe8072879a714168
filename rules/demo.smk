rule simulate_raw:
    """Raw data of the demo: seeded, in real formats, with known answers."""
    output:
        simulated_raw_files(),
    log:
        "logs/simulate_raw.log",
    benchmark:
        "logs/benchmarks/simulate_raw.tsv"
    params:
        root=config.get("raw", "raw"),
        seed=PLAN.configuration.demo.seed if PLAN.configuration.demo else 0,
        code=code_digest("simulate_raw"),
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    conda:
        "../envs/integration.yaml"
    script:
        "../scripts/simulate_raw.py"
