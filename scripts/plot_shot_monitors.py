"""Plot the intensity monitors of a run, and when there was light."""

from scatterflow.script import run_named


def main(small: str, png: str, svg: str) -> None:
    """Figures of a small data file as PNG and SVG."""
    from scatterflow.plots.shot_monitors import plot_shot_monitors

    plot_shot_monitors(small, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
