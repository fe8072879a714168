"""Plot the Guinier, Kratky and Porod views of one integration of one detector."""

from scatterflow.script import run


def main(
    result: str,
    analysis: str,
    detector: str,
    integration: str,
    figures: list,
    axis: str | None,
    png: str,
    svg: str,
) -> None:
    """figures: the Guinier and Porod analyses of the profile; axis: name of a scalar, None: frame number."""
    from scatterflow.plots.views import plot_views

    plot_views(result, analysis, detector, integration, figures, png, svg, axis)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        result=snakemake.input.result,
        analysis=snakemake.input.analysis,
        detector=snakemake.params.detector,
        integration=snakemake.params.integration,
        figures=snakemake.params.figures,
        axis=snakemake.params.axis,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
