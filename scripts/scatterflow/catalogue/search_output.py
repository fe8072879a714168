"""What was found, as a table for people, CSV for spreadsheets, JSON for programs.

Texts come from raw files and run tables: terminals get no control characters, spreadsheets no formulas.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from scatterflow.files.spreadsheet import cell, printable

Record = Mapping[str, Any]
COLUMNS = ("result", "technique", "sample", "run start", "quality", "frames", "title")
_WIDEST = 40


def table(records: Sequence[Record]) -> str:
    """One line a record, columns aligned."""
    rows = [[_short(printable(value)) for value in row] for row in (COLUMNS, *map(_row, records))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, f"{len(records)} found"])


def facet_table(counted: Mapping[str, Sequence[tuple[str, int]]]) -> str:
    """The values of each facet with their numbers."""
    lines = []
    for facet, values in counted.items():
        if values:
            lines.append(f"{facet}:")
            lines += [f"  {number:6d}  {printable(value)}" for value, number in values]
    return "\n".join(lines)


def csv_text(records: Sequence[Record]) -> str:
    """CSV (RFC 4180) of what the table shows, and of creators, energy and q range."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(
        [*COLUMNS, "creators", "energy [keV]", "q low [1/angstrom]", "q high [1/angstrom]"]
    )
    for record in records:
        q_range = record["q_range"] or {"low": "", "high": ""}
        cells = [
            *_row(record),
            "; ".join(creator["name"] for creator in record["datacite"]["creators"]),
            (record["energy"] or {"value": ""})["value"],
            q_range["low"],
            q_range["high"],
        ]
        writer.writerow([cell(value) for value in cells])
    return stream.getvalue()


def _row(record: Record) -> list[Any]:
    return [
        record["id"],
        record["technique"]["name"],
        record["sample"] or "",
        record["times"]["run_start"] or "",
        record["quality"]["verdict"],
        record["frames"],
        record["experiment"]["title"],
    ]


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."
