"""Make pedestal, noise and bad pixels of a detector from a dark run."""

from scatterflow.script import run


def main(location: dict, detector: str, settings: dict, threads: int, dark: str) -> None:
    """location: of the dark run; settings: limits of good pixels, gain bits; dark: the file to write."""
    from scatterflow.shots.make_dark import make_dark
    from scatterflow.sources.base import RunLocation
    from scatterflow.sources.shots import open_shots

    place = RunLocation.from_fields(location)
    make_dark(
        dark,
        open_shots(place),
        detector,
        settings,
        place.run,
        skip_missing=place.recipe.get("missing") == "nan",
        threads=threads,
    )


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        location=snakemake.params.location,
        detector=snakemake.params.detector,
        settings=snakemake.params.settings,
        threads=snakemake.threads,
        dark=snakemake.output.dark,
    )
