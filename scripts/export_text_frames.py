"""Export the curve of each frame of an integration as text."""

from scatterflow.script import run_named


def main(result: str, task: str, folder: str) -> None:
    """task: group of the integration in the result."""
    from scatterflow.saxswaxs.exports.text import export_text_frames

    export_text_frames(result, task, folder)


if "snakemake" in globals():
    run_named(main, snakemake)
