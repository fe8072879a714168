"""Which point of a SPEC scan is which frame of HDF5 files that hold many frames each.

A detector fills its files equally, the last one with the rest, and numbers them: Eiger from 1
(`sample_EIG1_012_data_000002.h5`), others from 0 or 1; in a mesh there may be one file per row. So
a frame's place follows from its file's number and the number of frames in the other files, also
where some files are lost or cannot be read:

    point = (number - first number) * frames per file + index in the file

Where that leaves a choice, the files are refused: a frame must not move to another point.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scatterflow.errors import UserError

# Per file the first of its frames and how many they are.
Spans = list[tuple[int, int]]


def place_stacks(
    files: Sequence[Path],
    counts: Sequence[int | None],
    numbers: Sequence[tuple[int, ...]],
    from_one: bool,
    points: int,
    commanded: int,
    where: str,
) -> list[tuple[Path, int] | None]:
    """Per measured point (file, index in it); None for a point without file.

    files: in natural order. counts: frames in each; None: cannot be read. At least one can.
    numbers: the numbers at the end of each name, without the scan's. from_one: this detector counts
    its files from 1. points, commanded: number of points measured, and asked for.

    Raises UserError: more frames than points; frames are lost and nothing tells which.
    """
    known = sum(count or 0 for count in counts)
    if known > points:
        raise UserError(
            f"the HDF5 files hold {known} frames, the scan has {points} points",
            f"{where}, {files[0]}",
            "is this another scan's file, or has the scan more than one frame per point?",
        )
    order = _file_order(numbers, from_one)
    spans = _by_number(order, counts, from_one, points, commanded)
    if None not in counts and known == points and (points == commanded or order is None):
        spans = _one_after_the_other(counts)  # nothing is lost
    if spans is None:
        raise UserError(
            f"{len(files)} HDF5 files with {known} readable frames for {points} points, and "
            "neither the numbers in their names nor their lengths tell which points are missing",
            f"{where}, {files[0]}",
            "put the missing or damaged files back, copied again from the detector",
        )
    places: list[tuple[Path, int] | None] = [None] * points
    for path, (start, count) in zip(files, spans, strict=True):
        for i in range(min(count, points - start)):
            places[start + i] = (path, i)
    return places


def _file_order(numbers: Sequence[tuple[int, ...]], from_one: bool) -> list[int] | None:
    """What counts the files, strictly rising; None: the names do not tell.

    One number counts the files. Of two, (row, file in the row), the row does if each has one file,
    the file does if there is one row.
    """
    if len(numbers) == 1 and not numbers[0]:
        return [int(from_one)]  # one file without number: the first
    if {len(number) for number in numbers} == {1}:
        order = [number[0] for number in numbers]
    elif {len(number) for number in numbers} != {2}:
        return None
    elif {number[0] for number in numbers} == {0}:
        order = [number[1] for number in numbers]
    elif {number[1] for number in numbers} == {int(from_one)}:
        order = [number[0] + from_one for number in numbers]  # rows count from 0
    else:
        return None
    return order if order == sorted(set(order)) else None


def _one_after_the_other(counts: Sequence[int | None]) -> Spans:
    spans, start = [], 0
    for count in counts:
        spans.append((start, count or 0))
        start += count or 0
    return spans


def _by_number(
    order: list[int] | None,
    counts: Sequence[int | None],
    from_one: bool,
    points: int,
    commanded: int,
) -> Spans | None:
    """The one way to place the files that fits the scan; None if there is none or a choice."""
    if order is None:
        return None
    # A file 0 says that files count from 0; else Eiger files count from 1, others from 0 or 1.
    firsts = [0] if order[0] == 0 else [1] if from_one else [0, 1]
    found: list[Spans] = []
    for first in firsts:
        steps = [number - first for number in order]
        for size in _frames_per_file(steps, counts, points):
            spans = _spans(steps, counts, size, commanded)
            if spans is not None and spans not in found:
                found.append(spans)
    return found[0] if len(found) == 1 else None


def _frames_per_file(
    steps: list[int], counts: Sequence[int | None], points: int
) -> list[int | None]:
    """Possible numbers of frames in a full file; None: files of different numbers of frames."""
    full = {count for count in counts[:-1] if count is not None}
    if full:
        return [full.pop()] if len(full) == 1 else [None]
    # All but the last cannot be read. It is full as well, or it holds the rest of the scan.
    rest = counts[-1] or 0
    sizes: list[int | None] = [rest]
    if steps[-1] > 0 and (points - rest) % steps[-1] == 0 and points - rest > rest * steps[-1]:
        sizes.append((points - rest) // steps[-1])
    return sizes


def _spans(
    steps: list[int], counts: Sequence[int | None], size: int | None, commanded: int
) -> Spans | None:
    """First frame and number of frames of each file; None if they do not fit the scan.

    size: frames in a full file; None: as many as each has, which takes all files.
    """
    if size is None:
        if steps != list(range(len(steps))) or None in counts[:-1]:
            return None
        starts = [start for start, _ in _one_after_the_other(counts)]
        size = commanded
    else:
        starts = [step * size for step in steps]
    spans = []
    for start, count in zip(starts, counts, strict=True):
        # Of a file that cannot be read the frames are placed, too: reading them says why not.
        held = min(size, commanded - start) if count is None else count
        if held > size or held < 0 or start + held > commanded:
            return None
        spans.append((start, held))
    return spans
