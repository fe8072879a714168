"""Plot speckle statistics: probabilities of photon counts, contrast over exposure."""

from scatterflow.script import run


def main(result: str, png: str, svg: str) -> None:
    """Figures of result as PNG and SVG."""
    from scatterflow.plots.speckle_statistics import plot_speckle_statistics

    plot_speckle_statistics(result, png, svg)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        result=snakemake.input.result,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
