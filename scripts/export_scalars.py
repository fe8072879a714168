"""Export all per-frame scalars of a result as CSV."""

from scatterflow.script import run


def main(result: str, analysis: str | None, scalars: str) -> None:
    """analysis: file with the fitted values of each frame, or None; one row per frame."""
    from scatterflow.saxswaxs.exports.scalars import export_scalars

    export_scalars(result, scalars, analysis)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        result=snakemake.input.result,
        analysis=snakemake.input.analysis[0] if snakemake.input.analysis else None,
        scalars=snakemake.output.scalars,
    )
