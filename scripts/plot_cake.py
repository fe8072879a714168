"""Plot the mean cake, I(chi, q), of a detector."""

from scatterflow.script import run_named


def main(
    result: str, detector: str, integration: str, calibrant: str | None, png: str, svg: str
) -> None:
    """calibrant: pyFAI's name of the calibrant that the sample is, or None."""
    from scatterflow.plots.cake import plot_cake
    from scatterflow.plots.results import read_wavelength

    plot_cake(result, detector, integration, png, svg, calibrant, read_wavelength(result, detector))


if "snakemake" in globals():
    run_named(main, snakemake)
