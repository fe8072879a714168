"""Calculate histograms, statistics and best shots from the small data of a run."""

from scatterflow.script import logger, run_named


def main(
    small: str,
    settings: dict,
    location: dict | None,
    detectors: dict,
    masks: dict,
    darks: dict,
    where: str,
    description: dict,
    analysis: str,
) -> None:
    """small: the small data file; settings: of each calculation; location: of the raw data, None where no
    images are wanted; detectors: calibration of those whose images are; masks, darks: files of those that
    have one; where: place in the configuration; analysis: the file to write."""
    from scatterflow.shots.calculate import calculate
    from scatterflow.shots.calculation_file import write_calculations
    from scatterflow.shots.prepared import identities, open_detectors
    from scatterflow.shots.small_data import open_small_data

    data = open_small_data(small)
    opened, images = {}, {}
    if location is not None:
        opened = {one.name: one for one in open_detectors(location, detectors, masks, darks)}
        images = {"calibration": detectors, **identities(masks, darks)}
    results = {
        name: calculate(data, own, opened, f"{where}.{name}") for name, own in settings.items()
    }
    write_calculations(analysis, data, results, settings, description, images)
    logger.info(f"{len(results)} calculations over {data.shots} shots")


if "snakemake" in globals():
    run_named(main, snakemake)
