"""Fit the profiles of every frame and compute figures of merit."""

from scatterflow.script import run


def main(result: str, analysis: str, parameters: dict, name: str) -> None:
    """result: read; analysis: written; parameters: fits and figures; name: `RUN/REDUCTION`."""
    from scatterflow.saxswaxs.analyse import analyse_result

    analyse_result(result, analysis, parameters, name)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        result=snakemake.input.result,
        analysis=snakemake.output.analysis,
        parameters=snakemake.params.parameters,
        name=f"{snakemake.wildcards.run}/{snakemake.wildcards.reduction}",
    )
