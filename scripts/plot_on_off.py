"""Plot sums of detectors with and without laser along the delay."""

from scatterflow.script import run_named


def main(small: str, png: str, svg: str) -> None:
    """Figures of a small data file as PNG and SVG."""
    from scatterflow.plots.on_off import plot_on_off

    plot_on_off(small, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
