"""Plot spectra of the pixels and droplets of a detector."""

from scatterflow.script import run_named


def main(small: str, detector: str, png: str, svg: str) -> None:
    """Figures of a detector in a small data file as PNG and SVG."""
    from scatterflow.plots.photon_histograms import plot_single_photon_spectrum

    plot_single_photon_spectrum(small, detector, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
