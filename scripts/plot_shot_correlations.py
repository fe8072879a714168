"""Plot monitors against each other and against sums of detectors."""

from scatterflow.script import run_named


def main(small: str, png: str, svg: str) -> None:
    """Figures of a small data file as PNG and SVG."""
    from scatterflow.plots.shot_correlations import plot_shot_correlations

    plot_shot_correlations(small, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
