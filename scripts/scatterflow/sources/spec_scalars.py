"""Per-frame numbers of a SPEC scan: columns, motors, times, .par files, detector logs.

The types are those of CHESS's map configurations. Motors: a scanned one has its commanded
positions, not the measured ones (those are a column); `spec_motor` counts them from the position
before the scan.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.names import natural_key
from scatterflow.sources.patterns import path_below
from scatterflow.sources.spec_command import ScannedMotor, commanded_positions
from scatterflow.sources.spec_dates import MONTHS, seconds_since_1970

if TYPE_CHECKING:
    from scatterflow.sources.spec import SpecSource
    from scatterflow.sources.tables import Getter

# Pilatus camserver and its kin: 2026-Sep-21T10:15:00.123
_LOG_TIME = re.compile(r"(\d{4})-([A-Za-z]{3})-(\d{1,2})T(\d\d:\d\d:\d\d)(\.\d+)")


def getters(source: SpecSource) -> dict[str, Getter]:
    """Per scalar type of the configuration a function from the scalar's name to its values."""
    from scatterflow.sources.tables import table_getter

    methods: dict[str, Callable] = {
        "scan_column": scan_column,
        "spec_motor": spec_motor,
        "spec_motor_absolute": spec_motor_absolute,
        "spec_motor_static": spec_motor_static,
        "smb_par": smb_par,
        "scan_start_time": scan_start_time,
        "spec_epoch": spec_epoch,
        "scan_step_index": lambda source, name: np.arange(source.frames),
        "scan_number": lambda source, name: np.array(source.scan.number),
        "detector_log_timestamps": detector_log_timestamps,
    }
    found: dict[str, Getter] = {kind: partial(method, source) for kind, method in methods.items()}
    if source.location.recipe.get("table"):
        found["column"] = table_getter(source.table_location())
    return found


def scan_column(source: SpecSource, name: str) -> np.ndarray:
    """A column of the scan, (frames,) float64."""
    scan = source.scan
    places = [i for i, label in enumerate(scan.labels) if label == name]
    if len(places) != 1 or scan.points_done < source.frames:
        what = "no column" if not places else f"{len(places)} columns"
        if len(places) == 1:
            what = "no lines of numbers, so nothing"
        raise UserError(
            f"the scan has {what} {name!r}",
            source.where,
            suggestion(name, scan.labels) if not places else "choose another column",
        )
    return scan.data[: source.frames, places[0]]


def spec_motor(source: SpecSource, name: str) -> np.ndarray:
    """Scanned motor: commanded positions minus the position before the scan; else that position."""
    motor = _scanned(source, name)
    if motor is None:
        return np.array(_position_before(source, name))
    commanded = _commanded(source, motor)
    return commanded if source.command.relative else commanded - _position_before(source, name)


def spec_motor_absolute(source: SpecSource, name: str) -> np.ndarray:
    """Scanned motor: commanded positions; else the position before the scan."""
    motor = _scanned(source, name)
    if motor is None:
        return np.array(_position_before(source, name))
    commanded = _commanded(source, motor)
    return commanded + _position_before(source, name) if source.command.relative else commanded


def spec_motor_static(source: SpecSource, name: str) -> np.ndarray:
    """Scanned motor: its first commanded position; else the one before the scan. One number."""
    motor = _scanned(source, name)
    if motor is None:
        return np.array(_position_before(source, name))
    before = _position_before(source, name) if source.command.relative else 0.0
    return np.array(motor.start + before)


def _commanded(source: SpecSource, motor: ScannedMotor) -> np.ndarray:
    try:
        positions = commanded_positions(source.command, motor, source.points, source.snake)
    except UserError as error:
        raise error.inside(source.where) from error
    return positions[: source.frames]


def _scanned(source: SpecSource, name: str) -> ScannedMotor | None:
    names = source.scan.motor_names(name)
    command = source.command
    if not command.recognised and set(names) & set(command.text.split()[1:]):
        raise UserError(
            f"cannot tell where {name!r} was: the macro {command.macro!r} is not known",
            source.where,
            "take the measured positions: a scalar of type scan_column",
        )
    return command.motor(*names)


def _position_before(source: SpecSource, name: str) -> float:
    scan = source.scan
    for known in scan.motor_names(name):
        if known in scan.motors:
            return scan.motors[known]
    how = suggestion(name, [*scan.motors, *scan.mnemonics])
    if source.command.motor(*scan.motor_names(name)):
        how += (
            "; of a motor that the header lacks, only spec_motor_absolute (in an absolute scan) or "
            "scan_column can be had"
        )
    raise UserError(f"the SPEC file has no position of motor {name!r}", source.where, how)


def scan_start_time(source: SpecSource, name: str | None = None) -> tuple[np.ndarray, str]:
    """Start of the scan (`#D`), seconds since 1970 UTC, one number."""
    seconds = seconds_since_1970(source.scan.date, source.time_zone, source.where)
    return np.array(seconds), "s"


def spec_epoch(source: SpecSource, name: str | None = None) -> tuple[np.ndarray, str]:
    """The last `#E` before the scan, seconds since 1970 UTC, one number.

    A column `Epoch` counts from it: the time of each point is an expression that adds the two.
    """
    epoch = source.scan.header.epoch
    if epoch is None:
        raise UserError("the SPEC file has no `#E` line", source.where, "use scan_start_time")
    return np.array(epoch), "s"


