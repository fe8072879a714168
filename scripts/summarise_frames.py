"""Find the bad frames of a run, how each frame is scaled, and the means over the good ones."""

from scatterflow.script import run


def main(
    chunks: list[str], qmap: str, settings: dict, where: str, output: str, identity: str = ""
) -> None:
    """chunks: all sorted chunks, of this identity; settings: bad, automatic_bad, normalise; where: for
    messages."""
    from scatterflow.detectors.qmap_files import read_qmap
    from scatterflow.files.provenance import software
    from scatterflow.xpcs.frames import summarise_frames, write_frames

    frames = summarise_frames(chunks, settings, read_qmap(qmap), where, identity)
    write_frames(output, frames, {"settings": settings, "software": software()})


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        chunks=list(snakemake.input.chunks),
        qmap=snakemake.input.qmap,
        settings=snakemake.params.settings,
        where=snakemake.params.where,
        output=snakemake.output[0],
        identity=snakemake.params.identity,
    )
