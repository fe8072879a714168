"""Plot the mean profile with its error band, and a calibrant's ring lines."""

from scatterflow.script import run_named


def main(
    result: str, detector: str, integration: str, calibrant: str | None, png: str, svg: str
) -> None:
    """calibrant: pyFAI's name of the calibrant that the sample is, or None."""
    from scatterflow.plots.mean_profile import plot_mean_profile
    from scatterflow.plots.results import read_wavelength

    plot_mean_profile(
        result, detector, integration, png, svg, calibrant, read_wavelength(result, detector)
    )


if "snakemake" in globals():
    run_named(main, snakemake)
