"""Discovery: acquisitions in a raw folder, and a run table with a row for each of them.

A user's act, not a rule: the plan takes its frame counts from the run table. A row is only ever
added; what stands in the table is the user's and stays as it is, byte for byte.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from scatterflow.config.base import check_name
from scatterflow.config.model import Configuration
from scatterflow.config.runs import MOST_FRAMES, REQUIRED_COLUMNS, read_run_table
from scatterflow.config.sources import SourceConfig
from scatterflow.files.atomic import write_bytes
from scatterflow.files.spreadsheet import is_formula
from scatterflow.plan.discovery_events import event_acquisitions
from scatterflow.plan.discovery_formats import (
    Acquisition,
    Recipe,
    hdf5_acquisitions,
    image_acquisitions,
    spec_acquisitions,
)
from scatterflow.plan.discovery_shots import shot_acquisitions
from scatterflow.plan.raw_folder import list_files

NEW_HEADER = [*REQUIRED_COLUMNS, "sample"]
LONGEST_NAME = 64
MOST_NAMED = 3


def discover(
    raw_root: str | Path,
    sources: Mapping[str, Mapping[str, Any]],
    shapes: Mapping[str, tuple[int, int]] | None = None,
) -> list[dict[str, Any]]:
    """Look through a raw folder for SPEC scans, image series, HDF5 files with frames, event files.

    sources: the `sources:` of the configuration, {name: dict}. shapes: {detector: (rows, columns)}.

    Returns one dict per acquisition: run (a name made from the file name), source (the configured
    source that reads it; "" if none does), raw, frames, named_by_path (the run's name is part of
    its path: it cannot be changed), notes (gaps, missing files, or the `sources:` entry to add).
    Acquisitions of one kind that no source reads share one dict. Raises UserError: no such folder.
    """
    found = find_acquisitions(raw_root, sources, shapes)
    return named_rows(found) + _unread(found)


def configured_recipes(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """`sources` as plain values, as the sources themselves take them."""
    return {
        name: source.model_dump() if isinstance(source, SourceConfig) else source.recipe()
        for name, source in configuration.sources.items()
    }


def find_acquisitions(
    raw_root: str | Path,
    sources: Mapping[str, Mapping[str, Any]],
    shapes: Mapping[str, tuple[int, int]] | None = None,
) -> list[Acquisition]:
    """All acquisitions in a raw folder; arguments as of `discover`."""
    root = Path(raw_root)
    files = list_files(root)
    of_shots = {name: source for name, source in sources.items() if "frames" not in source}
    # A source of more detectors says more about an acquisition that several could read.
    recipes = sorted(
        (
            Recipe(name, dict(source), dict(shapes or {}))
            for name, source in sources.items()
            if name not in of_shots
        ),
        key=lambda recipe: -len(recipe.detectors),
    )
    found, files = shot_acquisitions(root, files, of_shots)
    more, left = spec_acquisitions(root, files, recipes)
    found += more
    more, left = hdf5_acquisitions(root, left, recipes)
    found += more
    more, left = event_acquisitions(root, left, recipes)
    found += more
    return found + image_acquisitions(root, left, recipes)


def named_rows(found: Iterable[Acquisition]) -> list[dict[str, Any]]:
    """The acquisitions that a source reads, each with a name of its own."""
    rows: list[dict[str, Any]] = []
    taken: set[str] = set()
    for acquisition in found:
        if acquisition.source:
            rows.append(_row(acquisition, taken))
            taken.add(rows[-1]["run"].lower())
    return rows


def _row(acquisition: Acquisition, taken: set[str]) -> dict[str, Any]:
    named_by_path = acquisition.run is not None
    return {
        "run": acquisition.run or free_name(acquisition.suggested_names, taken),
        "source": acquisition.source,
        "raw": acquisition.raw,
        "frames": acquisition.frames,
        "named_by_path": named_by_path,
        "notes": list(acquisition.notes),
    }


def _unread(found: Iterable[Acquisition]) -> list[dict[str, Any]]:
    alike: dict[tuple[str, ...], list[Acquisition]] = defaultdict(list)
    for acquisition in found:
        if not acquisition.source:
            alike[acquisition.notes].append(acquisition)
    rows = []
    for notes, group in alike.items():
        names = ", ".join(acquisition.raw for acquisition in group[:MOST_NAMED])
        more = f" and {len(group) - MOST_NAMED} more" if len(group) > MOST_NAMED else ""
        row = {"run": "", "source": "", "raw": group[0].raw, "frames": group[0].frames}
        first, *others = notes
        notes_of_row = [f"{names}{more}: {first}", *others]
        rows.append({**row, "named_by_path": False, "notes": notes_of_row})
    return rows


def free_name(suggested: Iterable[str], taken: set[str]) -> str:
    """The first of the suggested names, made valid, that is not taken; else one with a number.

    taken: names in lower case; file systems of some laptops do not tell upper from lower case.
    """
    names = [valid_name(text) for text in suggested]
    for name in names:
        if name.lower() not in taken:
            return name
    number = 2
    while True:
        ending = f"_{number}"
        name = names[0][: LONGEST_NAME - len(ending)] + ending
        if name.lower() not in taken:
            return name
        number += 1


def valid_name(text: str) -> str:
    """`text` with what cannot be part of a run's name replaced."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", text)
    name = re.sub(r"\.{2,}", ".", name).lstrip("_.-")[:LONGEST_NAME]
    return check_name(name or "run")


