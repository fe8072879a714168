"""Plot the mean frame of a detector with its mask and beam centre."""

from scatterflow.script import run_named


def main(result: str, detector: str, png: str, svg: str) -> None:
    """result: the result file; png, svg: written."""
    from scatterflow.plots.frames import plot_frame_sum

    plot_frame_sum(result, detector, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
