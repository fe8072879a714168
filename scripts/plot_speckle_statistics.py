"""Plot speckle statistics: probabilities of photon counts, contrast over exposure."""

from scatterflow.script import run_named


def main(result: str, png: str, svg: str) -> None:
    """Figures of result as PNG and SVG."""
    from scatterflow.plots.speckle_statistics import plot_speckle_statistics

    plot_speckle_statistics(result, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
