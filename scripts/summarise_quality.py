"""Put the verdicts on all results into one table."""

from scatterflow.script import run_named


def main(verdicts: list[str], html: str, table: str) -> None:
    """verdicts: `quality.json` of all results; html, table: written."""
    from scatterflow.quality.summary import summarise

    summarise(verdicts, html, table)


if "snakemake" in globals():
    run_named(main, snakemake)
