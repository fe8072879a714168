"""Place the frames of one or several runs on the grid that was scanned."""

from scatterflow.script import logger, run


def main(
    runs: list[str],
    results: list[str],
    analyses: list[str],
    settings: dict,
    tasks: list[str],
    description: dict,
    path: str,
) -> None:
    """runs: names; results, analyses: their files, analyses empty if no quantity is from there;
    description: map, reduction, experiment; path: written."""
    from scatterflow.saxswaxs.map_input import MapRun
    from scatterflow.saxswaxs.maps import structure_map

    files = zip(runs, results, analyses or [None] * len(runs), strict=True)
    members = [MapRun(*item) for item in files]
    for sentence in structure_map(members, settings, tasks, description, path):
        logger.warning(f"map {description['map']}: {sentence}")


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        runs=snakemake.params.runs,
        results=list(snakemake.input.results),
        analyses=list(snakemake.input.analyses),
        settings=snakemake.params.settings,
        tasks=snakemake.params.tasks,
        description=snakemake.params.description,
        path=snakemake.output.map,
    )
