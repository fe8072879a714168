"""Correlate one block of pixels with itself at later times."""

from scatterflow.script import logger, run


def main(
    qmap: str,
    chunks: list[str],
    frames: str,
    block: int,
    blocks: int,
    multitau: dict,
    threads: int,
    output: str,
    identity: str = "",
) -> None:
    """multitau: lags, delays_per_level, most_delay, partial; identity: of the chunks."""
    from scatterflow.detectors.qmap_files import read_qmap
    from scatterflow.files.provenance import software
    from scatterflow.kernels.lags import chosen_lags
    from scatterflow.xpcs.blocks import block_edges, read_positions
    from scatterflow.xpcs.correlate import correlate_block, time_windows
    from scatterflow.xpcs.frames import read_frames
    from scatterflow.xpcs.multitau_file import write_block_sums

    static = read_qmap(qmap).static_of_position
    used = read_frames(frames)
    number = len(used.valid)
    sums = correlate_block(
        read_positions(chunks, *block_edges(block, blocks, len(static)), identity=identity),
        used.valid,
        None if used.unscaled else used.scale,
        chosen_lags(multitau, number),
        threads,
        time_windows(number, multitau["partial"]),
        static,
    )
    write_block_sums(output, sums, {"multitau": multitau, "software": software()})
    logger.info(f"block {block + 1} of {blocks}: {sums.last - sums.first} pixels, {number} frames")


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        qmap=snakemake.input.qmap,
        chunks=list(snakemake.input.chunks),
        frames=snakemake.input.frames,
        block=int(snakemake.wildcards.block),
        blocks=snakemake.params.blocks,
        multitau=snakemake.params.multitau,
        threads=snakemake.threads,
        output=snakemake.output[0],
        identity=snakemake.params.identity,
    )
