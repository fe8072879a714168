"""Export the mean curve of an integration as text."""

from scatterflow.script import run_named


def main(result: str, task: str, text: str) -> None:
    """task: group of the integration in the result."""
    from scatterflow.saxswaxs.exports.text import export_text

    export_text(result, task, text)


if "snakemake" in globals():
    run_named(main, snakemake)
