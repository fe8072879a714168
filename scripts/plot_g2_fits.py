"""Plot g2 of each dynamic bin with a fitted model."""

from scatterflow.script import run_named


def main(
    analysis: str, result: str, fit: str, png: str, svg: str, noise_limit: float | None
) -> None:
    """fit: its name in the configuration. noise_limit: bins whose photons leave more noise are drawn grey."""
    from scatterflow.plots.g2_fits import plot_g2_fit

    plot_g2_fit(analysis, result, fit, png, svg, noise_limit=noise_limit)


if "snakemake" in globals():
    run_named(main, snakemake)
