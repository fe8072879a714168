"""Plot the parameters of a fit over q, and the power law of tau."""

from scatterflow.script import run_named


def main(analysis: str, fit: str, png: str, svg: str) -> None:
    """fit: its name in the configuration."""
    from scatterflow.plots.diffusion import plot_diffusion

    plot_diffusion(analysis, fit, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
