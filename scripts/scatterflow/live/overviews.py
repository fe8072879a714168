"""The table of verdicts and the index of the catalogue, of what there is.

Their jobs need every result of the run table, so that they cannot start while one has failed, and the watcher
asks for some results only. Then both are made here, when the workflow ends. Both follow from files alone. The
table bears a date before all verdicts, so that the next call of snakemake that can makes it anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from scatterflow.catalogue.index import build_index
from scatterflow.errors import UserError
from scatterflow.plan.build import Plan
from scatterflow.plan.targets import delivered, quality_path, result_path
from scatterflow.quality.summary import summarise

PAGE, TABLE = "results/quality.html", "results/quality.csv"
INDEX = "results/catalogue/index.sqlite"


def renew_overviews(plan: Plan) -> tuple[list[str], list[str]]:
    """Make both. Returns files of the table, which are not what its job would make, and a message for each of
    the two that could not be made: this is no reason to fail."""
    verdicts = [
        quality_path(planned)
        for planned in delivered(plan).values()
        if Path(quality_path(planned)).exists() and Path(result_path(planned)).exists()
    ]
    if not verdicts:
        return [], []
    table, index = _tried(PAGE, lambda: _write_table(verdicts)), _tried(INDEX, _write_index)
    return [PAGE, TABLE], [message for message in (table, index) if message]


def _write_table(verdicts: list[str]) -> None:
    summarise(verdicts, PAGE, TABLE)
    before = min(Path(path).stat().st_mtime for path in verdicts) - 1
    for path in (PAGE, TABLE):
        os.utime(path, (before, before))


def _write_index() -> None:
    Path(INDEX).parent.mkdir(exist_ok=True)
    build_index("results", INDEX)


def _tried(made: str, work: Callable[[], None]) -> str:
    """Why it did not work, empty if it did."""
    try:
        work()
    except (UserError, OSError, sqlite3.Error) as error:
        reason = f"{error.what} ({error.where})" if isinstance(error, UserError) else str(error)
        return f"{made} was not made: {reason}"
    return ""
