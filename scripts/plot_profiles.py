"""Plot the profiles of all frames against frame number or a scanned axis."""

from scatterflow.script import run


def main(
    result: str, detector: str, integration: str, axis: str | None, png: str, svg: str
) -> None:
    """axis: name of a scalar, None for the frame number."""
    from scatterflow.plots.profiles import plot_profiles

    plot_profiles(result, detector, integration, png, svg, axis)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        result=snakemake.input.result,
        detector=snakemake.params.detector,
        integration=snakemake.params.integration,
        axis=snakemake.params.axis,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
