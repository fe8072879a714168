"""Source for image series: one file of many frames, or numbered files, in any format of fabio.

The configuration gives a path pattern per detector. With `{frame}` the run is a series: frame i is in
the file numbered `first_frame + i // frames_per_file`, at place `i % frames_per_file`. Without it, one
file holds all frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import FrameError, UserError, suggestion
from scatterflow.sources.base import DetectorInfo, RunLocation
from scatterflow.sources.image_files import (
    UNREADABLE,
    ImageFile,
    KeptImages,
    most_bytes,
    open_image_file,
)
from scatterflow.sources.own_files import OwnFiles
from scatterflow.sources.patterns import has_frame, run_path
from scatterflow.sources.raw_faults import missing_file_advice, system_errors_reported
from scatterflow.sources.tables import table_path
from scatterflow.sources.times import header_time

GONE = (FileNotFoundError, NotADirectoryError)
COUNT_HINT = "put the missing files back, or correct the column `frames` of the run table"


class ImageSource(OwnFiles):
    """Frames of one run in image files; see `scatterflow.sources.base.Source`."""

    def __init__(self, location: RunLocation) -> None:
        """Check the patterns; no file is touched. Raises UserError for a bad pattern."""
        self.location = location
        self.frames = location.frames
        recipe = location.recipe
        used = [name for name in recipe["frames"] if not location.shapes or name in location.shapes]
        self.patterns: dict[str, str] = {name: recipe["frames"][name] for name in used}
        self.first_frame = int(recipe.get("first_frame", 0))
        self.frames_per_file = int(recipe.get("frames_per_file", 1))
        self.numbered = {name: has_frame(pattern) for name, pattern in self.patterns.items()}
        self._kept = KeptImages()

    def close(self) -> None:
        """Close the files; they open again when needed."""
        self._kept.close()

    @cached_property
    def detectors(self) -> dict[str, DetectorInfo]:
        """Shape and dtype per detector, from the first readable file of each."""
        return {name: self._first_frame_info(name) for name in self.patterns}

    def files(
        self, detector: str | None = None, start: int = 0, stop: int | None = None
    ) -> list[Path]:
        """The files of these frames in order; computed, not looked up."""
        stop = self.frames if stop is None else stop
        names = list(self.patterns) if detector is None else [self._known(detector)]
        numbers = self._file_numbers(start, stop)
        paths = []
        for name in names:
            paths += [self._path(name, n) for n in numbers] if self.numbered[name] else []
            paths += [] if self.numbered[name] or start >= stop else [self._path(name, 0)]
        return paths

    def scalar_files(self) -> list[Path]:
        """The run's table, and the files whose headers are the metadata."""
        table = table_path(self.location)
        firsts = [self._path(name, 0) for name in self.patterns]
        return ([table] if table else []) + firsts

    def metadata(self) -> dict[str, Any]:
        """Per detector the header of its first readable frame, keys as in the file.

        start_time: as ISO 8601 with the offset from UTC, where a header states it with a zone.
        """
        headers: dict[str, Any] = {}
        times: list[str] = []
        for name in self.patterns:
            with self._first_readable(name) as (image_file, _):
                headers[name] = image_file.header(0)
            time = header_time(headers[name])
            times += [time] if time else []
        return {**({"start_time": times[0]} if times else {}), **headers}

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
        frame = start
        while frame < stop:
            number, index = self._place(detector, frame)
            in_file = self._frames_in_file(detector, number)
            last = min(stop, frame - index + in_file)
            self._read_file(detector, number, frame, frames[frame - start : last - start])
            frame = last
        return frames

    def check(self) -> None:
        """Raise UserError where the files at hand contradict the number of frames.

        One look per detector: is there a file after the last one; with policy `missing: error`, is
        the last one there; how many frames has a file that should hold all.
        """
        for detector in self.patterns:
            if self.numbered[detector]:
                self._check_series(detector)
            else:
                self._check_single(detector)

    # Which file

    def _known(self, detector: str) -> str:
        if detector not in self.patterns:
            raise UserError(
                f"no detector {detector!r}",
                f"run {self.location.run}",
                suggestion(detector, self.patterns),
            )
        return detector

    def _file_numbers(self, start: int, stop: int) -> range:
        # Numbers of files from 0, whatever the first is called.
        if start >= stop:
            return range(0)
        return range(start // self.frames_per_file, (stop - 1) // self.frames_per_file + 1)

    def _path(self, detector: str, number: int) -> Path:
        frame = self.first_frame + number if self.numbered[detector] else None
        return run_path(self.location, self.patterns[detector], frame)

    def _place(self, detector: str, frame: int) -> tuple[int, int]:
        return divmod(frame, self.frames_per_file) if self.numbered[detector] else (0, frame)

    def _frames_in_file(self, detector: str, number: int) -> int:
        if not self.numbered[detector]:
            return self.frames
        return min(self.frames_per_file, self.frames - number * self.frames_per_file)

    @contextmanager
    def _open(self, detector: str, number: int) -> Iterator[ImageFile]:
        # A file of many frames stays open after the block.
        frames = self._frames_in_file(detector, number)
        largest = most_bytes(self.location.shapes.get(detector), frames)
        path = self._path(detector, number)
        with system_errors_reported(f"{path}, run {self.location.run}, detector {detector}"):
            if frames > 1:
                yield self._kept.open(path, largest)
                return
            with open_image_file(path, largest) as image_file:
                yield image_file

    # What is in it

    @contextmanager
    def _first_readable(self, detector: str) -> Iterator[tuple[ImageFile, Path]]:
        # The first file of a detector that opens; frames before it may be missing.
        problems = []
        numbers = self._file_numbers(0, self.frames) if self.numbered[detector] else range(1)
        for number in numbers:
            path = self._path(detector, number)
            with ExitStack() as stack:
                try:
                    image_file = stack.enter_context(self._open(detector, number))
                except GONE:
                    problems.append("raw file is missing")
                    continue
                except UNREADABLE as error:
                    problems.append(f"raw file is not a whole image: {error}")
                    continue
                yield image_file, path
                return
        path = self._path(detector, 0)
        how = f"no file of the run can be read: check the pattern {self.patterns[detector]!r}"
        if not path.exists():
            how = missing_file_advice(path, how)
        raise FrameError(problems[0], self._where(detector, 0, path), how)

    def _first_frame_info(self, detector: str) -> DetectorInfo:
        with self._first_readable(detector) as (image_file, path):
            shape = image_file.shape(0)
            if len(shape) != 2:
                raise FrameError(
                    f"the frames have shape {shape}, not (rows, columns)",
                    self._where(detector, 0, path),
                    "store one image per frame",
                )
            return DetectorInfo((shape[0], shape[1]), image_file.dtype(0))

    def _read_file(self, detector: str, number: int, frame: int, out: np.ndarray) -> None:
        # Frames frame..frame + len(out) - 1 of the run, all in this file.
        path = self._path(detector, number)
        index = self._place(detector, frame)[1]
        try:
            with self._open(detector, number) as image_file:
                self._check_count(detector, number, image_file.frames, path)
                for i in range(len(out)):
                    frame += i > 0
                    self._check_frame(detector, image_file, index + i, frame, path)
                    out[i] = image_file.read(index + i)
        except GONE:
            where = self._where(detector, frame, path)
            raise FrameError("raw file is missing", where, self._missing_advice(path)) from None
        except UNREADABLE as error:
            raise FrameError(
                f"raw file is not a whole image: {error}",
                self._where(detector, frame, path),
                "copy it again from the detector; `missing: nan` goes on without the frame",
            ) from error

    def _missing_advice(self, path: Path) -> str:
        # Under policy `nan` nobody reads it, and looking into a folder for each frame takes long.
        if self.location.recipe.get("missing", "error") == "nan":
            return COUNT_HINT
        return missing_file_advice(path, COUNT_HINT)

    def _check_count(self, detector: str, number: int, found: int, path: Path) -> None:
        expected = self._frames_in_file(detector, number)
        if found > expected:
            raise UserError(
                f"the file holds {found} frames, {expected} expected",
                f"{path}, run {self.location.run}, detector {detector}",
                "correct `frames_per_file` of the source or the column `frames` of the run table",
            )

    def _check_frame(
        self, detector: str, image_file: ImageFile, index: int, frame: int, path: Path
    ) -> None:
        info, where = self.detectors[detector], self._where(detector, frame, path)
        if index >= image_file.frames:
            raise FrameError(
                f"the file ends after {image_file.frames} frames",
                where,
                "is it cut off? copy it again",
            )
        shape, dtype = image_file.shape(index), image_file.dtype(index)
        if shape != info.shape:
            raise FrameError(
                f"the frame has shape {shape}, the run's frames have {info.shape}",
                where,
                "all frames of a run must have one shape",
            )
        if dtype != info.dtype:
            raise FrameError(
                f"the frame is stored as {dtype}, the run's first as {info.dtype}",
                where,
                "all frames of a run must have one type: split the run",
            )

    # How many

    def _check_series(self, detector: str) -> None:
        files = self._file_numbers(0, self.frames)
        after = self._path(detector, len(files))
        if after.exists():
            self._wrong_count(
                detector, f"more: there is a file after the last, {after.name}", after
            )
        last = self._path(detector, files[-1])
        if self.location.recipe.get("missing", "error") == "nan" or last.exists():
            return
        there = [number for number in files if self._path(detector, number).exists()]
        found = f"{len(there)} of {len(files)} files"
        if there and len(there) < there[-1] + 1:
            found += f", the last one is number {self.first_frame + there[-1]}"
        how = missing_file_advice(last, COUNT_HINT) if not there else COUNT_HINT
        self._wrong_count(detector, found, last, how)

    def _check_single(self, detector: str) -> None:
        path = self._path(detector, 0)
        try:
            with self._open(detector, 0) as image_file:
                found = image_file.frames
        except (*GONE, *UNREADABLE):
            return  # `read` says which frame and why
        nan = self.location.recipe.get("missing", "error") == "nan"
        if found > self.frames or (found < self.frames and not nan):
            self._wrong_count(detector, f"{found} frames in the file", path)

    def _wrong_count(self, detector: str, found: str, path: Path, how: str = COUNT_HINT) -> None:
        raise UserError(
            f"the run table says {self.frames} frames, the raw files say {found}",
            f"run {self.location.run}, detector {detector}, {path}",
            how,
        )

    def _where(self, detector: str, frame: int, path: Path) -> str:
        return f"{path}, run {self.location.run}, detector {detector}, frame {frame}"
