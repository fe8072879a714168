"""Index of all records in the results folder."""

from scatterflow.script import run


def main(results: str, index: str) -> None:
    """results: the folder with RUN/REDUCTION/record.json."""
    from scatterflow.catalogue.index import build_index

    build_index(results, index)


if "snakemake" in globals():
    run(main, snakemake.log, results="results", index=snakemake.output.index)
