"""Which file holds which point of a SPEC scan: the CHESS layout.

The frames of scan 12 of the SPEC file `raw/sample` lie in `raw/sample_012/`, one file per point:
`sample_PIL9_012_000_004.tiff` is detector PIL9 at step 0 of the slow axis, step 4 of the fast axis.
Eiger detectors (EIG1, or `_data_` in the name) count the fast axis from 1:
`sample_EIG1_012_data_000005.h5` is step 4. HDF5 files may instead hold all points, in one file or
as an Eiger master with its data files.

A detector's name must be a whole word of the file name between `_`: PIL1 never means PIL11.
Layout as read by the scan parsers of CHESS (FMB SAXS/WAXS), which match names by substring.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from scatterflow.errors import UserError

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".nxs")
IMAGE_SUFFIXES = (".tif", ".tiff", ".cbf", ".edf")
COMPRESSED = (".gz", ".bz2")


@dataclass(frozen=True)
class FramePlace:
    """A file and the frame in it; `index` None: the file holds this frame alone."""

    path: Path
    index: int | None = None


def split_name(name: str) -> tuple[str, str]:
    """A file name as (stem, suffix in lower case without .gz or .bz2)."""
    path = Path(name)
    if path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return path.stem, path.suffix.lower()


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorting key that takes digits as numbers: f2 before f10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdigit() and p.isascii() else (1, 0, p) for p in parts]


def detector_files(folder: Path, detector: str, prefix: str) -> list[Path]:
    """Image and HDF5 files of a detector in a scan's folder, in natural order, masters included.

    detector: must be a whole `_`-separated word (or several) of the name, upper and lower case told
        apart. prefix: name of the SPEC file, left out of the comparison.
    """
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        stem, suffix = split_name(path.name)
        if path.name.startswith(".") or suffix not in HDF5_SUFFIXES + IMAGE_SUFFIXES:
            continue
        # The SPEC file may be named after a detector.
        stem = stem.removeprefix(f"{prefix}_")
        if f"_{detector}_" in f"_{stem}_":
            found.append(path)
    return sorted(found, key=lambda path: natural_key(path.name))


def place_frames(
    files: list[Path],
    detector: str,
    shape: tuple[int, ...],
    points: int,
    frames_in: Callable[[Path], int],
    where: str,
) -> list[FramePlace | None]:
    """Where the frame of each measured point is; None for a point without file.

    files: as `detector_files` gives them.
    shape: points along each axis as commanded, fastest first.
    points: number of points measured (lines in the SPEC file).
    frames_in: number of frames in an HDF5 file; asked only where it matters.

    One HDF5 file, or several that hold more than one frame each, are taken for the whole scan. If
    there are as many files as points, the files in natural order are the points in order. Otherwise
    the last numbers of each name are the steps, slow axis first. Raises UserError if names and
    points do not go together.
    """
    images = [path for path in files if not split_name(path.name)[0].endswith("_master")]
    if not images and files:
        return _whole_scan(files[:1], points, frames_in, where)
    hdf5 = bool(images) and all(split_name(p.name)[1] in HDF5_SUFFIXES for p in images)
    if hdf5 and points > 1 and frames_in(images[0]) > 1:
        return _whole_scan(images, points, frames_in, where)
    commanded = int(np.prod(shape))
    if len(images) in (points, commanded) and _numbers_run_on(images, shape):
        return [FramePlace(path) for path in images[:points]]
    return _by_steps(images, detector, shape, points, where)


def _whole_scan(
    files: list[Path], points: int, frames_in: Callable[[Path], int], where: str
) -> list[FramePlace | None]:
    places = [FramePlace(path, i) for path in files for i in range(frames_in(path))]
    if len(places) > points:
        raise UserError(
            f"the HDF5 files hold {len(places)} frames, the scan has {points} points",
            f"{where}, {files[0]}",
            "is this another scan's file, or has the scan more than one frame per point?",
        )
    return places + [None] * (points - len(places))


def _numbers_run_on(images: list[Path], shape: tuple[int, ...]) -> bool:
    """Whether the names number the points without gap: as steps of the grid, or one by one."""
    steps = [trailing_numbers(path.name, len(shape)) for path in images]
    if all(step is None for step in steps):
        return all(trailing_numbers(path.name, 1) is None for path in images)  # not numbered at all
    if None not in steps and len(shape) > 1:
        # Counted from the first name's numbers, so that names that count from 1 are right as well.
        first = np.array(steps[0])
        grid = np.stack(np.unravel_index(np.arange(len(steps)), shape[::-1]), axis=1)
        if np.array_equal(np.array(steps) - first, grid):
            return True
    last = [trailing_numbers(path.name, 1) for path in images]
    return all(a and b and b[0] - a[0] == 1 for a, b in pairwise(last))


def _by_steps(
    images: list[Path], detector: str, shape: tuple[int, ...], points: int, where: str
) -> list[FramePlace | None]:
    places: dict[int, FramePlace] = {}
    for path in images:
        steps = trailing_numbers(path.name, len(shape))
        if steps is None:
            raise UserError(
                f"{len(images)} files of detector {detector} for {points} points, and the names "
                f"do not end in {len(shape)} step number{'s' * (len(shape) > 1)}",
                f"{where}, {path}",
                "complete the files, or name them as the scan macros do (..._000_004.tiff)",
            )
        from_one = detector.startswith("EIG") or "_data_" in split_name(path.name)[0]
        steps = (*steps[:-1], steps[-1] - from_one)
        if not all(0 <= step < count for step, count in zip(steps, shape[::-1], strict=True)):
            raise UserError(
                f"{len(images)} files of detector {detector} for {points} points, and this one's "
                f"step {steps} is outside the scan's {' x '.join(map(str, shape[::-1]))} points",
                f"{where}, {path}",
                "a file is missing and the numbering does not tell which, or this file is not of "
                "this scan: move it away",
            )
        point = int(np.ravel_multi_index(steps, shape[::-1]))
        if point in places:
            raise UserError(
                f"two files for point {point} of detector {detector}",
                f"{where}, {places[point].path} and {path.name}",
                "move one of them away",
            )
        places[point] = FramePlace(path)
    return [places.get(point) for point in range(points)]


def trailing_numbers(name: str, count: int) -> tuple[int, ...] | None:
    """The last `count` `_`-separated words of a file name's stem as integers, `_data_` left out.

    None if they are not all integers, or if nothing would be left of the name.
    """
    words = split_name(name)[0].replace("_data_", "_").split("_")
    last = words[-count:]
    if len(words) <= count or not all(word.isdigit() and word.isascii() for word in last):
        return None
    return tuple(int(word) for word in last)
