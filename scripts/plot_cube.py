"""Plot a cube: quantities along its axes, what the laser changes, slices of images."""

from scatterflow.script import run_named


def main(cube: str, small: str, png: str, svg: str) -> None:
    """Figures of a cube as PNG and SVG; small: the run's file, which says where pixels are."""
    from scatterflow.plots.cubes import plot_cube

    plot_cube(cube, small, png, svg)


if "snakemake" in globals():
    run_named(main, snakemake)
