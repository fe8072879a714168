"""Plot the mean profile before and after its corrections, with the background."""

from scatterflow.script import run


def main(result: str, detector: str, integration: str, png: str, svg: str) -> None:
    """result: the result file; png, svg: written."""
    from scatterflow.plots.corrections import plot_corrections

    plot_corrections(result, detector, integration, png, svg)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        result=snakemake.input.result,
        detector=snakemake.params.detector,
        integration=snakemake.params.integration,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
