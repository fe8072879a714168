"""Integrate one chunk of frames into the container and write its receipt."""

from scatterflow.script import logger, run


def main(
    container: str,
    weights: dict[str, str],
    location: dict,
    tasks: list,
    calibrations: dict,
    start: int,
    stop: int,
    threads: int,
    receipt: str,
) -> None:
    """location: of the raw data; calibrations: valid range, dark image and dead time per detector."""
    from scatterflow.detectors.images import load_image
    from scatterflow.files.json import write_json
    from scatterflow.saxswaxs.dead_time import dead_time_fraction
    from scatterflow.saxswaxs.integrate import Calibration, integrate_chunk, run_progress
    from scatterflow.saxswaxs.tasks import read_tasks
    from scatterflow.sources.base import RunLocation
    from scatterflow.sources.open import open_growing_source

    source = open_growing_source(RunLocation.from_fields(location))
    skip_missing = location["recipe"]["missing"] == "nan"
    calibrations = {
        name: Calibration(
            valid=item["valid"],
            dark=item["dark"] and load_image(item["dark"], tuple(location["shapes"][name]), "dark"),
            dead_time=dead_time_fraction(
                item["dead_time"],
                source,
                start,
                stop,
                f"run {location['run']}, detector {name}",
                skip_missing,
            ),
            dead_time_settings=item["dead_time"],
        )
        for name, item in calibrations.items()
    }
    written = integrate_chunk(
        container,
        source,
        start,
        stop,
        read_tasks(tasks, weights),
        calibrations,
        skip_missing=skip_missing,
        threads=threads,
        label=f"run {location['run']}, frames {start} to {stop - 1}",
    )
    write_json(receipt, written)
    logger.info(run_progress(receipt, container, location["run"]))


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        container=snakemake.input.container,
        weights=dict(zip(snakemake.params.weights, snakemake.input.weights, strict=True)),
        location=snakemake.params.location,
        tasks=snakemake.params.tasks,
        calibrations=snakemake.params.calibrations,
        start=int(snakemake.wildcards.start),
        stop=int(snakemake.wildcards.stop),
        threads=snakemake.threads,
        receipt=snakemake.output.receipt,
    )
