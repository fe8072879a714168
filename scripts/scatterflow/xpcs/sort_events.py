"""The events of a chunk of frames, sorted by position: dealt out to tiles as they come, then tile by tile.

Memory: seven bytes an event of up to 255 counts while they come, and five more for the lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels import event_sorting
from scatterflow.kernels.event_sorting import TILE
from scatterflow.sources.events import Events
from scatterflow.xpcs.preprocess import Corrections

COUNT_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32))


@dataclass(frozen=True)
class EventPart:
    """Events of some frames, dealt out to tiles: those of tile t are begin[t]..end[t]-1 of the arrays.

    frame: (n,) int32, counted from the chunk's first; place: (n,) uint16, position within the tile; count:
    (n,) of one of COUNT_TYPES, or float64; 0 marks a value that is not valid.
    """

    begin: np.ndarray
    end: np.ndarray
    frame: np.ndarray
    place: np.ndarray
    count: np.ndarray


@dataclass(frozen=True)
class SortedEvents:
    """Events by position: starts (positions + 1) int64, frame int32, count; and what was not valid.

    invalid: (positions) uint32, frames in which the pixel measured nothing; invalid_pixels: (frames)
    int64, how many of the q-map's did so. largest: the largest count.
    """

    starts: np.ndarray
    frame: np.ndarray
    count: np.ndarray
    invalid: np.ndarray
    invalid_pixels: np.ndarray
    largest: int


def count_type(largest: int, where: str = "") -> np.dtype:
    """The smallest type that holds this many counts. Raises UserError if none does."""
    for dtype in COUNT_TYPES:
        if largest <= np.iinfo(dtype).max:
            return dtype
    raise UserError(
        f"a pixel counts {largest} in one frame, more than {np.iinfo(np.uint32).max}",
        where,
        "average fewer frames, or give the detector's valid range: its largest values may be marks",
    )


def check_zeros(low: float, given: Corrections | None, where: str) -> None:
    """Raise UserError if pixels without an event, which are not listed, would not count 0."""
    if low > 0:
        raise UserError(
            f"the valid range begins at {low}, but the raw files list only what counted: all else is 0",
            where,
            "set detectors.NAME.valid.minimum to 0; preprocessing.lower_level drops small counts",
        )
    if given is not None and (given.dark < 0).any():
        raise UserError(
            "the dark image has negative values, but the raw files list only what counted",
            where,
            "leave out the dark image: such detectors count no dark",
        )


def deal_events(
    events: Events,
    frame_of_raw: np.ndarray,
    position_of_pixel: np.ndarray,
    tiles: int,
    limits: tuple[int, int],
    lower_level: float,
    corrections: Corrections | None,
) -> EventPart:
    """Events of raw frames, preprocessed; corrections: None where counts stay integers.

    frame_of_raw: (raw frames) int32, frame of the chunk, -1: not used; position_of_pixel: (pixels) int32.
    """
    position = np.empty(len(events.frame), np.int32)
    number = np.zeros(tiles, np.int64)
    event_sorting.place_events(
        events.frame, events.pixel, frame_of_raw, position_of_pixel, position, number
    )
    low, high = limits
    if corrections is None:
        largest = min(int(events.count.max(initial=0)), high)
        part = _empty_part(number, count_type(largest))
        event_sorting.deal_counts(
            events.frame,
            position,
            events.count,
            frame_of_raw,
            low,
            high,
            int(np.floor(lower_level)),
            part.end,
            part.frame,
            part.place,
            part.count,
        )
        return part
    part = _empty_part(number, np.dtype(np.float64))
    event_sorting.deal_corrected(
        events.frame,
        position,
        events.count,
        frame_of_raw,
        low,
        high,
        corrections.dark,
        corrections.level,
        corrections.gain,
        part.end,
        part.frame,
        part.place,
        part.count,
    )
    return part


def deal_frames(values: np.ndarray, positions: int, first: int) -> EventPart:
    """The values of dense frames (frames, at least `positions`) that are not 0; first: number of frame 0."""
    number = np.zeros(tiles_of(positions), np.int64)
    event_sorting.count_occupied_tiles(values, positions, number)
    part = _empty_part(number, values.dtype)
    event_sorting.deal_frames(
        values, positions, first, part.end, part.frame, part.place, part.count
    )
    return part


def tiles_of(positions: int) -> int:
    """Number of tiles of so many positions."""
    return -(-positions // TILE)


def _empty_part(number: np.ndarray, dtype: np.dtype) -> EventPart:
    begin = np.cumsum(number) - number
    total = int(number.sum())
    return EventPart(
        begin,
        begin.copy(),
        np.empty(total, np.int32),
        np.empty(total, np.uint16),
        np.empty(total, dtype),
    )


def sort_parts(
    parts: Sequence[EventPart],
    positions: int,
    of_map: int,
    frames: int,
    dtype: np.dtype,
    pool: ThreadPoolExecutor,
) -> SortedEvents:
    """All parts, in the order of their frames, as lists by position.

    of_map: how many positions are the q-map's; dtype: of the counts while those of one pixel and frame are
    added up.
    """
    tiles = tiles_of(positions)
    number = np.zeros(tiles, np.int64)
    for part in parts:
        number += part.end - part.begin
    begin = np.cumsum(number) - number
    total = int(number.sum())
    frame, count = np.empty(total, np.int32), np.empty(total, dtype)
    invalid = np.zeros(positions, np.uint32)
    left = np.zeros(positions, np.int64)

    def sort_tile(tile: int) -> tuple[int, int, np.ndarray]:
        own = slice(tile * TILE, min((tile + 1) * TILE, positions))
        ranges = [(part, slice(part.begin[tile], part.end[tile])) for part in parts]
        for part, here in ranges:
            event_sorting.count_places(part.place[here], left[own])
        starts = begin[tile] + np.concatenate([[0], np.cumsum(left[own])])
        free = starts[:-1].copy()
        for part, here in ranges:
            event_sorting.append_places(
                part.frame[here], part.place[here], part.count[here], free, frame, count
            )
        wrong = np.zeros(frames, np.int64)
        end, largest = event_sorting.merge_repeated(
            starts, frame, count, left[own], invalid[own], of_map - tile * TILE, wrong
        )
        return end, largest, wrong

    done, largest, invalid_pixels = 0, 0, np.zeros(frames, np.int64)
    for first, (end, most, wrong) in zip(
        begin.tolist(), pool.map(sort_tile, range(tiles)), strict=True
    ):
        if done < first:
            frame[done : done + end - first] = frame[first:end]
            count[done : done + end - first] = count[first:end]
        done += end - first
        largest = max(largest, most)
        invalid_pixels += wrong
    return SortedEvents(
        np.concatenate([[0], np.cumsum(left)]),
        frame[:done],
        count[:done],
        invalid,
        invalid_pixels,
        largest,
    )
