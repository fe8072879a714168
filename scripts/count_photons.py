"""Count the photons of a block of pixels: how many sums of frames hold K of them."""

from scatterflow.script import run


def main(
    chunks: list,
    frames: str,
    qmap: str,
    photons: str,
    settings: dict,
    block: int,
    blocks: int,
    threads: int,
    identity: str = "",
) -> None:
    """chunks: sorted chunks of the run, of this identity; photons: written; settings: `speckle_statistics` of
    the reduction."""
    from scatterflow.detectors.qmap_files import read_qmap
    from scatterflow.xpcs.blocks import block_edges, read_positions
    from scatterflow.xpcs.frames import read_frames
    from scatterflow.xpcs.photon_histograms import count_photons, write_histograms

    bins = read_qmap(qmap)
    static = bins.static_of_position
    valid = read_frames(frames).valid
    first, last = block_edges(block, blocks, static.size)
    counted = count_photons(
        read_positions(chunks, first, last, valid=valid, identity=identity),
        valid,
        static,
        bins.static_bins,
        settings,
        threads,
    )
    write_histograms(photons, counted)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        chunks=list(snakemake.input.chunks),
        frames=snakemake.input.frames,
        qmap=snakemake.input.qmap,
        photons=snakemake.output.photons,
        settings=snakemake.params.settings,
        block=int(snakemake.wildcards.block),
        blocks=snakemake.params.blocks,
        threads=snakemake.threads,
        identity=snakemake.params.identity,
    )
