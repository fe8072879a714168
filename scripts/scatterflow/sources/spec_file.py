"""Reads SPEC data files.

Format: the standard SPEC data file (SPEC manual, "Standard Data File Format", certif.com). A
header (`#F` name, `#E` seconds since 1970 when the file was opened, `#D` date, `#C` title and user,
`#O0`... motor names two spaces apart, `#o0`... mnemonics) holds for the scans after it, up to the
next header. A scan: `#S` number and command, `#D` date, `#T` or `#M` count time or monitor counts,
`#P0`... motor positions before the scan, `#C` comments, `#N` number of columns, `#L` column names
two spaces apart, then one line of numbers per point. Lines of multi-channel data (`@A`...) are
passed over.

A file may hold a scan number more than once: "12.2" is the second scan 12.

A file of a whole beamtime holds hundreds of scans, and each run wants one: the places of the scans
in the file are found once per process, and only the wanted scan's text is taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from scatterflow.errors import UserError
from scatterflow.frame_selection import ranges_text

# Latin-1 never fails and keeps the control words; comments may be in any encoding.
ENCODING = "latin-1"
INDEXED_FILES = 8
_SCAN = re.compile(r"#S\s+(\d+)\s*(.*)")
_SCAN_NAME = re.compile(r"(\d+)(?:\.(\d+))?\Z", re.ASCII)
_USER = re.compile(r"\s*\bUser\s*=\s*(.*)")


@dataclass(frozen=True)
class SpecHeader:
    """A file header.

    epoch: `#E`, seconds since 1970 UTC; the `Epoch` column of a scan counts from it. None: no `#E`.
    motor_lines: the names of the motors, one text per `#O` line.
    mnemonics: short names in the same order, all lines together; empty: the file has none.
    text: its lines as in the file, without blank lines at the end.
    """

    name: str = ""
    epoch: float | None = None
    date: str = ""
    title: str = ""
    user: str = ""
    motor_lines: tuple[str, ...] = ()
    mnemonics: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class SpecScan:
    """One scan.

    number, order: the number in the file, and which of the scans of that number it is, from 1.
    command: as typed.
    date: `#D`, local time of the instrument; "" where there is none.
    count_time_s: `#T`, s; None for scans that count to a monitor.
    comments: `#C` lines.
    motors: position of each motor before the scan, by name.
    mnemonics: {mnemonic: name} of the motors.
    labels: names of the columns.
    data: (points done, columns) float64; an aborted scan has fewer points than it was to have.
    header: the header before the scan.
    line: line number of `#S` in the file, from 1.
    """

    number: int
    order: int
    command: str
    date: str
    count_time_s: float | None
    comments: tuple[str, ...]
    motors: dict[str, float]
    mnemonics: dict[str, str]
    labels: tuple[str, ...]
    data: np.ndarray
    header: SpecHeader
    line: int

    @property
    def points_done(self) -> int:
        """Number of points that were measured."""
        return len(self.data)

    def motor_names(self, name: str) -> tuple[str, ...]:
        """A motor's name and mnemonic, whichever of the two is given; just `name` if not known."""
        full = self.mnemonics.get(name, name)
        return (full, *(short for short, long in self.mnemonics.items() if long == full), name)


@dataclass(frozen=True)
class ScanText:
    """Where a scan of a file is, not yet parsed: cheap, for a file of many scans.

    number, order, command, header, line: as in `SpecScan`.
    start, stop: its bytes in the file, from `#S` to what follows the scan.
    """

    number: int
    order: int
    command: str
    header: SpecHeader
    line: int
    start: int
    stop: int


@dataclass(frozen=True)
class SpecFile:
    """A SPEC file: its scans in order of the file."""

    path: Path
    scans: tuple[ScanText, ...]


def is_spec_file(path: str | Path) -> bool:
    """Whether a file's first line is that of a SPEC file (`#F` or `#S`)."""
    with Path(path).open("rb") as stream:
        return stream.read(3) in (b"#F ", b"#S ")


