"""Plot sums of a detector over shots as images."""

from scatterflow.script import run_named


def main(small: str, detector: str, png: str, svg: str) -> None:
    """Figures of a detector in a small data file as PNG and SVG."""
    from scatterflow.plots.mean_images import plot_mean_images

    plot_mean_images(small, detector, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
