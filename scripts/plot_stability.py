"""Plot stability: intensity of parts of the run, of each frame, and its spectrum; bad frames are marked."""

from scatterflow.script import run_named


def main(result: str, png: str, svg: str) -> None:
    """Figures of result as PNG and SVG."""
    from scatterflow.plots.stability import plot_stability

    plot_stability(result, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
