"""Fit g2 of every dynamic bin, tau over q and the statistics of the photons."""

from scatterflow.script import run_named


def main(result: str, analysis: str, settings: dict) -> None:
    """result: read; analysis: written; settings: `fits`, `diffusion`, `speckle_statistics`."""
    from scatterflow.xpcs.analyse import analyse_result

    analyse_result(result, analysis, settings)


if "snakemake" in globals():
    run_named(main, snakemake)
