"""Plot speckles of single shots of a detector."""

from scatterflow.script import run_named


def main(small: str, detector: str, png: str, svg: str) -> None:
    """Figures of a detector in a small data file as PNG and SVG."""
    from scatterflow.plots.speckles import plot_speckle_size

    plot_speckle_size(small, detector, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
