"""Which file holds which point of a SPEC scan: the CHESS layout.

The frames of scan 12 of the SPEC file `raw/sample` lie in `raw/sample_012/`, one file per point:
`sample_PIL9_012_000_004.tiff` is detector PIL9 at step 0 of the slow axis, step 4 of the fast axis.
Eiger detectors (EIG1, or `_data_` in the name) count the fast axis from 1:
`sample_EIG1_012_data_000005.h5` is step 4. HDF5 files may instead hold many points each, in one
file or as an Eiger master with its data files: see `spec_stacks`.

A detector's name must be a whole word of the file name between `_`: PIL1 never means PIL11.
Layout as read by the scan parsers of CHESS (FMB SAXS/WAXS), which match names by substring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from pathlib import Path

import numpy as np

from scatterflow.errors import UserError
from scatterflow.names import natural_key
from scatterflow.sources.spec_stacks import place_stacks

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".nxs")
IMAGE_SUFFIXES = (".tif", ".tiff", ".cbf", ".edf")
COMPRESSED = (".gz", ".bz2")


@dataclass(frozen=True)
class FramePlace:
    """A file and the frame in it; `index` None: the file holds this frame alone."""

    path: Path
    index: int | None = None


@dataclass(frozen=True)
class ScanLayout:
    """What the SPEC file says that tells where a scan's frames are.

    prefix: name of the SPEC file. number: of the scan.
    shape: points along each axis as commanded, fastest first.
    points: number of points measured.
    """

    prefix: str
    number: int
    shape: tuple[int, ...]
    points: int

    @property
    def commanded(self) -> int:
        """Number of points asked for."""
        return int(np.prod(self.shape, dtype=np.int64))


def split_name(name: str) -> tuple[str, str]:
    """A file name as (stem, suffix in lower case without .gz or .bz2)."""
    path = Path(name)
    if path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return path.stem, path.suffix.lower()


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
    layout: ScanLayout,
    frames_in: Callable[[Path], int | None],
    where: str,
) -> list[FramePlace | None]:
    """Where the frame of each measured point is; None for a point without file.

    files: as `detector_files` gives them.
    frames_in: number of frames in an HDF5 file, None if it cannot be read; asked only where it
        matters.

    HDF5 files of more than one frame are placed by `place_stacks`. Of files of one frame each, as
    many as points and numbered without gap, the files in natural order are the points in order.
    Otherwise the last numbers of each name are the steps, slow axis first. Raises UserError if
    names and points do not go together.
    """
    images = [path for path in files if not split_name(path.name)[0].endswith("_master")] or files
    numbers = file_numbers(images, detector, layout)
    if all(len(number) == 1 for number in numbers):
        layout = replace(layout, shape=(layout.commanded,))  # the points are counted one by one
    if all(split_name(path.name)[1] in HDF5_SUFFIXES for path in images):
        places = _in_stacks(images, detector, numbers, layout, frames_in, where)
        if places is not None:
            return places
    as_many = len(images) in (layout.points, layout.commanded)
    if as_many and _numbers_run_on(numbers, layout, _counts_from_one(images[0], detector)):
        return [FramePlace(path) for path in images[: layout.points]]
    return _by_steps(images, detector, layout, where)


def file_numbers(images: list[Path], detector: str, layout: ScanLayout) -> list[tuple[int, ...]]:
    """Per file the numbers at the end of its name, after the detector's name; () for none.

    The scan's own number is left out, where all names carry it.
    """
    found = []
    for path in images:
        stem = split_name(path.name)[0].removeprefix(f"{layout.prefix}_")
        words = f"_{stem}_".split(f"_{detector}_", 1)[1].split("_")
        words = [word for word in words if word not in ("", "data", "master")]
        last = list(takewhile(_is_number, reversed(words)))
        found.append(tuple(int(word) for word in reversed(last)))
    if all(numbers[:1] == (layout.number,) for numbers in found):
        return [numbers[1:] for numbers in found]
    return found


def _is_number(word: str) -> bool:
    return word.isdigit() and word.isascii()


def _counts_from_one(path: Path, detector: str) -> bool:
    return detector.startswith("EIG") or "_data_" in split_name(path.name)[0]


def _in_stacks(
    images: list[Path],
    detector: str,
    numbers: list[tuple[int, ...]],
    layout: ScanLayout,
    frames_in: Callable[[Path], int | None],
    where: str,
) -> list[FramePlace | None] | None:
    """The places in HDF5 files of many frames; None if each file holds one frame."""
    points = layout.points
    # The first file that can be read tells: all of ten thousand files need not be opened.
    first, held = 0, frames_in(images[0])
    while held is None and first < len(images) - 1:
        first += 1
        held = frames_in(images[first])
    if held is None:
        # Reading says why not. Fewer files than points must hold more than one frame each.
        return [FramePlace(images[0], i) for i in range(points)] if len(images) < points else None
    # One frame in the last file may be the rest of the scan, if the full files cannot be read.
    rest = first == len(images) - 1 and len(layout.shape) == 1 and len(images) < points
    if points == 1 or (held <= 1 and not rest):
        return None
    counts = [frames_in(path) if i > first else None for i, path in enumerate(images)]
    counts[first] = held
    from_one = _counts_from_one(images[0], detector)
    found = place_stacks(images, counts, numbers, from_one, points, layout.commanded, where)
    return [FramePlace(*place) if place else None for place in found]


def _numbers_run_on(numbers: list[tuple[int, ...]], layout: ScanLayout, from_one: bool) -> bool:
    """Whether names number the points without gap, as steps of the grid, and begin with point 0."""
    shape = layout.shape
    if not any(numbers):
        return True  # not numbered at all
    steps = [number[-len(shape) :] for number in numbers]
    if all(len(step) == len(shape) for step in steps):
        # Counted from the first name's numbers, so that names that count from 1 are right as well.
        grid = np.stack(np.unravel_index(np.arange(len(steps)), shape[::-1]), axis=1)
        if np.array_equal(np.array(steps) - np.array(steps[0]), grid):
            return _begins_with_point_0(steps, layout, from_one)
    last = [number[-1:] for number in numbers]
    if all(a and b and b[0] - a[0] == 1 for a, b in pairwise(last)):
        through = replace(layout, shape=(layout.commanded,))
        return _begins_with_point_0(last, through, from_one)
    return False


def _begins_with_point_0(steps: list[tuple[int, ...]], layout: ScanLayout, from_one: bool) -> bool:
    """Whether the first of these steps without gap is that of point 0.

    Of an aborted scan the detector may be ahead: points 1 to 4 are as many as points 0 to 3.
    """
    expected = (0,) * (len(steps[0]) - 1) + (int(from_one),)
    if len(steps) == layout.commanded:
        return True  # all that there can be
    if all(step in (0, start) for step, start in zip(steps[0], expected, strict=True)):
        return True
    # Names that count from 1 where they should from 0 are known by steps beyond the grid's.
    beyond = np.array(steps) - expected >= layout.shape[::-1]
    return bool(max(steps[0]) <= 1 and beyond.any())


def _by_steps(
    images: list[Path], detector: str, layout: ScanLayout, where: str
) -> list[FramePlace | None]:
    shape, points = layout.shape, layout.points
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
        steps = (*steps[:-1], steps[-1] - _counts_from_one(path, detector))
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
    if len(words) <= count or not all(map(_is_number, last)):
        return None
    return tuple(int(word) for word in last)
