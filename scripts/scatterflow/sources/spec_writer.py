"""Writes scans into a SPEC data file: for the demo and for tests.

Format: the standard SPEC data file (certif.com, "Standard Data File Format"). A header (`#F` name,
`#E` seconds since 1970, `#D` local time, `#C` title and user, `#O` motor names two spaces apart,
`#o` mnemonics) is followed by scans (`#S` number and command, `#D`, `#T` count time, `#P` motor
positions before the scan, `#N` and `#L` columns, one line per point). A scan with other motors than
the last header's gets a new header, as SPEC does it after a reconfiguration. Equal arguments, equal
bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.atomic import write_bytes
from scatterflow.sources.spec_dates import MONTHS

MOTORS_PER_LINE = 8
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def write_spec_scan(
    path: str | Path,
    scan_number: int,
    command: str,
    motors: Mapping[str, float],
    columns: Mapping[str, Sequence[float] | np.ndarray],
    start: datetime,
    count_time_s: float = 1.0,
    title: str = "",
    user: str = "",
    time_zone: str = "America/New_York",
) -> None:
    """Write a SPEC file with one scan, or append the scan to the file that is there.

    command: as typed (`ascan samx 0 1 10 0.5`).
    motors: position of every motor before the scan.
    columns: one array of n numbers per counter or scanned motor, in the order of the file; numbers
        are written so that they read back exactly.
    start: start of the scan, with a time zone; written as local time of `time_zone`, whole seconds,
        because SPEC's `#D` has neither zone nor fraction.
    count_time_s: count time per point, s.
    title, user: into the header's `#C`.

    Raises UserError: an existing file that is no SPEC file; columns of different lengths; a name or
    command that the format cannot hold; a start without time zone.
    """
    path = Path(path)
    where = f"{path}, scan {scan_number}"
    _check(where, command, title, user, motors, columns, start)
    before = path.read_bytes() if path.exists() else b""
    if before and not before.startswith((b"#F", b"#S")):
        raise UserError("the file is there and is no SPEC file", str(path), "choose another name")
    local = start.astimezone(ZoneInfo(time_zone))
    lines = []
    if not before or _motor_lines(before) != _names("#O", motors, "  "):
        lines += _header(path.name, local, title, user, motors)
    lines += _scan(scan_number, command, local, count_time_s, motors, columns)
    write_bytes(path, before + "".join(line + "\n" for line in lines).encode())


def _check(where, command, title, user, motors, columns, start) -> None:
    texts = [command, title, user, *motors, *columns]
    if any(ord(character) < 32 for text in texts for character in text) or not command.strip():
        raise UserError("empty command, or a line break in a text", where, "use plain words")
    for name in [*motors, *columns]:
        if not name or name != name.strip() or "  " in name:
            raise UserError(
                f"{name!r} cannot be a name in a SPEC file",
                where,
                "names have no space at their ends and no two spaces in a row",
            )
    lengths = {name: len(column) for name, column in columns.items()}
    if not lengths or len(set(lengths.values())) != 1:
        raise UserError(
            f"the columns must have one common length: {lengths}", where, "one value per point"
        )
    if start.tzinfo is None:
        raise UserError("the start time has no time zone", where, "use datetime(..., tzinfo=UTC)")


def _header(name: str, local: datetime, title: str, user: str, motors: Iterable[str]) -> list[str]:
    names = list(motors)
    # Mnemonics are one word each, or their line could not be taken apart again.
    mnemonics = [name.replace(" ", "_") for name in names]
    return [
        f"#F {name}",
        f"#E {int(local.timestamp())}",
        f"#D {_spec_date(local)}",
        f"#C {title}  User = {user}",
        *_names("#O", names, "  "),
        *_names("#o", mnemonics, " "),
        "",
    ]


def _scan(number, command, local, count_time_s, motors, columns) -> list[str]:
    positions = [_number(value) for value in motors.values()]
    rows = zip(*columns.values(), strict=True)
    return [
        f"#S {number}  {command}",
        f"#D {_spec_date(local)}",
        f"#T {_number(count_time_s)}  (Seconds)",
        *_names("#P", positions, " "),
        f"#N {len(columns)}",
        f"#L {'  '.join(columns)}",
        *(" ".join(_number(value) for value in row) for row in rows),
        "",
    ]


def _names(key: str, words: Iterable[str], gap: str) -> list[str]:
    words = list(words)
    rows = [words[i : i + MOTORS_PER_LINE] for i in range(0, len(words), MOTORS_PER_LINE)]
    return [f"{key}{i} {gap.join(row)}" for i, row in enumerate(rows)]


def _motor_lines(content: bytes) -> list[str]:
    # The motor names of the last header of a file.
    start = 0 if content.startswith(b"#F") else -1
    start = max(start, content.rfind(b"\n#F"))
    header = content[start:].lstrip(b"\n").split(b"\n#S")[0] if start >= 0 else b""
    return [line.decode() for line in header.split(b"\n") if line.startswith(b"#O")]


def _spec_date(local: datetime) -> str:
    # By hand, not strftime: the names of days and months must not follow the locale.
    day, month = DAYS[local.weekday()], MONTHS[local.month - 1]
    return f"{day} {month} {local.day:02d} {local:%H:%M:%S} {local.year}"


def _number(value: float) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    return repr(float(value)) if isinstance(value, float) else str(int(value))
