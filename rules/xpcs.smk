rule prepare_qmap:
    """q-map of a reduction: made, or read from a file; checked, in the layout of APS 8-ID."""
    input:
        files=qmap_inputs,
        mask=qmap_mask,
    output:
        qmap="resources/qmaps/{key}.h5",
    log:
        "logs/prepare_qmap/{key}.log",
    benchmark:
        "logs/benchmarks/prepare_qmap/{key}.tsv"
    conda:
        "../envs/integration.yaml"
    threads: 1
    resources:
        mem_mb=each_attempt(2000),
        runtime=each_attempt(10),
    params:
        detector=lambda wildcards: qmap_settings(wildcards)["detector"],
        settings=qmap_detector,
        qmap=lambda wildcards: qmap_settings(wildcards)["qmap"],
        crop=lambda wildcards: qmap_settings(wildcards)["crop"],
        code=code_digest("prepare_qmap"),
    script:
        "../scripts/prepare_qmap.py"


rule sort_chunk:
    """One chunk of frames, sorted by pixel in the order of the q-map."""
    input:
        qmap=qmap_file,
        mask=xpcs_mask,
        images=calibration_images,
        raw=sorted_raw_files,
    output:
        chunk=temp("work/{run}/{xpcs}/sorted/{start}-{stop}.h5"),
    log:
        "logs/sort_chunk/{run}/{xpcs}/{start}-{stop}.log",
    benchmark:
        "logs/benchmarks/sort_chunk/{run}/{xpcs}/{start}-{stop}.tsv"
    conda:
        "../envs/correlation.yaml"
    threads: lambda wildcards: planned_xpcs(wildcards).configuration.chunks.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * planned_xpcs(wildcards).sort_memory_mb,
        runtime=lambda wildcards, attempt: attempt * chunk_minutes(wildcards),
    params:
        location=lambda wildcards: planned_xpcs(wildcards).location(scalars=False),
        detector=lambda wildcards: planned_xpcs(wildcards).detector,
        calibration=lambda wildcards: planned_xpcs(wildcards).calibration,
        frames=used_frames,
        preprocessing=corrected_counts,
        crop=lambda wildcards: xpcs_settings(wildcards, "crop"),
        blocks=lambda wildcards: planned_xpcs(wildcards).blocks,
        raw_part=sorted_part,
        identity=sorted_identity,
        code=sort_code,
    script:
        "../scripts/sort_chunk.py"


rule summarise_frames:
    """Bad frames, the scale of each frame, means over the good ones."""
    input:
        chunks=sorted_chunks,
        qmap=qmap_file,
    output:
        frames="work/{run}/{xpcs}/frames.h5",
    log:
        "logs/summarise_frames/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/summarise_frames/{run}/{xpcs}.tsv"
    conda:
        "../envs/correlation.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * planned_xpcs(wildcards).frames_memory_mb,
        runtime=each_attempt(30),
    params:
        settings=frame_checks,
        where=lambda wildcards: f"run {wildcards.run}, key reductions.{wildcards.xpcs}.frames",
        identity=sorted_identity,
        code=code_digest("summarise_frames"),
    script:
        "../scripts/summarise_frames.py"


rule correlate_block:
    """Multi-tau sums of one block of pixels, all frames."""
    input:
        qmap=qmap_file,
        chunks=sorted_chunks,
        frames="work/{run}/{xpcs}/frames.h5",
    output:
        sums="work/{run}/{xpcs}/multitau/{block}.h5",
    log:
        "logs/correlate_block/{run}/{xpcs}/{block}.log",
    benchmark:
        "logs/benchmarks/correlate_block/{run}/{xpcs}/{block}.tsv"
    conda:
        "../envs/correlation.yaml"
    threads: lambda wildcards: planned_xpcs(wildcards).configuration.chunks.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * planned_xpcs(wildcards).block_memory_mb,
        runtime=lambda wildcards, attempt: attempt * chunk_minutes(wildcards),
    params:
        blocks=lambda wildcards: planned_xpcs(wildcards).blocks,
        multitau=correlated_lags,
        identity=sorted_identity,
        code=code_digest("correlate_block"),
    script:
        "../scripts/correlate_block.py"


