"""Plot the dark of a detector, and what changed since the one before."""

from scatterflow.script import run_named


def main(dark: str, previous: list[str], small: str, detector: str, png: str, svg: str) -> None:
    """previous: the dark before, none or one; small: a run's file that says where pixels are."""
    from scatterflow.plots.darks import plot_dark

    plot_dark(dark, detector, png, svg, small, *previous)


if "snakemake" in globals():
    run_named(main, snakemake)
