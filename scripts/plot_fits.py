"""Plot one fit: data, best fit and residual of some frames, fitted values of all."""

from scatterflow.script import run


def main(analysis: str, fit: str, values: list, axis: str | None, png: str, svg: str) -> None:
    """values: names of the fit's values per frame; axis: name of a scalar, None for the frame number."""
    from scatterflow.plots.fits import plot_fit

    plot_fit(analysis, fit, values, png, svg, axis)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        analysis=snakemake.input.analysis,
        fit=snakemake.wildcards.fit,
        values=snakemake.params.values,
        axis=snakemake.params.axis,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
