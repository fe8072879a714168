"""Plot azimuthal averages of single shots of a detector."""

from scatterflow.script import run_named


def main(small: str, detector: str, png: str, svg: str) -> None:
    """Figures of a detector in a small data file as PNG and SVG."""
    from scatterflow.plots.shot_profiles import plot_shot_profiles

    plot_shot_profiles(small, detector, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
