"""Export the curves of an integration as NXcanSAS."""

from scatterflow.script import run


def main(result: str, task: str, frames: str, nxcansas: str) -> None:
    """task: group of the integration in the result; frames: mean, or all as well."""
    from scatterflow.saxswaxs.exports.nxcansas import export_nxcansas

    export_nxcansas(result, task, nxcansas, frames)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        result=snakemake.input.result,
        task=snakemake.wildcards.task,
        frames=snakemake.params.frames,
        nxcansas=snakemake.output.nxcansas,
    )