def read_spec_file(path: str | Path) -> SpecFile:
    """Find the scans of a SPEC file, anew only if it has changed since this process last did.

    Raises UserError if it is no SPEC file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("SPEC file not found", str(path), "check the run table's `raw` entry")
    if not is_spec_file(path):
        raise UserError(
            "this is no SPEC file", str(path), "its first line must start with `#F` or `#S`"
        )
    status = path.stat()
    indexed = _index(str(path.absolute()), status.st_size, status.st_mtime_ns)
    return replace(indexed, path=path)


@lru_cache(maxsize=INDEXED_FILES)
def _index(path: str, size: int, mtime_ns: int) -> SpecFile:
    # Size and time of last change tell a file from its earlier states.
    return SpecFile(Path(path), tuple(_find_scans(Path(path).read_bytes())))


def _find_scans(content: bytes) -> Iterator[ScanText]:
    header = SpecHeader()
    seen: dict[int, int] = {}
    parts: list[tuple[int, re.Match | None]] = []  # None: a header
    for start in _control_lines(content):
        if content.startswith(b"#F", start):
            parts.append((start, None))
        elif content.startswith(b"#S", start) and (match := _scan_line(content, start)):
            parts.append((start, match))
    line = 1 + content.count(b"\n", 0, parts[0][0] if parts else 0)
    stops = [start for start, _ in parts[1:]] + [len(content)]
    for (start, match), stop in zip(parts, stops, strict=True):
        if match is None:
            header = _parse_header(_lines(content[start:stop]))
        else:
            number = int(match[1])
            seen[number] = seen.get(number, 0) + 1
            yield ScanText(number, seen[number], match[2].strip(), header, line, start, stop)
        line += content.count(b"\n", start, stop)


def _control_lines(content: bytes) -> Iterator[int]:
    """Where the lines that begin with `#` are; one character is the fastest to search for."""
    place = content.find(b"#")
    while place >= 0:
        if place == 0 or content[place - 1] == 0x0A:
            yield place
        place = content.find(b"#", place + 1)


def _scan_line(content: bytes, start: int) -> re.Match | None:
    end = content.find(b"\n", start)
    return _SCAN.match(content[start : end if end >= 0 else len(content)].decode(ENCODING))


def _lines(text: bytes) -> list[str]:
    """Lines without line ends, blank lines at the end left out: the next scan adds one."""
    lines = [line.rstrip("\r") for line in text.decode(ENCODING).split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def scan_lines(path: str | Path, text: ScanText) -> list[str]:
    """The lines of a scan as in the file, `#S` first, without blank lines at the end.

    Raises UserError if the scan is no longer where it was found.
    """
    with Path(path).open("rb") as stream:
        stream.seek(text.start)
        found = _lines(stream.read(text.stop - text.start))
    match = _SCAN.match(found[0]) if found else None
    if not match or int(match[1]) != text.number:
        raise UserError(
            "the SPEC file was changed while it was read",
            f"{path}, scan {text.number}",
            "run snakemake again",
        )
    return found


def _parse_header(lines: list[str]) -> SpecHeader:
    first = {line[:2]: line[2:].strip() for line in reversed(lines)}
    epoch = first.get("#E", "")
    user = _USER.search(first.get("#C", ""))
    return SpecHeader(
        name=first.get("#F", ""),
        epoch=float(epoch) if re.fullmatch(r"\d+(\.\d*)?", epoch) else None,
        date=first.get("#D", ""),
        title=_USER.sub("", first.get("#C", "")).strip(),
        user=user.group(1).strip() if user else "",
        motor_lines=tuple(_numbered(lines, "#O")),
        mnemonics=tuple(" ".join(_numbered(lines, "#o")).split()),
        text="\n".join(lines),
    )


def _numbered(lines: list[str], key: str) -> list[str]:
    """The texts of the lines `<key>0`, `<key>1`, ... in order of their numbers."""
    pattern = re.compile(re.escape(key) + r"(\d+)(?:\s+(.*))?\Z")
    found = [match for line in lines if (match := pattern.match(line))]
    return [(match.group(2) or "").strip() for match in sorted(found, key=lambda m: int(m[1]))]


def find_scan(spec_file: SpecFile, scan: str) -> ScanText:
    """The scan "12" or "12.2" of a file.

    Raises UserError: not there; no scan number; a number that occurs more than once, without order.
    """
    match = _SCAN_NAME.match(scan)
    if not match:
        raise UserError(
            f"{scan!r} is no scan number", str(spec_file.path), "write for example 12, or 12.2"
        )
    number, order = int(match[1]), int(match[2]) if match[2] else None
    same = [entry for entry in spec_file.scans if entry.number == number]
    if not same:
        raise UserError(
            f"no scan {number} in this SPEC file",
            str(spec_file.path),
            f"it holds {_ranges(entry.number for entry in spec_file.scans)}",
        )
    if order is None and len(same) > 1:
        choices = "; ".join(f"{number}.{e.order} (line {e.line}): {e.command}" for e in same)
        raise UserError(
            f"scan number {number} occurs {len(same)} times",
            str(spec_file.path),
            f"choose one in the run table's `raw`: {choices}",
        )
    if order is not None and not 1 <= order <= len(same):
        raise UserError(
            f"there is no scan {number}.{order}",
            str(spec_file.path),
            f"scan {number} occurs {len(same)} times: the last is {number}.{len(same)}",
        )
    return same[(order or 1) - 1]


def _ranges(numbers: Iterable[int]) -> str:
    """1, 2, 3, 7 as "scans 1-3,7"."""
    found = ranges_text(numbers)
    return f"scans {found}" if found else "no scan"


def parse_scan(path: str | Path, text: ScanText) -> SpecScan:
    """Parse one scan of a file; raises UserError (file, scan, line) for lines that do not fit."""
    where = f"{path}, scan {text.number}"
    lines = scan_lines(path, text)
    control = [line for line in lines[1:] if line.startswith("#")]
    first = {line[:2]: line[2:].strip() for line in reversed(control)}
    rows = _data_lines(lines, text.line)
    labels = _labels(first.get("#L", ""), first.get("#N", ""), rows, where)
    motors, mnemonics = _motors(text.header, _numbered(control, "#P"))
    return SpecScan(
        number=text.number,
        order=text.order,
        command=text.command,
        date=first.get("#D", ""),
        count_time_s=_leading_number(first.get("#T", "")),
        comments=tuple(line[2:].strip() for line in control if line.startswith("#C")),
        motors=motors,
        mnemonics=mnemonics,
        labels=labels,
        data=_data(rows, len(labels), where),
        header=text.header,
        line=text.line,
    )


def _data_lines(lines: list[str], first: int) -> list[tuple[int, str]]:
    """The lines of numbers with their line numbers; control and multi-channel lines left out."""
    rows, continued = [], False
    for number, line in enumerate(lines[1:], start=first + 1):
        channels = continued or line.startswith("@")
        if not channels and line.strip() and not line.startswith("#"):
            rows.append((number, line))
        # A line of channels goes on in the next one if it ends in a backslash.
        continued = channels and line.rstrip().endswith("\\")
    return rows


def _labels(names: str, count: str, rows: list[tuple[int, str]], where: str) -> tuple[str, ...]:
    labels = tuple(name.strip() for name in re.split(r"\s{2,}|\t", names) if name.strip())
    columns = int(count.split()[0]) if count[:1].isdigit() else None
    if columns is None and rows:
        columns = len(rows[0][1].split())
    if columns in (None, len(labels)):
        return labels
    # Some programs leave one space only between names.
    if columns == len(names.split()):
        return tuple(names.split())
    raise UserError(
        f"{len(labels)} column names (`#L`), but {columns} columns (`#N`)",
        where,
        "column names are two spaces apart; correct the line in a copy of the file",
    )


def _data(rows: list[tuple[int, str]], columns: int, where: str) -> np.ndarray:
    table = np.empty((len(rows), columns))
    for i, (number, line) in enumerate(rows):
        words = line.split()
        if len(words) < columns and i == len(rows) - 1:
            return table[:i]  # the point that was being written when the scan or the copy stopped
        try:
            table[i] = [float(word) for word in words]
        except ValueError as error:
            raise UserError(
                f"this is no line of {columns} numbers: {line[:60]!r}",
                f"{where}, line {number}",
                "the file is damaged: copy it again from the instrument",
            ) from error
    return table


def _motors(header: SpecHeader, position_lines: list[str]) -> tuple[dict, dict]:
    """({name: position}, {mnemonic: name}); lines whose counts differ are left out."""
    motors: dict[str, float] = {}
    names: list[str] = []
    for i, line in enumerate(header.motor_lines):
        row = [name.strip() for name in re.split(r"\s{2,}|\t", line) if name.strip()]
        values = position_lines[i].split() if i < len(position_lines) else []
        if len(row) != len(values) == len(line.split()):
            row = line.split()  # one space only between names
        names += row
        if len(row) == len(values):
            numbers = [_leading_number(value) for value in values]
            motors.update((n, v) for n, v in zip(row, numbers, strict=True) if v is not None)
    if len(header.mnemonics) != len(names):
        return motors, {}
    return motors, dict(zip(header.mnemonics, names, strict=True))


def _leading_number(text: str) -> float | None:
    try:
        return float(text.split()[0])
    except (ValueError, IndexError):
        return None
