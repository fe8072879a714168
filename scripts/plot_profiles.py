"""Plot the profiles of all frames against frame number or a scanned axis."""

from scatterflow.script import run_named


def main(
    result: str, detector: str, integration: str, axis: str | None, png: str, svg: str
) -> None:
    """axis: name of a scalar, None for the frame number."""
    from scatterflow.plots.profiles import plot_profiles

    plot_profiles(result, detector, integration, png, svg, axis)


if "snakemake" in globals():
    run_named(main, snakemake)
