"""Source for HDF5 and NeXus files: Eiger masters with their data files, Lambda files, any dataset.

`raw` of the run table is the file below the raw folder; with `*` or `?` in its name the matching files
follow each other in the order of their numbers (Lambda: one file per part of a series). `frames` of the
source gives per detector a dataset or `auto` (see `scatterflow.sources.hdf5_layout`); where each
detector has its own file, `pattern::dataset`, the pattern as for images with {raw} and {run}.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatterflow.errors import FrameError, UserError, suggestion
from scatterflow.sources.base import DetectorInfo, RunLocation
from scatterflow.sources.hdf5_layout import Segment, frame_datasets, segments
from scatterflow.sources.hdf5_links import LinkedFiles, MissingFile, damage_reported
from scatterflow.sources.hdf5_storage import storage_faults
from scatterflow.sources.patterns import run_path
from scatterflow.sources.tables import resolve_scalars, table_getter, table_path

if TYPE_CHECKING:
    import h5py

SEPARATOR = "::"
COPY_HINT = "copy it again from the detector, or set `missing: nan` to go on without these frames"
MOST_METADATA = 2000
LONGEST_TEXT = 1000


class Hdf5Source:
    """Frames of one run in HDF5 files; see `scatterflow.sources.base.Source`."""

    def __init__(self, location: RunLocation) -> None:
        """No file is touched. Raises UserError for a bad pattern."""
        self.location = location
        wanted = location.recipe["frames"]
        used = [name for name in wanted if not location.shapes or name in location.shapes]
        self.references = {name: _split(wanted[name]) for name in used}
        for pattern, _ in self.references.values():
            run_path(location, pattern)
        self._linked: dict[Path, LinkedFiles] = {}
        self._segments: dict[str, list[Segment]] = {}

    def close(self) -> None:
        """Close the files; they open again when needed."""
        for files in self._linked.values():
            files.close()
        self._linked.clear()

    @cached_property
    def frames(self) -> int:
        """Number of frames found (of the first detector; `check` compares them all)."""
        return self.count(next(iter(self.references)))

    @cached_property
    def detectors(self) -> dict[str, DetectorInfo]:
        """Shape and dtype per detector, from its first dataset that can be read."""
        return {name: self._info(name) for name in self.references}

    def count(self, detector: str) -> int:
        """Number of frames found for a detector."""
        return sum(segment.frames for segment in self.segments(detector))

    def segments(self, detector: str) -> list[Segment]:
        """The datasets that hold a detector's frames, in order."""
        if detector not in self.references:
            known = suggestion(detector, self.references)
            raise UserError(f"no detector {detector!r}", f"run {self.location.run}", known)
        if detector not in self._segments:
            pattern, wanted = self.references[detector]
            shape = self.location.shapes.get(detector)
            found: list[Segment] = []
            for path in self._masters(pattern):
                files = self._files(path)
                start = found[-1].start + found[-1].frames if found else 0
                names = frame_datasets(files, wanted, shape, self.location.frames)
                found += segments(files, names, self.location.frames - start, start)
            self._segments[detector] = found
        return self._segments[detector]

    def files(
        self, detector: str | None = None, start: int = 0, stop: int | None = None
    ) -> list[Path]:
        """Master and data files of these frames; of a master that is not there yet, its path alone."""
        stop = self.location.frames if stop is None else stop
        paths: list[Path] = []
        for name in self.references if detector is None else [detector]:
            masters = self._masters(self.references[name][0], must_exist=False)
            if not all(path.exists() for path in masters):
                paths += masters
                continue
            for segment in self.segments(name):
                if segment.start < stop and start < segment.start + segment.frames:
                    paths += [segment.path, segment.holder, *self._virtual(segment, start, stop)]
        return list(dict.fromkeys(paths))

    def scalar_files(self) -> list[Path]:
        """The master files and the run's table."""
        table = table_path(self.location)
        patterns = dict.fromkeys(pattern for pattern, _ in self.references.values())
        for scalar in self.location.recipe.get("scalars", {}).values():
            if scalar["type"] == "dataset":
                patterns[_split(scalar["name"])[0]] = None
        masters = [p for pattern in patterns for p in self._masters(pattern, must_exist=False)]
        return list(dict.fromkeys(masters + ([table] if table else [])))

    def scalars(self) -> pd.DataFrame:
        """One row per frame; see `resolve_scalars`."""
        return resolve_scalars(
            self.location.recipe.get("scalars", {}),
            self.location.frames,
            {"dataset": self._scalar, "column": table_getter(self.location)},
            f"run {self.location.run}",
        )

    def metadata(self) -> dict[str, Any]:
        """The single numbers and texts of the first master file, {path in the file: value}."""
        pattern = next(iter(self.references.values()))[0]
        path = self._masters(pattern)[0]
        file = self._files(path).open(path)
        with damage_reported(path):
            return _single_values(file)

    def check(self) -> None:
        """Raise UserError where the files hold another number of frames than the run table says."""
        for name, (pattern, _) in self.references.items():
            found = self.count(name)
            if found != self.location.frames:
                raise UserError(
                    f"the run table says {self.location.frames} frames, the raw files hold {found}",
                    f"run {self.location.run}, detector {name}, {run_path(self.location, pattern)}",
                    "correct the column `frames` of the run table",
                )

    def read(self, detector: str, start: int, stop: int) -> np.ndarray:
        """Frames start..stop-1; see `Source.read`."""
        if not 0 <= start <= stop <= self.location.frames:
            raise IndexError(f"frames {start}..{stop} of {self.location.frames}")
        info = self.detectors[detector] if detector in self.references else self._info(detector)
        frames = np.empty((stop - start, *info.shape), info.dtype)
        done = start
        for segment in self.segments(detector):
            low = max(start, segment.start)
            high = min(stop, segment.start + segment.frames)
            if low < high:
                self._read_segment(detector, segment, low, frames[low - start : high - start])
                done = high
        if done < stop:
            raise FrameError(
                f"the raw files end after frame {done - 1}" if done else "the raw files are empty",
                self._where(
                    detector, run_path(self.location, self.references[detector][0]), done, stop
                ),
                "correct the column `frames` of the run table",
            )
        return frames

    # Files

    def _masters(self, pattern: str, must_exist: bool = True) -> list[Path]:
        path = run_path(self.location, pattern)
        if not set(path.name) & set("*?") or path.exists():
            return [path]
        matches = sorted(path.parent.glob(path.name), key=_by_numbers)
        modules = {found[1] for match in matches if (found := re.search(r"_m(\d+)", match.stem))}
        if len(modules) > 1:
            raise UserError(
                f"the files are {len(modules)} modules of one detector ({matches[0].name} ...)",
                f"run {self.location.run}, {path}",
                "modules are not tiled here: make one detector of each, with its own geometry",
            )
        if not matches and must_exist:
            raise MissingFile(
                "raw file is missing: nothing matches the pattern",
                f"{path}, run {self.location.run}",
                "correct `raw` in the run table",
            )
        return matches or [path]

    def _files(self, path: Path) -> LinkedFiles:
        return self._linked.setdefault(path, LinkedFiles(path))

    def _virtual(self, segment: Segment, start: int, stop: int) -> list[Path]:
        # Source files of a virtual dataset for these frames of the run.
        if segment.missing:
            return []
        files = self._files(segment.path)
        dataset, holder = files.dataset(segment.name)
        if not dataset.is_virtual:
            return []
        wanted = range(start - segment.start, stop - segment.start)
        pieces = files.virtual_pieces(dataset, holder)
        return [piece.path for piece in pieces if any(i in wanted for i in piece.frames)]

    # Frames

    def _info(self, detector: str) -> DetectorInfo:
        readable = [s for s in self.segments(detector) if not s.missing]
        if not readable:
            missing = self.segments(detector)
            raise FrameError(
                missing[0].missing if missing else "the raw files hold no frames",
                f"run {self.location.run}, detector {detector}"
                + (f", {missing[0].holder}" if missing else ""),
                COPY_HINT,
            )
        dataset, holder = self._files(readable[0].path).dataset(readable[0].name)
        if dataset.dtype.kind not in "iuf":
            raise UserError(
                f"the dataset holds {dataset.dtype}, not numbers",
                f"{holder}, {readable[0].name}, run {self.location.run}",
                "name the dataset of the frames in `frames` of the source",
            )
        rows, columns = dataset.shape[-2:]
        return DetectorInfo((rows, columns), dataset.dtype.newbyteorder("="))

    def _read_segment(self, detector: str, segment: Segment, low: int, out: np.ndarray) -> None:
        # Frames low.. of the run, as many as `out` holds, all in this segment.
        high = low + len(out)
        where = self._where(detector, segment.holder, low, high)
        if segment.missing:
            raise FrameError(segment.missing, where, COPY_HINT)
        files = self._files(segment.path)
        dataset, holder = files.dataset(segment.name)
        self._check_kind(detector, dataset, where)
        first = low - segment.start
        with damage_reported(holder):
            faults = storage_faults(files, dataset, holder, first, first + len(out))
        if faults:
            worst = min(faults)
            frame = segment.start + worst
            where = self._where(detector, holder, frame, frame + 1)
            raise FrameError(faults[worst], where, COPY_HINT)
        try:
            _read_into(dataset, first, out)
        except OSError:
            self._read_one_by_one(detector, segment, dataset, low, out)

    def _read_one_by_one(
        self, detector: str, segment: Segment, dataset: h5py.Dataset, low: int, out: np.ndarray
    ) -> None:
        # After a failure: which frame is it?
        for i in range(len(out)):
            try:
                _read_into(dataset, low + i - segment.start, out[i : i + 1])
            except OSError as error:
                raise FrameError(
                    f"the frame cannot be read: {error}",
                    self._where(detector, segment.holder, low + i, low + i + 1),
                    COPY_HINT,
                ) from error

    def _check_kind(self, detector: str, dataset: h5py.Dataset, where: str) -> None:
        info = self.detectors[detector]
        if tuple(dataset.shape[-2:]) != info.shape:
            raise FrameError(
                f"the frames have shape {dataset.shape[-2:]}, the run's first {info.shape}",
                where,
                "all frames of a run must have one shape",
            )
        if dataset.dtype.newbyteorder("=") != info.dtype:
            raise FrameError(
                f"the frames are stored as {dataset.dtype}, the run's first as {info.dtype}",
                where,
                "all frames of a run must have one type: split the run",
            )

    def _where(self, detector: str, path: Path, start: int, stop: int) -> str:
        frames = f"frame {start}" if stop == start + 1 else f"frames {start} to {stop - 1}"
        return f"{path}, run {self.location.run}, detector {detector}, {frames}"

    # Scalars

    def _scalar(self, name: str | None) -> tuple[np.ndarray, str]:
        pattern, dataset_name = _split(str(name))
        values, unit = [], ""
        for path in self._masters(pattern):
            dataset, holder = self._files(path).dataset(dataset_name)
            if dataset.size is None or dataset.size > max(self.location.frames, 1):
                raise UserError(
                    f"shape {dataset.shape} does not fit: the run has {self.location.frames} frames",
                    f"{holder}, {dataset_name}, run {self.location.run}",
                    "a scalar is one number, or one per frame; or correct `frames` of the run table",
                )
            with damage_reported(holder):
                values.append(np.asarray(dataset[()]))
                stated = dataset.attrs.get("units", "")
            unit = stated.decode() if isinstance(stated, bytes) else str(stated)
        single = all(value.size == 1 for value in values)
        if single and len({value.item() for value in values}) == 1 and self.location.frames != 1:
            return values[0].reshape(()), unit
        return np.concatenate([np.atleast_1d(value) for value in values]), unit


