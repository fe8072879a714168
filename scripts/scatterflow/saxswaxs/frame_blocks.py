"""A run's frames in blocks, as they are integrated: compressed where that can be done, else as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scatterflow.errors import FrameError
from scatterflow.sources.base import EncodedFrames, Source


@dataclass(frozen=True)
class Block:
    """Frames first..first + size - 1 of a detector.

    present: (size) bool; frames: those that are present, in the stored dtype, or `encoded`: all of them,
    compressed; missing: {frame: why}.
    """

    first: int
    size: int
    present: np.ndarray
    frames: np.ndarray | None
    encoded: EncodedFrames | None
    missing: dict[int, str]


def frame_blocks(
    source: Source, detector: str, start: int, stop: int, size: int, skip_missing: bool
) -> Iterator[Block]:
    """Frames start..stop-1 in blocks of `size`; raises FrameError for a bad one unless skip_missing."""
    for first in range(start, stop, size):
        last = min(first + size, stop)
        encoded = source.encoded(detector, first, last)
        if encoded is None:
            yield read_block(source, detector, first, last, skip_missing)
        else:
            present = np.ones(last - first, dtype=bool)
            yield Block(first, last - first, present, None, encoded, {})


def read_block(source: Source, detector: str, first: int, last: int, skip_missing: bool) -> Block:
    """Frames first..last-1, read as arrays."""
    present = np.ones(last - first, dtype=bool)
    try:
        frames = np.ascontiguousarray(source.read(detector, first, last))
        return Block(first, last - first, present, frames, None, {})
    except FrameError:
        if not skip_missing:
            raise
    info = source.detectors[detector]
    frames = np.empty((last - first, *info.shape), dtype=info.dtype)
    missing: dict[int, str] = {}
    for frame in range(first, last):
        try:
            frames[frame - first - len(missing)] = source.read(detector, frame, frame + 1)[0]
        except FrameError as error:
            missing[frame] = f"{error.what} ({error.where})"
            present[frame - first] = False
    return Block(first, last - first, present, frames[: present.sum()], None, missing)
