"""Record of one reduction of one run, for search and publication, and a small picture of it."""

from scatterflow.script import run


def main(
    described: dict,
    masks: dict[str, str],
    files: list[str],
    plot: str,
    quality: str,
    record: str,
    thumbnail: str,
) -> None:
    """described: fields of `Described`; masks: file per detector; files: all files of the result; plot: what
    the picture is made of."""
    from scatterflow.catalogue.record import Described, describe_result
    from scatterflow.catalogue.thumbnail import write_thumbnail

    write_thumbnail(plot, thumbnail)
    describe_result(Described(**described), masks, quality, [*files, thumbnail], record)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        described=snakemake.params.described,
        masks=dict(zip(snakemake.params.masks, snakemake.input.masks, strict=True)),
        files=[*snakemake.input.files, snakemake.input.verdicts],
        plot=snakemake.input.plot,
        quality=snakemake.input.quality,
        record=snakemake.output.record,
        thumbnail=snakemake.output.thumbnail,
    )
