"""Plot g2: g2 of each dynamic bin, with errors."""

from scatterflow.script import run


def main(result: str, png: str, svg: str) -> None:
    """Figures of result as PNG and SVG."""
    from scatterflow.plots.g2 import plot_g2

    plot_g2(result, png, svg)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        result=snakemake.input.result,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
