"""Events of many frames into lists by pixel: a counting sort in two passes, both in the cache.

Events come frame by frame. The first pass deals them out to tiles of TILE positions, in their order;
the second sorts each tile by position, where every list to be appended to is in the cache. Both are
stable, so that the frames of a pixel ascend. A direct counting sort would write each event to another
line of memory.

While events are sorted a count of 0 marks a value that is not valid; `merge_repeated` takes it out.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled
from scatterflow.kernels.sorting import corrected

TILE_BITS = 14
TILE = 1 << TILE_BITS


@compiled
def place_events(
    frame: np.ndarray,
    pixel: np.ndarray,
    frame_of_raw: np.ndarray,
    position_of_pixel: np.ndarray,
    position: np.ndarray,
    number: np.ndarray,
) -> None:
    """Position of each event, -1 for those not used; adds to number (tiles) int64 how many each tile gets.

    frame_of_raw: (raw frames) int32, -1: not used; position_of_pixel: (pixels) int32, -1: none.
    position: (events) int32.
    """
    for i in range(frame.size):
        at = np.int32(-1)
        if frame_of_raw[frame[i]] >= 0:
            at = position_of_pixel[pixel[i]]
        position[i] = at
        if at >= 0:
            number[at >> TILE_BITS] += 1


@compiled
def deal_counts(
    frame: np.ndarray,
    position: np.ndarray,
    count: np.ndarray,
    frame_of_raw: np.ndarray,
    low: int,
    high: int,
    lower_level: int,
    free: np.ndarray,
    frame_out: np.ndarray,
    place_out: np.ndarray,
    count_out: np.ndarray,
) -> None:
    """Deal events out to tiles: frame int32, place within the tile uint16, count (0: not valid).

    free: (tiles) int64, next free place of each tile, moved on. An event whose count is not above
    lower_level is left out, so that tiles may stay short of what `place_events` counted.
    """
    for i in range(frame.size):
        at = position[i]
        if at < 0:
            continue
        counts = np.int64(count[i])
        if counts < low or counts > high:
            counts = np.int64(0)
        elif counts <= lower_level:
            continue
        tile = at >> TILE_BITS
        target = free[tile]
        frame_out[target] = frame_of_raw[frame[i]]
        place_out[target] = at & (TILE - 1)
        count_out[target] = counts
        free[tile] = target + 1


@compiled
def deal_corrected(
    frame: np.ndarray,
    position: np.ndarray,
    count: np.ndarray,
    frame_of_raw: np.ndarray,
    low: int,
    high: int,
    dark: np.ndarray,
    level: np.ndarray,
    gain: np.ndarray,
    free: np.ndarray,
    frame_out: np.ndarray,
    place_out: np.ndarray,
    count_out: np.ndarray,
) -> None:
    """As `deal_counts` for corrected values (float64); dark, level, gain: (positions) float64."""
    for i in range(frame.size):
        at = position[i]
        if at < 0:
            continue
        counts = np.int64(count[i])
        value = corrected(np.float64(counts), dark[at], level[at], gain[at])
        if counts < low or counts > high or np.isnan(value):
            value = 0.0
        elif value <= 0.0:
            continue
        tile = at >> TILE_BITS
        target = free[tile]
        frame_out[target] = frame_of_raw[frame[i]]
        place_out[target] = at & (TILE - 1)
        count_out[target] = value
        free[tile] = target + 1


@compiled
def count_occupied_tiles(out: np.ndarray, positions: int, number: np.ndarray) -> None:
    """Add to number (tiles) int64 how many of out[:, :positions] are not 0."""
    for frame in range(out.shape[0]):
        for position in range(positions):
            number[position >> TILE_BITS] += out[frame, position] != 0


@compiled
def deal_frames(
    out: np.ndarray,
    positions: int,
    first: int,
    free: np.ndarray,
    frame_out: np.ndarray,
    place_out: np.ndarray,
    count_out: np.ndarray,
) -> None:
    """Deal out the values of out[:, :positions] that are not 0; first: number of its first frame."""
    for frame in range(out.shape[0]):
        for position in range(positions):
            value = out[frame, position]
            if value != 0:
                tile = position >> TILE_BITS
                target = free[tile]
                frame_out[target] = first + frame
                place_out[target] = position & (TILE - 1)
                count_out[target] = value
                free[tile] = target + 1


@compiled
def count_places(place: np.ndarray, number: np.ndarray) -> None:
    """Add to number (positions of the tile) int64 how many events each gets."""
    for i in range(place.size):
        number[place[i]] += 1


@compiled
def append_places(
    frame: np.ndarray,
    place: np.ndarray,
    count: np.ndarray,
    free: np.ndarray,
    frame_out: np.ndarray,
    count_out: np.ndarray,
) -> None:
    """Append a tile's events to the lists of its positions; free: (positions of the tile) int64, moved on."""
    for i in range(place.size):
        at = free[place[i]]
        frame_out[at] = frame[i]
        count_out[at] = count[i]
        free[place[i]] = at + 1


@compiled
def merge_repeated(
    starts: np.ndarray,
    frame: np.ndarray,
    count: np.ndarray,
    number: np.ndarray,
    invalid: np.ndarray,
    reported: int,
    invalid_of_frame: np.ndarray,
) -> tuple[int, np.int64]:
    """Add up, in place, what a pixel has more than once in a frame; leave out what is not valid.

    starts: (positions + 1) int64 of a tile, whose events are then packed from starts[0] on; number:
    (positions) int64, how many are left. Adds to invalid (positions) uint32 and, for the first `reported`
    positions, to invalid_of_frame (frames) int64. Returns the end of what is left and the largest sum,
    which `count` is to be wide enough for.
    """
    kept, largest = starts[0], np.int64(0)
    for position in range(number.size):
        i, end = starts[position], starts[position + 1]
        before = kept
        while i < end:
            total = count[i] * 0
            whole = np.int64(0)
            valid = True
            now = frame[i]
            while i < end and frame[i] == now:
                total += count[i]
                whole += np.int64(count[i])
                valid &= count[i] != 0
                i += 1
            if valid:
                frame[kept] = now
                count[kept] = total
                largest = max(largest, whole)
                kept += 1
            else:
                invalid[position] += np.uint32(1)
                invalid_of_frame[now] += position < reported
        number[position] = kept - before
    return kept, largest


@compiled
def sum_events(
    starts: np.ndarray,
    frame: np.ndarray,
    count: np.ndarray,
    first: int,
    last: int,
    sums: np.ndarray,
    image_sum: np.ndarray,
    image_squares: np.ndarray,
) -> None:
    """Sums of the events of positions first..last-1: by frame into sums (frames), by position into images."""
    zero, zero_squares = image_sum[first] * 0, image_squares[first] * 0
    for position in range(first, last):
        total, squares = zero, zero_squares
        for i in range(starts[position], starts[position + 1]):
            total += zero + count[i]
            sums[frame[i]] += zero + count[i]
            value = zero_squares + count[i]
            squares += value * value
        image_sum[position] = total
        image_squares[position] = squares
