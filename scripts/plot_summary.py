"""Plot the summary of a run, and write its key numbers as a table."""

from scatterflow.script import run_named


def main(small: str, png: str, svg: str, table: str) -> None:
    """Figures of a small data file as PNG and SVG; table: TSV of name, value and unit."""
    from scatterflow.plots.shot_summary import plot_summary

    plot_summary(small, png, svg, table)


if "snakemake" in globals():
    run_named(main, snakemake)
