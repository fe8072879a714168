"""Plot photons per shot and per pixel of a detector."""

from scatterflow.script import run_named


def main(small: str, detector: str, png: str, svg: str) -> None:
    """Figures of a detector in a small data file as PNG and SVG."""
    from scatterflow.plots.photon_histograms import plot_photon_histograms

    plot_photon_histograms(small, detector, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
