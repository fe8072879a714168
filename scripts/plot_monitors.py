"""Plot every per-frame scalar of a run."""

from scatterflow.script import run_named


def main(result: str, png: str, svg: str) -> None:
    """result: the result file; png, svg: written."""
    from scatterflow.plots.monitors import plot_monitors

    plot_monitors(result, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
