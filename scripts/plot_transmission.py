"""Plot monitors, transmission and thickness of a run."""

from scatterflow.script import run_named


def main(result: str, png: str, svg: str) -> None:
    """result: the result file; png, svg: written."""
    from scatterflow.plots.transmission import plot_transmission

    plot_transmission(result, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
