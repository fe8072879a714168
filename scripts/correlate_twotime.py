"""Correlate all pairs of frames in some of the dynamic bins."""

from scatterflow.script import logger, run


def main(
    qmap: str,
    chunks: list[str],
    frames: str,
    part: int,
    parts: int,
    settings: dict,
    threads: int,
    output: str,
    where: str = "",
    identity: str = "",
) -> None:
    """part: which of the parts that the chosen bins are cut into; settings: the `twotime:` block, bins from
    1 or None for all; where: its place in the configuration; identity: of the chunks."""
    from functools import partial

    from scatterflow.detectors.qmap_files import read_qmap
    from scatterflow.files.provenance import software
    from scatterflow.xpcs.blocks import read_positions
    from scatterflow.xpcs.frames import read_frames
    from scatterflow.xpcs.twotime import TwoTimeSettings, bins_of_part, correlate_twotime
    from scatterflow.xpcs.twotime_file import write_twotime

    qmap_read, used = read_qmap(qmap), read_frames(frames)
    bins = bins_of_part(settings["bins"], qmap_read.dynamic_bins, part, parts, where)
    how = TwoTimeSettings(**{key: value for key, value in settings.items() if key != "bins"})
    read = partial(read_positions, chunks, valid=used.valid, identity=identity)
    results = correlate_twotime(read, qmap_read, used, how, bins, threads)
    write_twotime(output, results, {"twotime": settings, "software": software()})
    logger.info(f"part {part + 1} of {parts}: {len(bins)} bins, {len(used.valid)} frames")


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        qmap=snakemake.input.qmap,
        chunks=list(snakemake.input.chunks),
        frames=snakemake.input.frames,
        part=int(snakemake.wildcards.part),
        parts=snakemake.params.parts,
        settings=snakemake.params.settings,
        threads=snakemake.threads,
        output=snakemake.output[0],
        where=snakemake.params.where,
        identity=snakemake.params.identity,
    )
