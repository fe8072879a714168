"""Plot partial g2: g2 of windows of time, over that of the whole run."""

from scatterflow.script import run_named


def main(result: str, png: str, svg: str, noise_limit: float | None = None) -> None:
    """Figures of result as PNG and SVG. noise_limit: bins whose photons leave more noise are drawn grey."""
    from scatterflow.plots.partial_g2 import plot_partial_g2

    plot_partial_g2(result, png, svg, noise_limit=noise_limit)


if "snakemake" in globals():
    run_named(main, snakemake)
