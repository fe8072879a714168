"""One frame of a SPEC scan out of its file: an image file of one frame, or an HDF5 file.

The readers are those of the formats `images` and `hdf5`; of an HDF5 file the usual dataset is taken
(`auto`).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5 import Hdf5Source
from scatterflow.sources.image_files import UNREADABLE, most_bytes, open_image_file
from scatterflow.sources.raw_faults import system_errors_reported
from scatterflow.sources.spec_frames import HDF5_SUFFIXES, FramePlace, split_name

COPY_HINT = "copy it again from the detector, or set `missing: nan` to go on without the frame"


def count_frames(path: Path, location: RunLocation) -> int | None:
    """Number of frames in an HDF5 file; None for one that is damaged (reading it says why)."""
    try:
        with _hdf5_file(path, location, location.frames) as source:
            return source.count("frames")
    except FrameError:
        return None


class FrameReader:
    """Reads frames one by one; keeps the last HDF5 file open, for files that hold many frames."""

    def __init__(self, location: RunLocation) -> None:
        self.location = location
        self._file: tuple[Path, Hdf5Source] | None = None

    def read(self, place: FramePlace, detector: str) -> np.ndarray:
        """A frame, (rows, columns) in the stored dtype.

        Raises FrameError: missing, cut off, corrupt, or more frames than one in a file for one.
        """
        shape = self.location.shapes.get(detector)
        if split_name(place.path.name)[1] not in HDF5_SUFFIXES:
            return _read_image(place.path, shape)
        if place.index is not None:
            return self._whole_scan(place.path).read("frames", place.index, place.index + 1)[0]
        with _hdf5_file(place.path, self.location, 1) as source:
            _refuse_more_than_one(source.count("frames"), place.path)
            return source.read("frames", 0, 1)[0]

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._file is not None:
            self._file[1].close()
            self._file = None

    def _whole_scan(self, path: Path) -> Hdf5Source:
        if self._file is None or self._file[0] != path:
            if self._file is not None:
                self._file[1].close()
            self._file = (path, _hdf5_source(path, self.location, self.location.frames))
        return self._file[1]


def _hdf5_source(path: Path, location: RunLocation, frames: int) -> Hdf5Source:
    raw = str(path.relative_to(location.root))
    recipe = {"format": "hdf5", "frames": {"frames": "auto"}}
    return Hdf5Source(replace(location, raw=raw, frames=frames, recipe=recipe, shapes={}))


@contextmanager
def _hdf5_file(path: Path, location: RunLocation, frames: int):
    source = _hdf5_source(path, location, frames)
    try:
        yield source
    finally:
        source.close()


def _read_image(path: Path, shape: tuple[int, int] | None) -> np.ndarray:
    try:
        with system_errors_reported(path), open_image_file(path, most_bytes(shape)) as image:
            _refuse_more_than_one(image.frames, path)
            return image.read(0)
    except FileNotFoundError:
        raise FrameError("raw file is missing", str(path), COPY_HINT) from None
    except UNREADABLE as error:
        raise FrameError(f"raw file is not a whole image: {error}", str(path), COPY_HINT) from error


def _refuse_more_than_one(frames: int, path: Path) -> None:
    if frames != 1:
        raise UserError(
            f"the file holds {frames} frames, one expected",
            str(path),
            "a scan has one frame per point: one per file, or all in one HDF5 file",
        )
