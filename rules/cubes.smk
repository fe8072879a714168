rule bin_shots_chunk:
    """Images of one chunk of a run's shots, summed in the cells of a cube."""
    input:
        small="results/{run}/{shots}/{run}.h5",
        raw=run_shot_files,
        masks=shot_mask_files,
        darks=shot_dark_files,
        constants=shot_constant_files,
    output:
        part=temp("work/{run}/{shots}/cubes/{cube}/{start}-{stop}.h5"),
    log:
        "logs/bin_shots_chunk/{run}/{shots}/{cube}/{start}-{stop}.log",
    benchmark:
        "logs/benchmarks/bin_shots_chunk/{run}/{shots}/{cube}/{start}-{stop}.tsv"
    conda:
        "../envs/shots.yaml"
    threads: lambda wildcards: planned_shots(wildcards).configuration.chunks.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt * cube_chunk_memory(wildcards),
        runtime=lambda wildcards, attempt: attempt * shot_minutes(wildcards),
    params:
        location=lambda wildcards: planned_shots(wildcards).location(scalars=False),
        detectors=cube_detectors,
        masks=shot_masks,
        darks=shot_darks,
        settings=image_cells,
        where=cube_place,
        code=shot_code("bin_shots_chunk"),
    script:
        "../scripts/bin_shots_chunk.py"


rule bin_shots:
    """A cube: means, errors and counts of quantities and images in bins of scanned variables."""
    input:
        small="results/{run}/{shots}/{run}.h5",
        parts=cube_parts,
    output:
        cube="results/{run}/{shots}/cube_{cube}.nxs",
    log:
        "logs/bin_shots/{run}/{shots}/{cube}.log",
    benchmark:
        "logs/benchmarks/bin_shots/{run}/{shots}/{cube}.tsv"
    conda:
        "../envs/shots.yaml"
    threads: lambda wildcards: planned_shots(wildcards).configuration.chunks.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt * cube_memory(wildcards),
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        settings=cube_settings,
        where=cube_place,
        description=cube_description,
        code=code_digest("bin_shots"),
    script:
        "../scripts/bin_shots.py"


rule calculate_shots:
    """Histograms, statistics over shots, best shots, from the small data of a run."""
    input:
        small="results/{run}/{shots}/{run}.h5",
        images=calculation_files,
    output:
        analysis="results/{run}/{shots}/analysis.nxs",
    log:
        "logs/calculate_shots/{run}/{shots}.log",
    benchmark:
        "logs/benchmarks/calculate_shots/{run}/{shots}.tsv"
    conda:
        "../envs/shots.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * calculation_memory(wildcards),
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        settings=calculation_settings,
        location=calculation_location,
        detectors=calculation_detectors,
        masks=shot_masks,
        darks=shot_darks,
        where=lambda wildcards: f"run {wildcards.run}, key reductions.{wildcards.shots}.calculations",
        description=shots_description,
        code=shot_code("calculate_shots"),
    script:
        "../scripts/calculate_shots.py"
