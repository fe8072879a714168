"""CHAP's `spec_scans` as rows of the run table.

    spec_scans:
    - {spec_file: spec/sample, scan_numbers: "1-3,5", par_file: spec/sample.par}

Each scan is a run, named as `discover` would name it. The number of its frames is read from the SPEC
file; a scan that is not there yet gets no row, for its number of frames would be invented.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scatterflow.convert.chap_files import ChapConfiguration
from scatterflow.convert.notes import Notes
from scatterflow.errors import UserError, shortened
from scatterflow.plan.discovery import free_name
from scatterflow.sources.spec_command import parse_command
from scatterflow.sources.spec_file import parse_scan, read_spec_file

_RANGE = re.compile(r"(\d+)(?:-(\d+))?\Z", re.ASCII)
MOST_SCANS = 100_000


@dataclass(frozen=True)
class Scan:
    """One scan of a SPEC file.

    order: which of the scans of this number it is, None if there is one; frames: None if it is not there.
    """

    spec_file: Path
    number: int
    par_file: Path | None
    order: int | None
    frames: int | None

    def raw(self, root: Path) -> str:
        """What stands in the run table's column `raw`."""
        order = f".{self.order}" if self.order is not None else ""
        return f"{self.spec_file.relative_to(root).as_posix()}::{self.number}{order}"


def read_scans(
    chap: ChapConfiguration, entry: dict[str, Any], key: str, notes: Notes
) -> list[Scan]:
    """The scans of an entry that names `spec_scans`, or `spec_file` and `scan_numbers`."""
    found = []
    groups = entry.get("spec_scans")
    if groups == []:
        raise UserError("there are no scans", f"key {key}.spec_scans", "list at least one")
    for group in groups if isinstance(groups, list) else [groups or entry]:
        if not isinstance(group, dict) or not {"spec_file", "scan_numbers"} <= set(group):
            raise UserError(
                f"an entry has no spec_file or no scan_numbers: {shortened(group)}",
                f"key {key}.spec_scans",
                "give both",
            )
        path = chap.find(str(group["spec_file"]))
        par = chap.find(str(group["par_file"])) if group.get("par_file") else None
        for number in scan_numbers(group["scan_numbers"], f"key {key}.scan_numbers"):
            found.append(_scan(path, number, par, notes))
    return found


def scan_numbers(value: Any, where: str) -> list[int]:
    """Numbers of 5, [1, 2], "1-3,5" or ["1-3", 5]; raises UserError for anything else."""
    numbers: list[int] = []
    for item in value if isinstance(value, list) else str(value).split(","):
        match = _RANGE.match(str(item).strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first > MOST_SCANS:
            raise UserError(
                f"{shortened(value)} are no scan numbers", where, 'write 5, [1, 2] or "1-3,5"'
            )
        numbers += range(first, last + 1)
    return list(dict.fromkeys(numbers))


def _scan(path: Path, number: int, par: Path | None, notes: Notes) -> Scan:
    if not path.is_file():
        notes.lose(
            f"spec_scans {path}", "the SPEC file is not there: `discover` adds its scans later"
        )
        return Scan(path, number, par, None, None)
    same = [text for text in read_spec_file(path).scans if text.number == number]
    if not same:
        notes.lose(f"spec_scans {path}", f"scan {number} is not there: `discover` adds it later")
        return Scan(path, number, par, None, None)
    order = len(same) if len(same) > 1 else None
    if order:
        notes.change(
            f"spec_scans {path}", f"scan {number} occurs {order} times; the last one is taken"
        )
    scan = parse_scan(path, same[-1])
    command = parse_command(scan.command, f"{path}, scan {number}")
    # CHAP goes by the command; an aborted scan has fewer points.
    if command.points and scan.points_done and scan.points_done < command.points:
        notes.change(
            f"spec_scans {path}",
            f"scan {number} ended after {scan.points_done} of {command.points} points; those are taken",
        )
    return Scan(path, number, par, order, scan.points_done or command.points)


def raw_root(scans: list[Scan], preferred: Path | None) -> Path:
    """The folder that holds all scans: the preferred one, or the lowest that there is."""
    files = [path for scan in scans for path in (scan.spec_file, scan.par_file) if path]
    if preferred is not None and all(path.is_relative_to(preferred) for path in files):
        return preferred
    return Path(os.path.commonpath([path.parent for path in files]))


def run_names(scans: list[Scan], root: Path) -> Iterator[tuple[Scan, str]]:
    """Each scan that is there, with its run's name."""
    taken: set[str] = set()
    for scan in scans:
        if not scan.frames:
            continue
        parts = scan.spec_file.relative_to(root).as_posix().split("/")
        parts[-1] += f"_{scan.number:03d}"
        names = ["_".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        name = free_name(names, taken)
        taken.add(name.lower())
        yield scan, name
