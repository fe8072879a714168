"""Plot the two-time correlation: maps, g2 of ages and windows, variance over time."""

from scatterflow.script import run_named


def main(result: str, png: str, svg: str) -> None:
    """Figures of result as PNG and SVG."""
    from scatterflow.plots.twotime import plot_twotime

    plot_twotime(result, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
