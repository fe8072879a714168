"""Plot one quantity of a map."""

from scatterflow.script import run


def main(path: str, quantity: str, png: str, svg: str) -> None:
    """path: the map file; png, svg: written."""
    from scatterflow.plots.maps import plot_map

    plot_map(path, [quantity], png, svg)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        path=snakemake.input.map,
        quantity=snakemake.wildcards.quantity,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
