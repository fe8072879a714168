"""A chunk's raw frames in blocks that fit into memory, dense or as events, with those that are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from scatterflow.errors import FrameError
from scatterflow.frame_range import FrameRange
from scatterflow.sources.base import Source
from scatterflow.sources.events import Events

BLOCK_BYTES = 100_000_000
EVENTS_PER_BLOCK = 4_000_000
_FIRST_EVENT_FRAMES = 16

T = TypeVar("T")


@dataclass(frozen=True)
class RawBlock:
    """Processed frames first..first + size - 1, counted from the chunk's start.

    rows: (size * average, pixels), the raw frames of each after the other, in the stored dtype; or
    `events` of the raw frames that frame_of_raw (int32, -1: not used) leads to frames of the chunk.
    ok: (size) bool, no raw frame is missing; missing: {raw frame: why}.
    """

    first: int
    size: int
    ok: np.ndarray
    missing: dict[int, str]
    rows: np.ndarray | None = None
    events: Events | None = None
    frame_of_raw: np.ndarray | None = None


def dense_blocks(
    source: Source,
    detector: str,
    frames: FrameRange,
    start: int,
    stop: int,
    skip_missing: bool,
    pool: ThreadPoolExecutor,
) -> Iterator[RawBlock]:
    """Frames start..stop-1 as rows; raises FrameError for a bad one unless skip_missing."""
    info = source.detectors[detector]
    bytes_per_frame = info.dtype.itemsize * info.shape[0] * info.shape[1] * frames.average
    size = max(1, BLOCK_BYTES // max(bytes_per_frame, 1))
    for first in range(start, stop, size):
        last = min(first + size, stop)
        raw = frames.raw_frames(first, last)
        rows, missing = _read_rows(source, detector, raw.reshape(-1), skip_missing, pool)
        yield RawBlock(
            first - start, last - first, _present(raw, missing), missing, rows.reshape(raw.size, -1)
        )


def event_blocks(
    source: Source,
    detector: str,
    frames: FrameRange,
    start: int,
    stop: int,
    skip_missing: bool,
) -> Iterator[RawBlock]:
    """Frames start..stop-1 as events; raises FrameError for a bad one unless skip_missing."""
    first, size = start, _FIRST_EVENT_FRAMES
    while first < stop:
        last = min(first + size, stop)
        raw = frames.raw_frames(first, last)
        begin, end = int(raw[0, 0]), int(raw[-1, -1]) + 1
        frame_of_raw = np.full(end - begin, -1, np.int32)
        frame_of_raw[raw - begin] = np.arange(first - start, last - start)[:, None]
        events, missing = _read_events(source, detector, begin, end, skip_missing)
        missing = {
            number: why for number, why in missing.items() if frame_of_raw[number - begin] >= 0
        }
        ok = _present(raw, missing)
        frame_of_raw[(raw - begin)[~ok]] = -1
        yield RawBlock(
            first - start, last - first, ok, missing, events=events, frame_of_raw=frame_of_raw
        )
        per_frame = max(len(events.frame) / (last - first), 1.0)
        first, size = last, max(1, min(4 * size, int(EVENTS_PER_BLOCK / per_frame)))


def read_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made while the one before is worked on."""
    nothing: Any = object()
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, items, nothing)
        while (item := coming.result()) is not nothing:
            coming = reader.submit(next, items, nothing)
            yield item


def _present(raw: np.ndarray, missing: dict[int, str]) -> np.ndarray:
    return np.logical_not(np.isin(raw, list(missing)).any(axis=1))


def _read_rows(
    source: Source, detector: str, raw: np.ndarray, skip_missing: bool, pool: ThreadPoolExecutor
) -> tuple[np.ndarray, dict[int, str]]:
    """These raw frames, and which of them are missing (their rows hold anything)."""
    first, last = int(raw[0]), int(raw[-1]) + 1
    if last - first == len(raw):
        try:
            return _decoded(source, detector, first, last, pool), {}
        except FrameError:
            if not skip_missing:
                raise
    info = source.detectors[detector]
    rows = np.zeros((len(raw), *info.shape), info.dtype)
    missing: dict[int, str] = {}

    def read_one(frame: int) -> np.ndarray:
        return source.read(detector, frame, frame + 1)[0]

    for i, frame in enumerate(raw.tolist()):
        values = _unless_missing(read_one, frame, skip_missing, missing)
        if values is not None:
            rows[i] = values
    return rows, missing


def _decoded(
    source: Source, detector: str, first: int, last: int, pool: ThreadPoolExecutor
) -> np.ndarray:
    """Consecutive frames; compressed ones are decoded by all threads."""
    encoded = source.encoded(detector, first, last)
    if encoded is not None:
        from scatterflow.sources.hdf5_decode import decode_frame

        rows = np.empty((last - first, *encoded.shape), encoded.dtype)
        numbers = range(last - first)
        if all(
            pool.map(lambda i: decode_frame(encoded.chunks[i], encoded.filters, rows[i]), numbers)
        ):
            return rows
    # Also where a chunk is damaged: reading says what is wrong with it.
    return np.ascontiguousarray(source.read(detector, first, last))


def _read_events(
    source: Source, detector: str, first: int, last: int, skip_missing: bool
) -> tuple[Events, dict[int, str]]:
    def read_one(frame: int) -> Events | None:
        return source.events(detector, frame, frame + 1)

    try:
        events = source.events(detector, first, last)
        assert events is not None
        return events, {}
    except FrameError:
        if not skip_missing:
            raise
    missing: dict[int, str] = {}
    found = {frame: _unless_missing(read_one, frame, True, missing) for frame in range(first, last)}
    there = {frame: events for frame, events in found.items() if events is not None}
    number = [np.full(len(events.frame), frame - first) for frame, events in there.items()]
    nothing = np.zeros(0, np.int64)
    return Events(
        np.concatenate([nothing, *number]),
        np.concatenate([nothing, *(events.pixel for events in there.values())]),
        np.concatenate([np.zeros(0, np.uint32), *(events.count for events in there.values())]),
    ), missing


def _unless_missing(
    read: Callable[[int], T], frame: int, skip_missing: bool, missing: dict[int, str]
) -> T | None:
    try:
        return read(frame)
    except FrameError as error:
        if not skip_missing:
            raise
        missing[frame] = f"{error.what} ({error.where})"
        return None
