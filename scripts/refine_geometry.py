"""Refine a detector's geometry from the rings of a calibrant: a new PONI file, verdict, figure."""

from scatterflow.script import logger, run_named


def main(
    result: str,
    detector: str,
    settings: dict,
    calibrant: str,
    refine: list[str],
    poni: str,
    verdict: str,
    png: str,
    svg: str,
) -> None:
    """settings: shape, geometry and orientation of the detector; poni, verdict, png, svg: written."""
    from scatterflow.detectors.geometry import load_geometry
    from scatterflow.plots.geometry import plot_refinement
    from scatterflow.plots.results import read_frame_sum
    from scatterflow.saxswaxs.refine import refine_geometry, write_refined_poni, write_refinement

    geometry = load_geometry(settings, detector)
    frame = read_frame_sum(result, detector)
    refinement = refine_geometry(frame.mean, geometry, calibrant, refine)
    if refinement.verdict != "pass":
        logger.warning(f"geometry of {detector}: {refinement.verdict}: {refinement.sentence}")
    plot_refinement(frame, geometry, refinement, png, svg)
    write_refinement(verdict, detector, refinement)
    started = settings["geometry"]
    source = [
        f"From {calibrant} in {result} (mean of {frame.frames} frames)",
        f"Started from {started if isinstance(started, str) else 'the configured parameters'}",
    ]
    write_refined_poni(poni, geometry, refinement, source)


if "snakemake" in globals():
    run_named(main, snakemake)
