"""Merge the correlated parts of a reduction into its result file."""

from scatterflow.script import run


def main(
    qmap: str,
    frames: str,
    blocks: list[str],
    twotime: list[str],
    photons: list[str],
    metadata: str | None,
    mask: str,
    location: dict,
    settings: dict,
    description: dict,
    threads: int,
    result: str,
    linked: str,
) -> None:
    """blocks, twotime, photons: files of all parts; metadata: of the acquisition, or None; mask: file of the
    detector's; location: of the raw data; settings: of the reduction; linked: second name of the result, for
    APS 8-ID's programs."""
    from scatterflow.sources.base import RunLocation
    from scatterflow.sources.open import open_source
    from scatterflow.xpcs.assemble import assemble_result

    assemble_result(
        qmap,
        frames,
        blocks,
        twotime,
        photons,
        metadata,
        mask=mask,
        raw_files=open_source(RunLocation.from_fields(location)).files(),
        settings=settings,
        description=description,
        result=result,
        linked=linked,
        threads=threads,
    )


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        qmap=snakemake.input.qmap,
        frames=snakemake.input.frames,
        blocks=list(snakemake.input.blocks),
        twotime=list(snakemake.input.twotime),
        photons=list(snakemake.input.photons),
        metadata=snakemake.params.metadata,
        mask=snakemake.input.mask,
        location=snakemake.params.location,
        settings=snakemake.params.settings,
        description=snakemake.params.description,
        threads=snakemake.threads,
        result=snakemake.output.result,
        linked=snakemake.output.linked,
    )
