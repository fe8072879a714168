rule setup_container:
    """Empty Zarr store of a reduction, sized from the plan."""
    output:
        container=directory("work/{run}/{reduction}/container.zarr"),
    log:
        "logs/setup_container/{run}/{reduction}.log",
    benchmark:
        "logs/benchmarks/setup_container/{run}/{reduction}.tsv"
    conda:
        "../envs/integration.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(1000),
        runtime=each_attempt(10),
    params:
        frames=lambda wildcards: planned(wildcards).row.frames,
        chunk_frames=lambda wildcards: planned(wildcards).chunk_frames,
        tasks=container_tasks,
        shapes=container_shapes,
        code=code_digest("setup_container"),
    script:
        "../scripts/setup_container.py"


rule integrate_chunk:
    """All integrations of one chunk of frames, written into the container."""
    input:
        container="work/{run}/{reduction}/container.zarr",
        weights=weights_files,
        darks=dark_files,
        raw=chunk_raw_files,
    output:
        receipt="work/{run}/{reduction}/chunks/{start}-{stop}.json",
    log:
        "logs/integrate_chunk/{run}/{reduction}/{start}-{stop}.log",
    benchmark:
        "logs/benchmarks/integrate_chunk/{run}/{reduction}/{start}-{stop}.tsv"
    conda:
        "../envs/integration.yaml"
    threads: lambda wildcards: planned(wildcards).configuration.chunks.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt * planned(wildcards).memory_mb,
        runtime=lambda wildcards, attempt: attempt
        * max(10, int(4 * planned(wildcards).configuration.chunks.minutes)),
    params:
        weights=weights_keys,
        location=lambda wildcards: planned(wildcards).location(scalars=False),
        tasks=planned_tasks,
        calibrations=calibrations,
        raw_part=frames_part,
        code=frame_code,
    script:
        "../scripts/integrate_chunk.py"


rule assemble_result:
    """Verify all chunks, correct, and write the result file."""
    input:
        container="work/{run}/{reduction}/container.zarr",
        receipts=receipts,
        weights=weights_files,
        masks=mask_files,
        raw=run_scalar_files,
        companion_containers=companion_containers,
        companion_receipts=companion_receipts,
        companion_raw=companion_scalar_files,
        standard=standard_table,
    output:
        result="results/{run}/{reduction}/result.nxs",
    log:
        "logs/assemble_result/{run}/{reduction}.log",
    benchmark:
        "logs/benchmarks/assemble_result/{run}/{reduction}.tsv"
    conda:
        "../envs/integration.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4000,
        runtime=lambda wildcards, attempt: attempt * planned(wildcards).assembly_minutes,
    params:
        weights=weights_keys,
        masks=lambda wildcards: list(planned(wildcards).masks),
        location=lambda wildcards: planned(wildcards).location(scalars=True),
        description=description,
        tasks=planned_tasks,
        valid=valid_ranges,
        dead_times=dead_times,
        corrections=corrections,
        companions=companions,
        raw_part=scalars_part,
        code=result_code,
    script:
        "../scripts/assemble_result.py"
