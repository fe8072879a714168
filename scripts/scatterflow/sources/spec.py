"""Source for SPEC scans with one frame per point, in the layout of CHESS.

The run table's `raw` is `path/to/specfile::12` (or `::12.2`, the second scan 12 of the file).
Frames are found as `spec_frames` says; the scan's columns, motors and times are read by
`spec_file`. In the recipe's `table` pattern `{raw}` is the scan's folder (`path/to/specfile_012`),
so that a table beside the frames is `{raw}/name.csv`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import FrameError, UserError, suggestion
from scatterflow.files.checksums import value_digest
from scatterflow.sources.base import DetectorInfo, RunLocation
from scatterflow.sources.patterns import path_below
from scatterflow.sources.spec_command import ScanCommand, parse_command, runs_as_snake
from scatterflow.sources.spec_dates import iso_local, seconds_since_1970
from scatterflow.sources.spec_file import (
    ScanText,
    SpecScan,
    find_scan,
    parse_scan,
    read_spec_file,
    scan_lines,
)
from scatterflow.sources.spec_frames import FramePlace, ScanLayout, detector_files, place_frames
from scatterflow.sources.spec_images import FrameReader, count_frames

if TYPE_CHECKING:
    import pandas as pd

# `#D` lines have no time zone; CHESS is in New York.
TIME_ZONE = "America/New_York"


class SpecSource:
    """Frames and scalars of one SPEC scan; see `scatterflow.sources.base.Source`."""

    def __init__(self, location: RunLocation) -> None:
        """Take `raw` apart; no file is touched. Raises UserError if it names no scan."""
        self.location = location
        self.frames = location.frames
        self._reader = FrameReader(location)
        spec_file, mark, self.scan_name = location.raw.rpartition("::")
        if not mark or not spec_file:
            raise UserError(
                f"{location.raw!r} names no scan",
                f"run {location.run}, column raw of the run table",
                "write path/to/specfile::12 (scan 12), or ::12.2 for the second scan 12",
            )
        self.path = path_below(location.root, spec_file, f"run {location.run}, column raw")
        self.time_zone = location.recipe.get("time_zone") or TIME_ZONE
        frames = location.recipe["frames"]
        # Detector of the configuration -> its name in file names.
        self.names = {d: frames[d] for d in frames if not location.shapes or d in location.shapes}
        self.where = f"{self.path}, scan {self.scan_name}, run {location.run}"

    # The scan

    @cached_property
    def _text(self) -> ScanText:
        return find_scan(read_spec_file(self.path), self.scan_name)

    @cached_property
    def scan(self) -> SpecScan:
        """The scan as in the file; raises UserError if it is shorter than the run table says."""
        scan = parse_scan(self.path, self._text)
        command = parse_command(scan.command, self.where)
        points = scan.points_done or command.points or 0
        if points < self.frames:
            asked = f" of the {command.points} asked for" if command.points else ""
            raise UserError(
                f"the run table says {self.frames} frames, the scan has {points} points{asked}",
                self.where,
                "was the scan aborted? correct the column `frames` of the run table",
            )
        return scan

    @cached_property
    def command(self) -> ScanCommand:
        """The scan's command, taken apart."""
        return parse_command(self.scan.command, self.where)

    @property
    def points(self) -> int:
        """Number of points measured; without lines in the SPEC file, those that were asked for."""
        return self.scan.points_done or self.command.points or 0

    @cached_property
    def snake(self) -> bool:
        """Whether every second row of a mesh ran backwards."""
        return runs_as_snake(self.command, self._measured_fast())

    def _measured_fast(self) -> np.ndarray | None:
        fast = next((motor for motor in self.command.motors if motor.axis == 0), None)
        names = self.scan.motor_names(fast.name) if fast else ()
        column = next((i for i, label in enumerate(self.scan.labels) if label in names), None)
        return None if column is None else self.scan.data[:, column]

    @cached_property
    def folder(self) -> Path:
        """The folder of the scan's frames."""
        return self.path.with_name(f"{self.path.name}_{self.scan.number:03d}")

    # Frames

    @cached_property
    def detectors(self) -> dict[str, DetectorInfo]:
        """Shape and dtype per detector, from its first readable frame."""
        return {detector: self._first_info(detector) for detector in self.names}

    @cached_property
    def places(self) -> dict[str, list[FramePlace | None]]:
        """Per detector, where each frame is; None for one without file."""
        return {detector: self._places(detector) for detector in self.names}

    def files(
        self, detector: str | None = None, start: int = 0, stop: int | None = None
    ) -> list[Path]:
        """The files of these frames in order; a frame that has none is left out."""
        names = list(self.names) if detector is None else [self._known(detector)]
        found = [place.path for n in names for place in self.places[n][start:stop] if place]
        return list(dict.fromkeys(found))

    def encoded(self, detector: str, start: int, stop: int) -> None:
        """None: these files are always read whole."""
        return None

    def events(self, detector: str, start: int, stop: int) -> None:
        """None: the frames are dense."""
        return None

    def read(self, detector: str, start: int, stop: int) -> np.ndarray:
        """Frames start..stop-1; see `Source.read`."""
        if not 0 <= start <= stop <= self.frames:
            raise IndexError(f"frames {start}..{stop} of {self.frames}")
        info = self.detectors[self._known(detector)]
        frames = np.empty((stop - start, *info.shape), info.dtype)
        for i in range(start, stop):
            frame = self._read_one(detector, i)
            if frame.shape != info.shape or frame.dtype != info.dtype:
                raise FrameError(
                    f"the frame is {frame.shape} {frame.dtype}, the scan's frames are "
                    f"{info.shape} {info.dtype}",
                    self._frame_where(detector, i),
                    "all frames of a run must have one shape and type",
                )
            frames[i - start] = frame
        return frames

    def check(self) -> None:
        """Raise UserError where the files at hand contradict the number of frames."""
        if self.points > self.frames:
            raise UserError(
                f"the run table says {self.frames} frames, the scan has {self.points} points",
                self.where,
                "correct the column `frames` of the run table",
            )
        for detector, places in self.places.items():
            if None in places and self.location.recipe.get("missing", "error") == "error":
                self._read_one(detector, places.index(None))

    def _places(self, detector: str) -> list[FramePlace | None]:
        name = self.names[detector]
        files = detector_files(self.folder, name, self.path.name)
        where = f"{self.where}, detector {detector}"
        if not files:
            raise FrameError(
                f"no frames of {name!r} in {self.folder}"
                + ("" if self.folder.is_dir() else " (no such folder)"),
                f"{where}, frame 0",
                f"names must hold {name!r} as a whole word between `_`, upper and lower case "
                "told apart",
            )
        shape = self.command.shape or (self.points,)
        layout = ScanLayout(self.path.name, self.scan.number, shape, self.points)
        places = place_frames(
            files, name, layout, lambda path: count_frames(path, self.location), where
        )
        return places[: self.frames]

    def _read_one(self, detector: str, i: int) -> np.ndarray:
        place = self.places[detector][i]
        if place is None:
            raise FrameError(
                "no raw file for this point of the scan",
                self._frame_where(detector, i),
                "put the file back, or set `missing: nan` to go on without the frame",
            )
        try:
            return self._reader.read(place, detector)
        except UserError as error:  # the reader does not know which frame of the run it reads
            raise type(error)(error.what, self._frame_where(detector, i), error.how) from error

    def _first_info(self, detector: str) -> DetectorInfo:
        first_error: FrameError | None = None
        for i in range(self.frames):
            try:
                frame = self._read_one(detector, i)
            except FrameError as error:
                first_error = first_error or error
                continue
            expected = self.location.shapes.get(detector)
            if expected is None or frame.shape == tuple(expected):
                return DetectorInfo(frame.shape, frame.dtype)
            first_error = first_error or FrameError(
                f"the frame has shape {frame.shape}, the configuration says {tuple(expected)}",
                self._frame_where(detector, i),
                f"correct detectors.{detector}.shape, or the detector's name in the source",
            )
        raise first_error or UserError("the run has no frames", self.where, "correct `frames`")

    def _known(self, detector: str) -> str:
        if detector not in self.names:
            raise UserError(
                f"no detector {detector!r}", self.where, suggestion(detector, self.names)
            )
        return detector

    def _frame_where(self, detector: str, i: int) -> str:
        place = self.places[detector][i]
        at = place.path if place else self.folder
        return f"{at}, run {self.location.run}, detector {detector}, frame {i}"

    # Everything else

    def scalars(self) -> pd.DataFrame:
        """One row per frame; see `resolve_scalars` and, for the types, `spec_scalars`."""
        from scatterflow.sources.spec_scalars import getters
        from scatterflow.sources.tables import resolve_scalars

        recipe = self.location.recipe
        return resolve_scalars(
            recipe.get("scalars") or {}, self.frames, getters(self), f"run {self.location.run}"
        )

    def scalar_files(self) -> list[Path]:
        """The table and the detectors' logs, as far as configured."""
        from scatterflow.sources.spec_scalars import log_paths

        if not self.location.recipe.get("table"):
            return log_paths(self)
        from scatterflow.sources.tables import table_path

        table = table_path(self.table_location())
        return [*([table] if table else []), *log_paths(self)]

    def close(self) -> None:
        """Close all files; reading opens them again."""
        self._reader.close()

    def shared_files(self) -> list[Path]:
        """The SPEC file; the .par file with its .json if a scalar is read from it."""
        from scatterflow.sources.spec_scalars import par_paths, reads_par_file

        return [self.path, *(par_paths(self) if reads_par_file(self) else ())]

    def fingerprint(self, *, scalars: bool) -> str:
        """Digest of this scan's part of the `shared_files`; scans appended to them leave it alone.

        scalars: of the scan's text, its header and its rows of the .par file; else of what places
        the frames: the command, the points done, and whether rows ran backwards.
        """
        if not scalars:
            return value_digest([self.scan.command, self.scan.points_done, self.snake])
        from scatterflow.sources.spec_scalars import par_rows, reads_par_file

        header, lines = self.scan.header.text, scan_lines(self.path, self._text)
        return value_digest([header, lines, par_rows(self) if reads_par_file(self) else None])

    def table_location(self) -> RunLocation:
        """The run's location as the `table` pattern sees it: `{raw}` is the scan's folder."""
        return replace(self.location, raw=str(self.folder.relative_to(self.location.root)))

    def metadata(self) -> dict[str, Any]:
        """What the SPEC file says of the scan.

        title, user, command, date (ISO 8601, UTC; "" if the scan has none), start_time (that of
        `#D`) and end_time (the last point's `Epoch`), both ISO 8601, local time with UTC offset,
        left out if not known; scan_number, count_time_s, points_asked (None: not said),
        points_done, motors {name: position before the scan}, comments; scan {axes, shape, snake}:
        motors and points of a grid, slowest axis first, so that n values in order of acquisition
        reshape to `shape`; empty without scanned motors.
        """
        scan, command = self.scan, self.command
        first = {motor.axis: motor.name for motor in reversed(command.motors)}
        axes = sorted(first, reverse=True)
        return {
            "title": scan.header.title,
            "user": scan.header.user,
            "command": scan.command,
            "date": self._iso_date(),
            **self._times(),
            "scan_number": scan.number,
            "count_time_s": command.count_time_s
            if scan.count_time_s is None
            else scan.count_time_s,
            "points_asked": command.points,
            "points_done": scan.points_done,
            "motors": dict(scan.motors),
            "comments": list(scan.comments),
            "scan": {
                "axes": [first[axis] for axis in axes],
                "shape": [(command.shape or ())[axis] for axis in axes],
                "snake": self.snake,
            },
        }

    def _iso_date(self) -> str:
        if not self.scan.date:
            return ""
        seconds = seconds_since_1970(self.scan.date, self.time_zone, self.where)
        return datetime.fromtimestamp(seconds, UTC).isoformat()

    def _times(self) -> dict[str, str]:
        seconds: dict[str, float] = {}
        if self.scan.date:
            start = seconds_since_1970(self.scan.date, self.time_zone, self.where)
            seconds["start_time"] = start
        end = self._last_epoch()
        if end is not None:
            seconds["end_time"] = end
        return {key: iso_local(s, self.time_zone, self.where) for key, s in seconds.items()}

    def _last_epoch(self) -> float | None:
        """Seconds since 1970 UTC of the last point; None if the file does not say."""
        scan = self.scan
        if scan.header.epoch is None or scan.labels.count("Epoch") != 1 or not scan.points_done:
            return None
        last = scan.header.epoch + scan.data[-1, scan.labels.index("Epoch")]
        return float(last) if np.isfinite(last) else None
