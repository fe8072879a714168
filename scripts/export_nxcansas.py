"""Export the curves of an integration as NXcanSAS."""

from scatterflow.script import run_named


def main(result: str, task: str, frames: str, nxcansas: str) -> None:
    """task: group of the integration in the result; frames: mean, or all as well."""
    from scatterflow.saxswaxs.exports.nxcansas import export_nxcansas

    export_nxcansas(result, task, nxcansas, frames)


if "snakemake" in globals():
    run_named(main, snakemake)
