"""The run table: one row per acquisition, tab-separated, any further columns are metadata."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scatterflow.config.base import check_name, check_relative_path, check_text
from scatterflow.errors import UserError, from_os_error, shortened, suggestion

REQUIRED_COLUMNS = ("run", "reduction", "source", "raw", "frames")
# Stand beside the runs in results/.
RESERVED_NAMES = ("catalogue", "maps", "report.html")
MOST_FRAMES = 100_000_000


@dataclass(frozen=True)
class RunRow:
    """One row of the run table.

    reductions: names of the reductions wanted, none for a run that is only a background.
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
    except OSError as error:
        raise from_os_error(error) or UserError(
            f"the run table cannot be read ({error})", str(path), "check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError("the run table is not UTF-8 text", str(path), "save it as UTF-8") from error

    lines = [
        (number, line)
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        raise UserError("the run table is empty", str(path), "its first line names the columns")
    header = _cells(lines[0][1], f"{path}, line {lines[0][0]}")
    _check_header(header, f"{path}, line {lines[0][0]}")
    rows = []
    for number, line in lines[1:]:
        where = f"{path}, line {number}"
        rows.append(_row(header, _cells(line, where), where))
    _refuse_duplicates(rows, path)
    return rows


def _cells(line: str, where: str) -> list[str]:
    try:
        cells = next(csv.reader([line], delimiter="\t", strict=True))
        return [check_text(cell.strip()) for cell in cells]
    except csv.Error as error:
        raise UserError(
            f"the line cannot be read: {error}",
            where,
            "a cell that begins with a quotation mark ends with one; marks inside are doubled",
        ) from None
    except ValueError as error:
        raise UserError(str(error), where, "save the table as plain text") from None


def _check_header(header: list[str], where: str) -> None:
    for column in REQUIRED_COLUMNS:
        if column not in header:
            raise UserError(
                f"the run table has no column {column!r}",
                where,
                "columns are separated by tabs; needed: " + ", ".join(REQUIRED_COLUMNS),
            )
    for column in header:
        if not column or header.count(column) > 1:
            raise UserError(f"column name {column!r} is empty or doubled", where, "rename it")


def _row(header: list[str], cells: list[str], where: str) -> RunRow:
    if len(cells) > len(header):
        raise UserError(
            f"{len(cells)} cells in a table of {len(header)} columns",
            where,
            "remove the extra tabs",
        )
    if len(cells) <= max(header.index(column) for column in ("source", "raw", "frames")):
        raise UserError(
            f"{len(cells)} cells where the header has {len(header)} columns",
            where,
            "separate columns by tabs (not by spaces)",
        )
    cells = cells + [""] * (len(header) - len(cells))  # editors strip trailing tabs
    columns = dict(zip(header, cells, strict=True))
    run = _checked(check_name, columns["run"], f"{where}, column run")
    if run.lower() in RESERVED_NAMES:
        raise UserError(
            f"run {run!r} would take the place of results/{run.lower()}",
            f"{where}, column run",
            "rename the run in the run table",
        )
    return RunRow(
        run=run,
        reductions=_reductions(columns["reduction"], run, f"{where}, column reduction"),
        source=columns["source"],
        raw=_checked(check_relative_path, columns["raw"], f"{where}, column raw"),
        frames=_frames(columns["frames"], run, f"{where}, column frames"),
        sample=columns.get("sample", ""),
        columns=columns,
    )


def _checked(check: Callable[[str], str], cell: str, where: str) -> str:
    try:
        return check(cell)
    except ValueError as error:
        raise UserError(str(error), where, "correct it in the run table") from None


def _reductions(cell: str, run: str, where: str) -> tuple[str, ...]:
    names = [name.strip() for name in cell.split(",") if name.strip()]
    for name in names:
        _checked(check_name, name, where)
    if len(set(names)) != len(names):
        raise UserError(f"run {run!r} names a reduction twice", where, "name it once")
    return tuple(names)


def _frames(cell: str, run: str, where: str) -> int:
    number = int(cell) if cell.isascii() and cell.isdecimal() and len(cell) < 20 else 0
    if not 1 <= number <= MOST_FRAMES:
        raise UserError(
            f"run {run!r} has {shortened(cell)} frames",
            where,
            f"give the number of frames as a whole number from 1 to {MOST_FRAMES}",
        )
    return number


def _refuse_duplicates(rows: list[RunRow], path: Path) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        # File systems of some laptops do not tell upper from lower case.
        key = row.run.lower()
        if key in seen:
            alike = "" if seen[key] == row.run else f" (as {seen[key]!r}: differing in case only)"
            raise UserError(
                f"run {row.run!r} stands twice in the run table{alike}",
                f"{path}, column run",
                "give each row a name of its own; one row may list several reductions, comma-separated",
            )
        seen[key] = row.run


def check_references(
    row: RunRow, sources: set[str], reductions: set[str], runs: set[str], path: str
) -> None:
    """Raise UserError unless the row's source and reductions are configured and its background and dark are
    runs."""
    where = f"{path}, run {row.run}"
    if row.source not in sources:
        raise UserError(
            f"source {shortened(row.source)} is not configured",
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
    for column in ("background", "dark"):
        for name in named_runs(row, column):
            if name not in runs or name == row.run:
                raise UserError(
                    f"{column} {shortened(name)} is no other run of the table",
                    f"{where}, column {column}",
                    suggestion(name, runs - {row.run}),
                )


def named_runs(row: RunRow, column: str) -> tuple[str, ...]:
    """Runs named in a cell, comma-separated, each once."""
    names = (name.strip() for name in row.columns.get(column, "").split(","))
    return tuple(dict.fromkeys(name for name in names if name))
