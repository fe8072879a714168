"""Merge the chunks of a run into its small data file and its result."""

from scatterflow.script import run


def main(
    location: dict,
    parts: list[str],
    table: str,
    defaults: dict,
    detectors: dict,
    masks: dict,
    darks: dict,
    variables: dict,
    filters: dict,
    description: dict,
    small: str,
    result: str,
) -> None:
    """parts: partial files of all chunks, in order; table: scalars of the run; small, result: the files to
    write; the others as configured."""
    from scatterflow.shots.merge import merge_shots
    from scatterflow.shots.prepared import identities, open_detectors
    from scatterflow.shots.result import write_result
    from scatterflow.shots.small_data import open_small_data
    from scatterflow.shots.table import read_table

    found = read_table(table)
    opened = open_detectors(location, detectors, masks, darks)
    settings = {
        "defaults": defaults,
        "detectors": detectors,
        "variables": variables,
        "filters": filters,
    }
    told = {**description, **identities(masks, darks), "settings": settings}
    label = f"{description['run']}/{description['reduction']}"
    summed = merge_shots(small, parts, found, opened, settings, told, label=label)
    write_result(result, open_small_data(small), summed, found, opened, settings, told)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        location=snakemake.params.location,
        parts=list(snakemake.input.parts),
        table=snakemake.input.table,
        defaults=snakemake.params.defaults,
        detectors=snakemake.params.detectors,
        masks=snakemake.params.masks,
        darks=snakemake.params.darks,
        variables=snakemake.params.variables,
        filters=snakemake.params.filters,
        description=snakemake.params.description,
        small=snakemake.output.small,
        result=snakemake.output.result,
    )
