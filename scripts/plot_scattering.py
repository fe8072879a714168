"""Plot scattering: mean frame, dynamic bins, and the mean intensity of all bins."""

from scatterflow.script import run_named


def main(result: str, png: str, svg: str) -> None:
    """Figures of result as PNG and SVG."""
    from scatterflow.plots.scattering import plot_scattering

    plot_scattering(result, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
