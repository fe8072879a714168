"""Source for HDF5 and NeXus files: Eiger masters with their data files, Lambda files, any dataset.

`raw` of the run table is the file below the raw folder, or a pattern of several (see
`scatterflow.sources.hdf5_masters`). `frames` of the source gives per detector a dataset or `auto` (see
`scatterflow.sources.hdf5_layout`); where each detector has its own file, `pattern::dataset`, the pattern as
for images with {raw} and {run}.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import FrameError, UserError, suggestion
from scatterflow.sources.base import DetectorInfo, EncodedFrames, RunLocation
from scatterflow.sources.hdf5_encoded import joined, read_encoded
from scatterflow.sources.hdf5_layout import (
    Segment,
    frame_datasets,
    segments,
    similar_datasets,
)
from scatterflow.sources.hdf5_links import (
    LinkedFiles,
    MissingFile,
    NoSuchDataset,
    OpenFiles,
    VirtualPiece,
    damage_reported,
)
from scatterflow.sources.hdf5_masters import master_files, split_reference
from scatterflow.sources.hdf5_metadata import end_time, single_values, start_time, values_and_unit
from scatterflow.sources.hdf5_storage import read_stored, storage_faults
from scatterflow.sources.own_files import OwnFiles
from scatterflow.sources.patterns import run_path
from scatterflow.sources.raw_faults import missing_file_advice, system_error, with_place
from scatterflow.sources.tables import Getter, table_path

if TYPE_CHECKING:
    import h5py

COPY_HINT = "copy it again from the detector; `missing: nan` goes on without these frames"
CORRECT_HINT = "put the file there, or correct `raw` in the run table"


class Hdf5Source(OwnFiles):
    """Frames of one run in HDF5 files; see `scatterflow.sources.base.Source`."""

    def __init__(self, location: RunLocation) -> None:
        """No file is touched. Raises UserError for a bad pattern."""
        self.location = location
        wanted = location.recipe["frames"]
        used = [name for name in wanted if not location.shapes or name in location.shapes]
        self.references = {name: split_reference(wanted[name]) for name in used}
        for pattern, _ in self.references.values():
            run_path(location, pattern)
        self._opened = OpenFiles()
        self._linked: dict[Path, LinkedFiles] = {}
        self._segments: dict[str, list[Segment]] = {}
        self._mapped: dict[tuple[Path, str], list[VirtualPiece]] = {}

    def close(self) -> None:
        """Close the files; they open again when needed."""
        self._opened.close()

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
            for path in master_files(self.location, pattern):
                start = found[-1].start + found[-1].frames if found else 0
                with self._advised(path, f"frames.{detector}", wanted) as files:
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
            masters = master_files(self.location, self.references[name][0], must_exist=False)
            if not all(path.exists() for path in masters):
                paths += masters
                continue
            for segment in self.segments(name):
                if segment.start < stop and start < segment.start + segment.frames:
                    paths += [segment.path, segment.holder, *self._virtual(segment, start, stop)]
        return list(dict.fromkeys(paths))

    def scalar_files(self) -> list[Path]:
        """The master files, those that their links lead to for scalars, and the run's table."""
        table = table_path(self.location)
        patterns = dict.fromkeys(pattern for pattern, _ in self.references.values())
        paths = [
            p
            for pattern in patterns
            for p in master_files(self.location, pattern, must_exist=False)
        ]
        for name, scalar in self.location.recipe.get("scalars", {}).items():
            if scalar["type"] == "dataset":
                paths += self._files_of_scalar(name, str(scalar["name"]))
        return list(dict.fromkeys(paths + ([table] if table else [])))

    def _scalar_getters(self) -> dict[str, Getter]:
        return {"dataset": self._scalar, **super()._scalar_getters()}

    def metadata(self) -> dict[str, Any]:
        """The single numbers and texts of the first master file, {path in the file: value}.

        start_time, end_time: as ISO 8601 with the offset from UTC, where the (last) file states them
        with a zone.
        """
        masters = master_files(self.location, next(iter(self.references.values()))[0])
        files = self._files(masters[0])
        with damage_reported(masters[0]):
            values = single_values(files.open(masters[0]))
        values |= start_time(files)
        with suppress(FrameError):  # a damaged last file is told with its frames
            values |= end_time(self._files(masters[-1]))
        return values

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

    def events(self, detector: str, start: int, stop: int) -> None:
        """None: the frames are dense."""
        return None

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
                try:
                    self._read_segment(detector, segment, low, frames[low - start : high - start])
                except FrameError:
                    raise
                except UserError as error:
                    raise with_place(
                        error, f"run {self.location.run}", f"detector {detector}"
                    ) from error
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

    def encoded(self, detector: str, start: int, stop: int) -> EncodedFrames | None:
        """Frames start..stop-1 compressed; see `Source.encoded`."""
        try:
            info = self.detectors[detector]
            parts = [
                read_encoded(
                    self._files(segment.path),
                    segment,
                    max(start, segment.start) - segment.start,
                    min(stop, segment.start + segment.frames) - segment.start,
                    info,
                )
                for segment in self.segments(detector)
                if segment.start < stop and start < segment.start + segment.frames
            ]
        except UserError:
            return None
        return joined(parts, stop - start)

    # Files

    def _files(self, path: Path) -> LinkedFiles:
        return self._linked.setdefault(path, LinkedFiles(path, self._opened))

    @contextmanager
    def _advised(
        self, path: Path, key: str, wanted: str, scalar_of: int | None = None
    ) -> Iterator[LinkedFiles]:
        # The files from a master on; errors get the configuration key, the run and what is there.
        run, key = f"run {self.location.run}", f"key {key} of the source" if key else ""
        files = self._files(path)
        try:
            yield files
        except NoSuchDataset as error:
            advice = similar_datasets(files, wanted, scalar_of)
            raise with_place(UserError(error.what, error.where, advice), run, key) from error
        except MissingFile as error:
            missing = Path(error.where)
            advice = error.how if missing.exists() else missing_file_advice(missing, CORRECT_HINT)
            raise MissingFile(error.what, f"{error.where}, {run}", advice) from error
        except UserError as error:
            raise with_place(error, run, key) from error

    def _virtual(self, segment: Segment, start: int, stop: int) -> list[Path]:
        # Source files of a virtual dataset for these frames of the run.
        if segment.missing:
            return []
        key = segment.path, segment.name
        if key not in self._mapped:
            files = self._files(segment.path)
            dataset, holder = files.dataset(segment.name)
            found = files.virtual_pieces(dataset, holder) if dataset.is_virtual else []
            self._mapped[key] = found
        first, last = start - segment.start, stop - segment.start
        return [piece.path for piece in self._mapped[key] if piece.overlaps(first, last)]

    # Frames

    def _info(self, detector: str) -> DetectorInfo:
        readable = [s for s in self.segments(detector) if not s.missing]
        if not readable:
            place = f"run {self.location.run}, detector {detector}"
            for segment in self.segments(detector):
                path = segment.holder
                how = COPY_HINT if path.exists() else missing_file_advice(path, CORRECT_HINT)
                raise FrameError(segment.missing, f"{path}, {place}", how)
            raise FrameError("the raw files hold no frames", place, COPY_HINT)
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
        if segment.missing:
            where = self._where(detector, segment.holder, low, high)
            raise FrameError(segment.missing, where, self._copy_advice(segment.holder))
        self._check_segment(detector, segment, low, high)
        files = self._files(segment.path)
        try:
            read_stored(files, segment.name, low - segment.start, out)
        except OSError as error:
            if found := system_error(error, segment.holder):
                raise found from error
            self._read_one_by_one(detector, segment, low, out)

    def _check_segment(self, detector: str, segment: Segment, low: int, high: int) -> None:
        # Raise FrameError unless the bytes of frames low..high-1 of the run are there.
        files = self._files(segment.path)
        dataset, holder = files.dataset(segment.name)
        self._check_kind(detector, dataset, self._where(detector, segment.holder, low, high))
        first = low - segment.start
        with damage_reported(holder):
            faults = storage_faults(files, dataset, holder, first, first + high - low)
        if faults:
            frame = segment.start + min(faults)
            where = self._where(detector, holder, frame, frame + 1)
            raise FrameError(faults[min(faults)], where, COPY_HINT)

    def _copy_advice(self, path: Path) -> str:
        # Under policy `nan` nobody reads it, and looking into a folder for each frame takes long.
        if self.location.recipe.get("missing", "error") == "nan" or path.exists():
            return COPY_HINT
        return missing_file_advice(path, COPY_HINT)

    def _read_one_by_one(self, detector: str, segment: Segment, low: int, out: np.ndarray) -> None:
        # After a failure: which frame is it?
        files = self._files(segment.path)
        for i in range(len(out)):
            try:
                read_stored(files, segment.name, low + i - segment.start, out[i : i + 1])
            except OSError as error:
                if found := system_error(error, segment.holder):
                    raise found from error
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

    def _files_of_scalar(self, key: str, name: str) -> list[Path]:
        # Where the dataset is, links followed; of a file that is not there, its path alone.
        pattern, dataset_name = split_reference(name)
        paths: list[Path] = []
        for path in master_files(self.location, pattern, must_exist=False):
            paths.append(path)
            if not path.exists():
                continue
            with self._advised(path, f"scalars.{key}", dataset_name, self.location.frames) as files:
                try:
                    dataset, holder = files.dataset(dataset_name)
                except MissingFile as error:
                    paths.append(Path(error.where))
                    continue
                pieces = files.virtual_pieces(dataset, holder) if dataset.is_virtual else []
                paths += [holder, *(piece.path for piece in pieces)]
        return paths

    def _scalar(self, name: str | None) -> tuple[np.ndarray, str]:
        pattern, dataset_name = split_reference(str(name))
        values, unit = [], ""
        for path in master_files(self.location, pattern):
            # `resolve_scalars` knows the key.
            with self._advised(path, "", dataset_name, self.location.frames) as files:
                value, unit = values_and_unit(files, dataset_name, self.location.frames)
            values.append(value)
        single = all(value.size == 1 for value in values)
        if single and len({value.item() for value in values}) == 1 and self.location.frames != 1:
            return values[0].reshape(()), unit
        return np.concatenate([np.atleast_1d(value) for value in values]), unit
