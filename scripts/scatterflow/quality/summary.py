"""The verdicts of all results in one table: a page for the report, and CSV for programs.

CSV: a line for each check of each result. HTML: a line for each result; nothing but text of its own is in it,
every name is escaped.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from scatterflow.files.atomic import write_text
from scatterflow.files.spreadsheet import cell
from scatterflow.quality.checks import VERDICTS, read_quality

COLUMNS = (
    *("run", "reduction", "technique", "check", "verdict", "value", "limit", "unit", "sentence"),
)
# The colours of the figures' badges.
COLOURS = {"pass": "#009E73", "warn": "#E69F00", "fail": "#D55E00"}
_STYLE = """
body { font-family: sans-serif; margin: 1.5em; color: #222; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.4em 0.8em; border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #888; }
.badge { color: white; font-weight: bold; padding: 0.15em 0.6em; border-radius: 0.3em; }
li { margin-bottom: 0.2em; } ul { margin: 0; padding-left: 1.2em; }
"""


def summarise(paths: Sequence[str | Path], html: str | Path, table: str | Path) -> None:
    """Write both tables, whole. paths: `quality.json` of all results, in the order of the lines."""
    found = [read_quality(path) for path in paths]
    write_text(table, csv_text(found))
    write_text(html, html_text(found))


def csv_text(found: Iterable[Mapping[str, Any]]) -> str:
    """A line for each check of each result."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for quality in found:
        for check in quality["checks"]:
            limit = check["limit"]
            if isinstance(limit, list):
                limit = " to ".join(map(str, limit))
            own = (quality["run"], quality["reduction"], quality["technique"])
            rest = (check["name"], check["verdict"], check["value"], limit, cell(check["unit"]))
            writer.writerow([*own, *rest, cell(check["sentence"])])
    return stream.getvalue()


def html_text(found: Sequence[Mapping[str, Any]]) -> str:
    """A line for each result with what failed or warned; the worst do not hide among the rest: counts
    stand above."""
    counts = Counter(quality["verdict"] for quality in found)
    told = ", ".join(f"{_badge(verdict)} {counts[verdict]}" for verdict in VERDICTS)
    rows = "\n".join(_row(quality) for quality in found)
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Quality of the results</title><style>{_STYLE}</style></head>
<body>
<h1>Quality of the results</h1>
<p>{len(found)} results: {told}</p>
<table>
<thead><tr><th>verdict</th><th>run</th><th>reduction</th><th>technique</th><th>why</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def _badge(verdict: str) -> str:
    colour = COLOURS.get(verdict, "#666666")
    return f'<span class="badge" style="background: {colour}">{escape(verdict)}</span>'


def _row(quality: Mapping[str, Any]) -> str:
    told = [
        f"<li>{_badge(check['verdict'])} <b>{escape(check['title'])}</b>: {escape(check['sentence'])}</li>"
        for verdict in ("fail", "warn")
        for check in quality["checks"]
        if check["verdict"] == verdict
    ]
    passed = sum(check["verdict"] == "pass" for check in quality["checks"])
    why = f"<ul>{''.join(told)}</ul>" if told else f"{passed} checks passed"
    if quality["stopped_by"]:
        why += f"<p>Publication is stopped by: {escape(', '.join(quality['stopped_by']))}.</p>"
    cells = (escape(quality[key]) for key in ("run", "reduction", "technique"))
    names = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr><td>{_badge(quality['verdict'])}</td>{names}<td>{why}</td></tr>"
