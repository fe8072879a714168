"""Plot all quantities of a map on one sheet."""

from scatterflow.script import run


def main(path: str, quantities: list[str], png: str, svg: str) -> None:
    """path: the map file; png, svg: written."""
    from scatterflow.plots.maps import plot_map

    plot_map(path, quantities, png, svg)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        path=snakemake.input.map,
        quantities=snakemake.params.quantities,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
