"""Plot what each filter removes."""

from scatterflow.script import run_named


def main(small: str, png: str, svg: str) -> None:
    """Figures of a small data file as PNG and SVG."""
    from scatterflow.plots.damage import plot_filters

    plot_filters(small, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