def _split(reference: str) -> tuple[str, str]:
    # (file pattern, dataset)
    pattern, separator, dataset = reference.rpartition(SEPARATOR)
    return (pattern, dataset) if separator else ("{raw}", reference)


def _by_numbers(path: Path) -> list[tuple[int, int | str]]:
    # part2 before part10.
    return [
        (1, int(part)) if part.isdigit() else (0, part)
        for part in re.split(r"(\d+)", path.name)
        if part
    ]


def _read_into(dataset: h5py.Dataset, first: int, out: np.ndarray) -> None:
    if dataset.ndim == 2:
        dataset.read_direct(out[0])
    else:
        dataset.read_direct(out, np.s_[first : first + len(out)])


def _single_values(file: h5py.File) -> dict[str, Any]:
    import h5py

    values: dict[str, Any] = {}

    def visit(name: str | bytes, item: object) -> None:
        if len(values) >= MOST_METADATA or not isinstance(item, h5py.Dataset) or item.size != 1:
            return
        if item.external is not None or item.is_virtual:
            return
        value = np.asarray(item[()]).reshape(-1)[0]
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, int | float | str) and len(str(value)) <= LONGEST_TEXT:
            # h5py leaves a name that is no UTF-8 as bytes.
            name = name if isinstance(name, str) else name.decode("latin-1")
            values["/" + name] = value

    file.visititems(visit)
    return values
