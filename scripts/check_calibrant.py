"""Compare the rings of a calibrant run with the calibrant's d-spacings: table, plot, verdict."""

from scatterflow.script import logger, run_named


def main(
    result: str,
    detector: str,
    integration: str,
    calibrant: str,
    tolerance: float,
    table: str,
    verdict: str,
    png: str,
    svg: str,
) -> None:
    """result: the result file; table, verdict, png, svg: written."""
    from scatterflow.plots.calibrant import plot_rings
    from scatterflow.plots.results import read_integration, read_mean, read_wavelength
    from scatterflow.saxswaxs.calibrant import check_rings, write_ring_table, write_ring_verdict

    shown = read_integration(result, detector, integration, ("azimuthal",))
    (axis,) = shown.axes
    intensity, errors = read_mean(result, detector, integration, axis.values.shape)
    check = check_rings(
        axis.values,
        intensity,
        errors,
        axis.pyfai_unit,
        calibrant,
        read_wavelength(result, detector),
        tolerance,
    )
    plot_rings(
        check, axis.values, intensity, errors, png, svg, shown.heading, shown.intensity_label
    )
    if check.verdict != "pass":
        logger.warning(f"calibrant check: {check.verdict}: {check.sentence} See {png}")
    write_ring_verdict(verdict, check)
    write_ring_table(table, check)


if "snakemake" in globals():
    run_named(main, snakemake)
