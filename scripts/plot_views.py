"""Plot the Guinier, Kratky and Porod views of one integration of one detector."""

from scatterflow.script import run_named


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
    run_named(main, snakemake)