rule correlate_twotime:
    """Two-time correlation of some of the dynamic bins."""
    input:
        qmap=qmap_file,
        chunks=sorted_chunks,
        frames="work/{run}/{xpcs}/frames.h5",
    output:
        twotime="work/{run}/{xpcs}/twotime/{part}.h5",
    log:
        "logs/correlate_twotime/{run}/{xpcs}/{part}.log",
    benchmark:
        "logs/benchmarks/correlate_twotime/{run}/{xpcs}/{part}.tsv"
    conda:
        "../envs/correlation.yaml"
    threads: lambda wildcards: planned_xpcs(wildcards).configuration.chunks.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * planned_xpcs(wildcards).twotime_memory_mb,
        runtime=lambda wildcards, attempt: attempt * chunk_minutes(wildcards),
    params:
        parts=lambda wildcards: planned_xpcs(wildcards).parts,
        settings=lambda wildcards: xpcs_settings(wildcards, "twotime"),
        where=lambda wildcards: f"run {wildcards.run}, key reductions.{wildcards.xpcs}.twotime",
        identity=sorted_identity,
        code=code_digest("correlate_twotime"),
    script:
        "../scripts/correlate_twotime.py"


rule count_photons:
    """Histograms of the photon counts of one block of pixels, at each exposure."""
    input:
        qmap=qmap_file,
        chunks=sorted_chunks,
        frames="work/{run}/{xpcs}/frames.h5",
    output:
        photons="work/{run}/{xpcs}/photons/{block}.h5",
    log:
        "logs/count_photons/{run}/{xpcs}/{block}.log",
    benchmark:
        "logs/benchmarks/count_photons/{run}/{xpcs}/{block}.tsv"
    conda:
        "../envs/correlation.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * planned_xpcs(wildcards).block_memory_mb,
        runtime=lambda wildcards, attempt: attempt * chunk_minutes(wildcards),
    params:
        blocks=lambda wildcards: planned_xpcs(wildcards).blocks,
        settings=lambda wildcards: xpcs_settings(wildcards, "speckle_statistics"),
        identity=sorted_identity,
        code=code_digest("count_photons"),
    script:
        "../scripts/count_photons.py"


rule merge_correlation:
    """g2 with errors out of all blocks, two-time, means: the result file, NeXus and APS in one."""
    input:
        qmap=qmap_file,
        frames="work/{run}/{xpcs}/frames.h5",
        blocks=block_sums,
        twotime=twotime_parts,
        photons=photon_counts,
        metadata=xpcs_metadata,
        mask=xpcs_mask,
    output:
        result="results/{run}/{xpcs}/result.nxs",
        linked="results/{run}/{xpcs}/{run}_results.hdf",
    log:
        "logs/merge_correlation/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/merge_correlation/{run}/{xpcs}.tsv"
    conda:
        "../envs/correlation.yaml"
    threads: lambda wildcards: planned_xpcs(wildcards).configuration.chunks.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * planned_xpcs(wildcards).merge_memory_mb,
        runtime=lambda wildcards, attempt: attempt * 60,
    params:
        metadata=metadata_path,
        location=lambda wildcards: planned_xpcs(wildcards).location(scalars=False),
        settings=lambda wildcards: planned_xpcs(wildcards).parameters,
        description=xpcs_description,
        code=merge_code,
    script:
        "../scripts/merge_correlation.py"


rule fit_correlation:
    """Models fitted to g2 of each bin, tau over q, speckle contrast."""
    input:
        result="results/{run}/{xpcs}/result.nxs",
    output:
        analysis="results/{run}/{xpcs}/analysis.nxs",
    log:
        "logs/fit_correlation/{run}/{xpcs}.log",
    benchmark:
        "logs/benchmarks/fit_correlation/{run}/{xpcs}.tsv"
    conda:
        "../envs/correlation.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * max(2000, planned_xpcs(wildcards).merge_memory_mb),
        runtime=lambda wildcards, attempt: attempt * 30,
    params:
        settings=fitted,
        code=code_digest("fit_correlation"),
    script:
        "../scripts/fit_correlation.py"