def extend_run_table(
    path: str | Path, rows: Iterable[Mapping[str, Any]], default_reduction: str = ""
) -> tuple[list[str], list[str], list[str]]:
    """Append to a run table (or start one) the rows that `discover` found and it does not hold.

    default_reduction: cell `reduction` of new rows; empty: not reduced yet.

    An acquisition is in the table if a row, or a row that was commented out, has its source and
    raw; such a row is never changed. Returns (runs added, runs there already, notes). Raises
    UserError for a table that cannot be read.
    """
    path = Path(path)
    before = path.read_bytes() if path.exists() else b""
    started = _has_header(before)
    header, there, names = _existing(path) if started else (NEW_HEADER, {}, set())
    known = {key: run for key, (run, _) in there.items()} | _commented_out(before, header)
    patterns = [(*key, run) for key, (run, _) in there.items() if set(key[1]) & set("*?[")]
    added, unchanged, notes, lines = [], [], [], []
    for row in rows:
        key = (row["source"], row["raw"])
        if not row["source"]:
            notes += row["notes"]
        elif key in known:
            unchanged.append(known[key])
            notes += _count_differs(row, there.get(key))
        elif run := _part_of(row, patterns):
            unchanged.append(run)
        elif row["frames"] > MOST_FRAMES:
            notes.append(f"{row['raw']}: {row['frames']} frames cannot be one run; not added")
        elif row["raw"] != row["raw"].strip():
            notes.append(f"{row['raw']!r} begins or ends in a space: rename it; not added")
        elif is_formula(row["raw"]):
            notes.append(
                f"{row['raw']!r} would be a formula in a spreadsheet: rename it; not added"
            )
        elif row["named_by_path"] and row["run"].lower() in names:
            notes.append(
                f"{row['raw']}: a run is named {row['run']!r} already, and the path of this one "
                "does not allow another name; not added"
            )
        else:
            run = free_name([row["run"]], names)
            names.add(run.lower())
            known[key] = run
            cells = {"run": run, "reduction": default_reduction, "source": row["source"]}
            cells |= {"raw": row["raw"], "frames": str(row["frames"])}
            lines.append([cells.get(column, "") for column in header])
            added.append(run)
            notes += [f"run {run}: {note}" for note in row["notes"]]
    if lines:
        write_bytes(path, before + _appended(before, lines if started else [header, *lines]))
    return added, unchanged, notes


def _has_header(content: bytes) -> bool:
    lines = content.decode("utf-8-sig", "replace").splitlines()
    return any(line.strip() and not line.startswith("#") for line in lines)


def _existing(path: Path) -> tuple[list[str], dict[tuple[str, str], tuple[str, int]], set[str]]:
    rows = read_run_table(path)
    there = {(row.source, row.raw): (row.run, row.frames) for row in rows}
    text = path.read_text(encoding="utf-8-sig")
    first = next(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return _cells(first), there, {row.run.lower() for row in rows}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter="\t"))]


def _part_of(row: Mapping[str, Any], patterns: Iterable[tuple[str, str, str]]) -> str:
    """The run whose `raw` is a pattern of several files, this one among them; else "".

    patterns: (source, raw, run) of the table.
    """
    for source, raw, run in patterns:
        # A * of the run table means part of a file's name, never of a folder's.
        folder, _, name = raw.rpartition("/")
        found_folder, _, found_name = row["raw"].rpartition("/")
        if source == row["source"] and folder == found_folder and fnmatchcase(found_name, name):
            return run
    return ""


def _commented_out(content: bytes, header: list[str]) -> dict[tuple[str, str], str]:
    """Rows behind a #: the user does not want these runs."""
    found = {}
    for line in content.decode("utf-8-sig", "replace").splitlines():
        cells = _cells(line.lstrip("# ")) if line.startswith("#") and "\t" in line else []
        row = dict(zip(header, cells, strict=False))
        if row.get("source") and row.get("raw"):
            found[row["source"], row["raw"]] = row.get("run", "")
    return found


def _count_differs(row: Mapping[str, Any], there: tuple[str, int] | None) -> list[str]:
    if there is None or there[1] == row["frames"]:
        return []
    return [f"run {there[0]}: the table says {there[1]} frames, the folder holds {row['frames']}"]


def _appended(before: bytes, lines: list[list[str]]) -> bytes:
    ending = "\r\n" if b"\r\n" in before else "\n"
    text = io.StringIO()
    if before and not before.endswith(b"\n"):
        text.write(ending)
    writer = csv.writer(text, delimiter="\t", lineterminator=ending)
    writer.writerows(lines)
    return text.getvalue().encode()
