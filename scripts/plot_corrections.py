"""Plot the mean profile before and after its corrections, with the background."""

from scatterflow.script import run_named


def main(result: str, detector: str, integration: str, png: str, svg: str) -> None:
    """result: the result file; png, svg: written."""
    from scatterflow.plots.corrections import plot_corrections

    plot_corrections(result, detector, integration, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
