"""The run table: one row per acquisition, tab-separated, any further columns are metadata."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from scatterflow.config.base import check_name
from scatterflow.errors import UserError, suggestion

REQUIRED_COLUMNS = ("run", "reduction", "source", "raw", "frames")
OPTIONAL_COLUMNS = ("sample", "background", "dark")


@dataclass(frozen=True)
class RunRow:
    """One row of the run table.

    reductions: names of the reductions wanted, none for a run that is only a background or dark.
    columns: every cell of the row as text, by column name.
    """

    run: str
    reductions: tuple[str, ...]
    source: str
    raw: str
    frames: int
    sample: str
    columns: dict[str, str]


def read_run_table(path: str | Path) -> list[RunRow]:
    """Rows of a run table in their order. Lines that start with # and empty lines are comments.

    Raises UserError with file, line and column for anything that cannot be right.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            "the run table does not exist",
            str(path),
            "write it (see config/README.md), or let `python scripts/scatterflow discover` make it",
        ) from None
    except UnicodeDecodeError as error:
        raise UserError("the run table is not UTF-8 text", str(path), "save it as UTF-8") from error

    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        raise UserError("the run table is empty", str(path), "its first line names the columns")
    header = _cells(lines[0][1])
    _check_header(header, path)
    rows = [_row(header, _cells(line), f"{path}, line {number}") for number, line in lines[1:]]
    _refuse_duplicates(rows, path)
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter="\t"))]


def _check_header(header: list[str], path: Path) -> None:
    for column in REQUIRED_COLUMNS:
        if column not in header:
            raise UserError(
                f"the run table has no column {column!r}",
                f"{path}, first line",
                "columns are separated by tabs; needed: " + ", ".join(REQUIRED_COLUMNS),
            )
    for column in header:
        if not column or header.count(column) > 1:
            raise UserError(
                f"column name {column!r} is empty or doubled", f"{path}, first line", "rename it"
            )


def _row(header: list[str], cells: list[str], where: str) -> RunRow:
    if len(cells) > len(header):
        raise UserError(
            f"{len(cells)} cells in a table of {len(header)} columns", where, "remove the extra tabs"
        )
    cells = cells + [""] * (len(header) - len(cells))  # editors strip trailing tabs
    columns = dict(zip(header, cells, strict=True))
    try:
        run = check_name(columns["run"])
        reductions = tuple(
            check_name(name.strip()) for name in columns["reduction"].split(",") if name.strip()
        )
    except ValueError as error:
        raise UserError(str(error), where, "rename it in the run table") from None
    if len(set(reductions)) != len(reductions):
        raise UserError(
            f"run {run!r} names a reduction twice", f"{where}, column reduction", "name it once"
        )
    frames = columns["frames"]
    if not frames.isdecimal() or not frames.isascii() or int(frames) < 1:
        raise UserError(
            f"run {run!r} has {frames!r} frames",
            f"{where}, column frames",
            "give the number of frames as a whole number above 0",
        )
    if not columns["raw"]:
        raise UserError(f"run {run!r} has no raw data", f"{where}, column raw", "give the path")
    return RunRow(
        run=run,
        reductions=reductions,
        source=columns["source"],
        raw=columns["raw"],
        frames=int(frames),
        sample=columns.get("sample", ""),
        columns=columns,
    )


def _refuse_duplicates(rows: list[RunRow], path: Path) -> None:
    seen: set[str] = set()
    for row in rows:
        # File systems of some laptops do not tell upper from lower case.
        if row.run.lower() in seen:
            raise UserError(
                f"run {row.run!r} stands twice in the run table",
                f"{path}, column run",
                "give each row a name of its own; one row may list several reductions, comma-separated",
            )
        seen.add(row.run.lower())


def check_references(row: RunRow, sources: set[str], reductions: set[str], path: str) -> None:
    """Raise UserError unless the row's source and reductions are configured."""
    where = f"{path}, run {row.run}"
    if row.source not in sources:
        raise UserError(
            f"source {row.source!r} is not configured",
            f"{where}, column source",
            f"add it to `sources`; {suggestion(row.source, sources)}",
        )
    for name in row.reductions:
        if name not in reductions:
            raise UserError(
                f"reduction {name!r} is not configured",
                f"{where}, column reduction",
                f"add it to `reductions`; {suggestion(name, reductions)}",
            )
