"""Tabulate the scalars of all shots of a run."""

from scatterflow.script import run_named


def main(location: dict, defaults: dict, table: str) -> None:
    """location: of the raw data; defaults: settings of the default detectors; table: the file to write."""
    from scatterflow.shots.table import tabulate_shots
    from scatterflow.sources.base import RunLocation
    from scatterflow.sources.shots import open_shots

    place = RunLocation.from_fields(location)
    tabulate_shots(table, open_shots(place), defaults, place.run)


if "snakemake" in globals():
    run_named(main, snakemake)
