"""Fail with what was found wrong with the raw data of a run when the work was planned."""

from scatterflow.script import run


def main(reason: tuple[str, str, str]) -> None:
    """reason: what is wrong, where, and how to mend it."""
    from scatterflow.errors import UserError

    raise UserError(*reason)


if "snakemake" in globals():
    run(main, snakemake.log, reason=tuple(snakemake.params.reason))
