"""Frames as lists of events: which pixel counted how many photons in which frame.

The form of sparse detectors (Rigaku, UFXC, Timepix4, sparse IMM): most pixels of most frames count
nothing, so only those that do are listed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError

COUNT_DTYPE = np.dtype(np.uint32)


@dataclass(frozen=True)
class Events:
    """What was counted in a range of frames, start..stop-1.

    frame: (n,) int64, counted from `start` = 0; pixel: (n,) int64, flat row-major index;
    count: (n,) uint32, never 0. Sorted by frame, then pixel; each (frame, pixel) once.
    """

    frame: np.ndarray
    pixel: np.ndarray
    count: np.ndarray


def gathered(frame: np.ndarray, pixel: np.ndarray, count: np.ndarray, pixels: int) -> Events:
    """Events in any order, sorted; those of one pixel in one frame added up, counts of 0 left out.

    frame, pixel, count: (n,) integers >= 0; pixels: of the detector, all `pixel` are less.
    Raises UserError: a sum that uint32 does not hold.
    """
    frame, pixel = np.asarray(frame, np.int64), np.asarray(pixel, np.int64)
    count = np.asarray(count)
    key = frame * pixels + pixel
    if np.any(key[1:] <= key[:-1]):
        order = np.argsort(key, kind="stable")
        key, count = key[order], count[order]
        first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        key, count = key[first], np.add.reduceat(count, first, dtype=np.int64)
        frame, pixel = np.divmod(key, pixels)
    if count.size and count.max() > np.iinfo(COUNT_DTYPE).max:
        raise UserError(
            f"a pixel counts {count.max()} in one frame", "", "no detector counts so far: damaged?"
        )
    if not count.all():
        lit = count != 0
        frame, pixel, count = frame[lit], pixel[lit], count[lit]
    return Events(frame, pixel, count.astype(COUNT_DTYPE, copy=False))


def sparse_events(frames: np.ndarray) -> Events:
    """The events of dense frames (n, rows, columns) of integers >= 0."""
    frames = np.asarray(frames)
    pixels = frames.shape[1] * frames.shape[2]
    flat = frames.reshape(len(frames), pixels)
    frame, pixel = np.nonzero(flat)
    return gathered(frame, pixel, flat[frame, pixel], pixels)


def dense_frames(
    events: Events, frames: int, shape: tuple[int, int], dtype: np.dtype = COUNT_DTYPE
) -> np.ndarray:
    """Events as frames (frames, rows, columns) of `dtype`.

    Raises UserError: a count that `dtype` does not hold.
    """
    dtype = np.dtype(dtype)
    dense = np.zeros((frames, *shape), dtype)
    most = int(events.count.max(initial=0))
    if dtype.kind in "iu" and most > np.iinfo(dtype).max:
        raise UserError(
            f"a count of {most} does not fit pixels of type {dtype}", "", "use a wider type"
        )
    dense.reshape(frames, shape[0] * shape[1])[events.frame, events.pixel] = events.count
    return dense


def frame_range(events: Events, start: int, stop: int) -> Events:
    """Those of frames start..stop-1, counted from `start` = 0."""
    first, last = np.searchsorted(events.frame, [start, stop])
    part = slice(first, last)
    return Events(events.frame[part] - start, events.pixel[part], events.count[part])
