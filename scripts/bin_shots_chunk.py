"""Sum the images of one chunk of a run's shots in the cells of a cube."""

from scatterflow.script import logger, run


def main(
    small: str,
    location: dict,
    detectors: dict,
    masks: dict,
    darks: dict,
    settings: dict,
    where: str,
    start: int,
    stop: int,
    threads: int,
    part: str,
) -> None:
    """small: the small data file; location: of the raw data; detectors: calibration of those whose images
    are binned; masks, darks: files of those that have one; settings: axes, labels, filters, normalise; where:
    place of the cube in the configuration; part: the file to write."""
    from scatterflow.files.provenance import software
    from scatterflow.shots.bin import bin_images, sort_shots
    from scatterflow.shots.image_sums_file import write_image_sums
    from scatterflow.shots.prepared import identities, open_detectors
    from scatterflow.shots.small_data import open_small_data

    shots = sort_shots(open_small_data(small), settings, where)
    opened = {one.name: one for one in open_detectors(location, detectors, masks, darks)}
    found = bin_images(shots, opened, start, stop, threads=threads)
    provenance = {
        "units": {name: detector.unit for name, detector in opened.items()},
        "calibration": detectors,
        "software": software(),
        **identities(masks, darks),
    }
    write_image_sums(part, found, provenance)
    logger.info(f"shots {start} to {stop - 1}: images in {len(found.cells)} cells")


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        small=snakemake.input.small,
        location=snakemake.params.location,
        detectors=snakemake.params.detectors,
        masks=snakemake.params.masks,
        darks=snakemake.params.darks,
        settings=snakemake.params.settings,
        where=snakemake.params.where,
        start=int(snakemake.wildcards.start),
        stop=int(snakemake.wildcards.stop),
        threads=snakemake.threads,
        part=snakemake.output.part,
    )
