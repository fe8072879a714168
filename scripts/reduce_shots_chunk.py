"""Reduce one chunk of a run's shots."""

from scatterflow.script import run


def main(
    location: dict,
    detectors: dict,
    masks: dict,
    darks: dict,
    variables: dict,
    filters: dict,
    table: str,
    start: int,
    stop: int,
    threads: int,
    part: str,
) -> None:
    """location: of the raw data; detectors: settings of each; masks, darks: files of those that have one;
    variables, filters: that statistics use; table: scalars of the run; part: the file to write."""
    from scatterflow.shots.prepared import open_detectors
    from scatterflow.shots.reduce import reduce_chunk
    from scatterflow.shots.selection import passed_by_statistic, scalars_of
    from scatterflow.shots.table import read_table

    found = read_table(table)
    where = f"run {location['run']}"
    scalars = scalars_of(found, variables, where)
    reduce_chunk(
        part,
        open_detectors(location, detectors, masks, darks),
        detectors,
        scalars,
        passed_by_statistic(detectors, filters, scalars, len(found.tags), where),
        found.tags,
        start,
        stop,
        threads=threads,
        label=f"{where}, shots {start} to {stop - 1}",
    )


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        location=snakemake.params.location,
        detectors=snakemake.params.detectors,
        masks=snakemake.params.masks,
        darks=snakemake.params.darks,
        variables=snakemake.params.variables,
        filters=snakemake.params.filters,
        table=snakemake.input.table,
        start=int(snakemake.wildcards.start),
        stop=int(snakemake.wildcards.stop),
        threads=snakemake.threads,
        part=snakemake.output.part,
    )
