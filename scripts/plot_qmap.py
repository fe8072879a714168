"""Plot the q-map: dynamic bins, static bins, pixels in each."""

from scatterflow.script import run_named


def main(qmap: str, png: str, svg: str) -> None:
    """Figures of qmap as PNG and SVG."""
    from scatterflow.plots.qmap import plot_qmap

    plot_qmap(qmap, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
