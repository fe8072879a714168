"""Plot scan variables, delays and time tool."""

from scatterflow.script import run_named


def main(small: str, png: str, svg: str) -> None:
    """Figures of a small data file as PNG and SVG."""
    from scatterflow.plots.scan_steps import plot_scan_steps

    plot_scan_steps(small, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