def detector_log_timestamps(source: SpecSource, name: str | None) -> tuple[np.ndarray, str]:
    """Times in the .log files of a detector beside its frames, (frames,) s since 1970 UTC.

    name: detector of the configuration; may be left out if the source has only one. Each line with
    a time such as 2026-Sep-21T10:15:00.123 (local time of the beamline) is one frame.
    """
    logs = _logs(source, name)
    if not logs:
        raise UserError(
            f"no .log file of {_log_detector(source, name)!r} in {source.folder}",
            source.where,
            "the detector's log must lie beside its frames, with the detector's name in its name",
        )
    times = [time for log in logs for time in _log_times(log, source)]
    if len(times) != source.points:
        raise UserError(
            f"{len(times)} times in the detector's log, the scan has {source.points} points",
            f"{logs[0]}, run {source.location.run}",
            "the log needs one line with a time per point; or use scan_column",
        )
    return np.array(times[: source.frames]), "s"


def _logs(source: SpecSource, name: str | None) -> list[Path]:
    detector, prefix = _log_detector(source, name), source.path.name
    stems = {path: path.stem.removeprefix(f"{prefix}_") for path in source.folder.glob("*.log")}
    logs = [path for path, stem in stems.items() if f"_{detector}_" in f"_{stem}_"]
    return sorted(logs, key=lambda path: natural_key(path.name))


def _log_detector(source: SpecSource, name: str | None) -> str:
    names = source.location.recipe["frames"]
    if name is None and len(names) > 1:
        raise UserError("which detector's log?", source.where, "give the detector as `name`")
    return names.get(name, name) if name else next(iter(names.values()))


def _log_times(log: Path, source: SpecSource) -> list[float]:
    times = []
    for number, line in enumerate(log.read_text(encoding="latin-1").splitlines(), start=1):
        if match := _LOG_TIME.search(line):
            year, month, day, clock, fraction = match.groups()
            if month not in MONTHS:
                raise UserError(f"no month {month!r}", f"{log}, line {number}", "correct the log")
            date = f"Day {month} {day} {clock} {year}"
            where = f"{log}, line {number}"
            times.append(seconds_since_1970(date, source.time_zone, where) + float(fraction))
    return times


def log_paths(source: SpecSource) -> list[Path]:
    """The detector logs that the configured scalars read, those that are there."""
    scalars = (source.location.recipe.get("scalars") or {}).values()
    names = [s.get("name") for s in scalars if s["type"] == "detector_log_timestamps"]
    return list(dict.fromkeys(log for name in names for log in _logs(source, name)))


def reads_par_file(source: SpecSource) -> bool:
    """Whether a configured scalar is a column of the .par file."""
    scalars = (source.location.recipe.get("scalars") or {}).values()
    return any(scalar["type"] == "smb_par" for scalar in scalars)


def par_paths(source: SpecSource) -> tuple[Path, ...]:
    """The .par file and the .json that names its columns; none if not configured."""
    name = source.location.recipe.get("par_file")
    if not name:
        return ()
    par = path_below(source.location.root, name, "key par_file of the source")
    return par, par.with_suffix(".json")


def smb_par(source: SpecSource, name: str) -> np.ndarray:
    """A column of the .par file in the scan's row (column SCAN_N), one number."""
    columns, rows = par_rows(source)
    par, names = par_paths(source)
    if name not in columns:
        raise UserError(f"no column {name!r}", str(names), suggestion(name, columns))
    values = {row[columns[name]] for row in rows}
    if len(values) != 1:
        raise UserError(
            f"{len(rows)} rows of scan {source.scan.number}"
            + (f", with different {name}" if rows else ""),
            f"{par}, run {source.location.run}",
            "the file needs one row for the scan" if not rows else "keep one of the rows",
        )
    return _par_number(values.pop(), name, par)


def par_rows(source: SpecSource) -> tuple[dict[str, int], list[list[str]]]:
    """The columns of the .par file, {name: number}, and the rows of this scan, word by word."""
    paths = par_paths(source)
    if not paths:
        raise UserError(
            "no .par file is given", source.where, "add `par_file` to the source in config.yaml"
        )
    par, names = paths
    columns = _par_columns(names)
    if "SCAN_N" not in columns:
        raise UserError("no column 'SCAN_N'", str(names), suggestion("SCAN_N", columns))
    return columns, _par_rows(par, len(columns), columns["SCAN_N"], source.scan.number)


def _par_columns(path: Path) -> dict[str, int]:
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
        columns = {str(name): int(index) for index, name in names.items()}
        if sorted(columns.values()) != list(range(len(names))):
            raise ValueError("the columns are not numbered 0, 1, 2, ..., or two have one name")
        return columns
    except FileNotFoundError:
        raise UserError(
            "the .json that names the columns of the .par file is missing",
            str(path),
            "put it there",
        ) from None
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(
            f"not the columns of a .par file ({error})",
            str(path),
            'it must be like {"0": "date", "1": "SCAN_N"}: column number, name',
        ) from error


def _par_rows(path: Path, count: int, scan_column: int, scan: int) -> list[list[str]]:
    try:
        # Only the numbers are used; comments may be in any encoding.
        text = path.read_text(encoding="latin-1")
    except FileNotFoundError:
        raise UserError("the .par file is missing", str(path), "check `par_file`") from None
    found = []
    for row in csv.reader(text.splitlines(), delimiter=" ", skipinitialspace=True):
        row = [cell for cell in row if cell]
        # Rows of another length are comments, or of a time when other columns were written.
        number = row[scan_column] if len(row) == count else ""
        if number.isdecimal() and int(number) == scan:
            found.append(row)
    return found


def _par_number(word: str, name: str, path: Path) -> np.ndarray:
    try:
        return np.array(int(word))
    except ValueError:
        pass
    try:
        return np.array(float(word))
    except ValueError:
        raise UserError(
            f"{name} is {word!r}, not a number", str(path), "only numbers can be scalars"
        ) from None
