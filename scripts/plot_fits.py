"""Plot one fit: data, best fit and residual of some frames, fitted values of all."""

from scatterflow.script import run_named


def main(analysis: str, fit: str, values: list, axis: str | None, png: str, svg: str) -> None:
    """values: names of the fit's values per frame; axis: name of a scalar, None for the frame number."""
    from scatterflow.plots.fits import plot_fit

    plot_fit(analysis, fit, values, png, svg, axis)


if "snakemake" in globals():
    run_named(main, snakemake)
