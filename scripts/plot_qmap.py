"""Plot the q-map: the q-map: dynamic bins, static bins, pixels in each."""

from scatterflow.script import run


def main(qmap: str, png: str, svg: str) -> None:
    """Figures of qmap as PNG and SVG."""
    from scatterflow.plots.qmap import plot_qmap

    plot_qmap(qmap, png, svg)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        qmap=snakemake.input.qmap,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
