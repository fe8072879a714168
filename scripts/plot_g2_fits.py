"""Plot g2 of each dynamic bin with a fitted model."""

from scatterflow.script import run


def main(analysis: str, fit: str, png: str, svg: str) -> None:
    """fit: its name in the configuration."""
    from scatterflow.plots.g2_fits import plot_g2_fit

    plot_g2_fit(analysis, fit, png, svg)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        analysis=snakemake.input.analysis,
        fit=snakemake.wildcards.fit,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
