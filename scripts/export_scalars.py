"""Export all per-frame scalars of a result as CSV."""

from scatterflow.script import run


def main(result: str, scalars: str) -> None:
    """One row per frame."""
    from scatterflow.saxswaxs.exports.scalars import export_scalars

    export_scalars(result, scalars)


if "snakemake" in globals():
    run(main, snakemake.log, result=snakemake.input.result, scalars=snakemake.output.scalars)
