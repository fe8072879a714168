"""Whether the bytes of a frame are really in an HDF5 file, asked before reading them.

HDF5 gives the fill value (0) for chunks that were never written and for virtual sources whose file is
missing: a frame of no counts, made up. And the bitshuffle filter believes the size that a chunk states
in its first eight bytes (https://github.com/kiyo-masui/bitshuffle, src/bshuf_h5filter.c): a damaged
one ends the whole process without a word.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scatterflow.sources.hdf5_links import (
    MOST_OPEN,
    LinkedFiles,
    MissingFile,
    VirtualPiece,
    check_depth,
)
from scatterflow.sources.raw_faults import system_errors_reported

if TYPE_CHECKING:
    import h5py

BITSHUFFLE = 32008
BITSHUFFLE_HEADER = 12  # bytes: size of the chunk (8, big-endian), size of a block (4)
NEVER_WRITTEN = "the frame was never written to the file"
DAMAGED = "the compressed frame is damaged: it states a size that is not a frame's"


def storage_faults(
    files: LinkedFiles, dataset: h5py.Dataset, holder: Path, first: int, stop: int, depth: int = 0
) -> dict[int, str]:
    """Frames of first..stop-1 of a dataset that cannot be read, and why: {frame: reason}."""
    if not dataset.is_virtual:
        with system_errors_reported(holder):
            return _stored_faults(dataset, first, stop)
    check_depth(depth, f"{holder}, {dataset.name}")
    faults = dict.fromkeys(range(first, stop), NEVER_WRITTEN)
    found: dict[int, str] = {}
    for piece in files.virtual_pieces(dataset, holder):
        if not piece.overlaps(first, stop):
            continue
        inside = piece.within(first, stop)
        frames = dict(zip(piece.sources[inside], piece.frames[inside], strict=True))
        for frame in frames.values():
            faults.pop(frame, None)
        try:
            source, inner = files.dataset(piece.dataset, piece.path)
        except MissingFile as error:
            reason = f"its source file {piece.path.name} cannot be opened: {error.what}"
            found.update(dict.fromkeys(frames.values(), reason))
            continue
        for low, high in _ranges(sorted(frames)):
            reasons = storage_faults(files, source, inner, low, high, depth + 1)
            found.update({frames[i]: reason for i, reason in reasons.items()})
    return faults | found


def read_stored(
    files: LinkedFiles, name: str, first: int, out: np.ndarray, path: Path | None = None
) -> None:
    """Read frames first..first + len(out) - 1 of a dataset into `out`, found free of faults before.

    HDF5 keeps the source files of a virtual dataset open as long as the dataset (nobody else may hold
    it), and leaves the fill value where it cannot open one more: so few at a time, and a look whether
    there was room.
    Raises OSError as h5py does; UserError: too many open files.
    """
    for low, high in _steps(_pieces(files, name, path), first, first + len(out)):
        _read_step(files, name, path, low, out[low - first : high - first])


def _read_step(
    files: LinkedFiles, name: str, path: Path | None, first: int, out: np.ndarray
) -> None:
    dataset, holder = files.dataset(name, path)
    if dataset.ndim == 2:
        dataset.read_direct(out[0])
    else:
        dataset.read_direct(out, np.s_[first : first + len(out)])
    if dataset.is_virtual:
        with system_errors_reported(holder), open(os.devnull, "rb"):
            pass


def _pieces(files: LinkedFiles, name: str, path: Path | None) -> list[VirtualPiece]:
    dataset, holder = files.dataset(name, path)
    return files.virtual_pieces(dataset, holder) if dataset.is_virtual else []


def _steps(pieces: list[VirtualPiece], first: int, stop: int) -> Iterator[tuple[int, int]]:
    # Ranges of frames that need few files each.
    inside = [piece for piece in pieces if piece.overlaps(first, stop)]
    if len({piece.path for piece in inside}) <= MOST_OPEN or stop - first == 1:
        yield first, stop
        return
    middle = (first + stop) // 2
    yield from _steps(inside, first, middle)
    yield from _steps(inside, middle, stop)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    # Ascending numbers as half-open ranges.
    breaks = [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1]
    edges = [0, *breaks, len(numbers)]
    return [(numbers[a], numbers[b - 1] + 1) for a, b in pairwise(edges)]


def _stored_faults(dataset: h5py.Dataset, first: int, stop: int) -> dict[int, str]:
    if not dataset.chunks:
        there = dataset.id.get_storage_size() > 0
        return {} if there else dict.fromkeys(range(first, stop), NEVER_WRITTEN)
    steps = [
        range(0, size, chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)
    ]
    chunk_bytes = math.prod(dataset.chunks) * dataset.dtype.itemsize
    stream = _chunk_stream(dataset)
    faults = {}
    try:
        for frame in range(first, stop):
            rows = [(frame,), *steps[1:]] if dataset.ndim == 3 else steps
            for corner in product(*rows):
                info = dataset.id.get_chunk_info_by_coord(corner)
                if info.byte_offset is None:
                    faults[frame] = NEVER_WRITTEN
                elif stream is None or info.filter_mask:
                    continue
                elif _stated_size(stream, info.byte_offset) != chunk_bytes:
                    faults[frame] = DAMAGED
    finally:
        if stream is not None:
            os.close(stream)
    return faults


def _stated_size(stream: int, offset: int) -> int | None:
    # Bytes that a bitshuffled chunk says it unpacks to; None if it lies outside the file.
    if offset + BITSHUFFLE_HEADER > os.fstat(stream).st_size:
        return None
    return int.from_bytes(os.pread(stream, 8, offset), "big")


def _chunk_stream(dataset: h5py.Dataset) -> int | None:
    # Descriptor to read chunk headers from, for bitshuffle as the last filter; else None.
    properties = dataset.id.get_create_plist()
    count = properties.get_nfilters()
    if not count or dataset.file.userblock_size:  # offsets count from behind a user block
        return None
    number, _, options, _ = properties.get_filter(count - 1)
    compresses = len(options) > 4 and options[4] != 0
    if number != BITSHUFFLE or count != 1 or not compresses:
        return None
    return os.open(dataset.file.filename, os.O_RDONLY)
