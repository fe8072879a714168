rule build_portal:
    """Web site of all results (`make portal` serves it, and builds the viewer of NeXus files)."""
    input:
        index="results/catalogue/index.sqlite",
        pages=portal_pages,
    output:
        site=directory("results/catalogue/site"),
    log:
        "logs/build_portal/portal.log",
    benchmark:
        "logs/benchmarks/build_portal/portal.tsv"
    conda:
        "../envs/catalogue.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1000),
        runtime=each_attempt(30),
    params:
        viewer="resources/portal_viewer",
        code=code_digest("build_portal"),
    script:
        "../scripts/build_portal.py"
