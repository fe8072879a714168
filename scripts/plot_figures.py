"""Plot the figures of merit of all frames against frame number or a scanned axis."""

from scatterflow.script import run_named


def main(analysis: str, values: list, axis: str | None, png: str, svg: str) -> None:
    """values: names of the values per frame; axis: name of a scalar, None for the frame number."""
    from scatterflow.plots.fits import plot_figures

    plot_figures(analysis, values, png, svg, axis)


if "snakemake" in globals():
    run_named(main, snakemake)
