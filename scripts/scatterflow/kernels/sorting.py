"""Dense frames into q-map order, and their sums.

The pixels of a frame are gathered in the order of positions, piece by piece: a piece is a run of positions
of one bin. Gathering goes frame by frame, so that a frame stays in the cache while its lines are
met again in other bins; summing goes piece by piece, so that the sums do. Threads take disjoint ranges of
pieces; nothing that is computed depends on how many there are.

    rows        (raw frames, pixels) as stored, `average` of them in turn for each frame of the block
    pixels      (positions) uint32, the pixel of each position
    pieces      (pieces, 2) int64, first position and the one after the last, at most PIECE
    ok          (frames) bool; a frame that is not gives zeros and no sums
    out         (frames, positions) gathered values
    invalid     (positions) uint32, in how many frames the value was not valid, and is 0 in `out`
    piece_invalid   (pieces, frames) int64, the same by piece and frame
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled

PIECE = 4096


@compiled
def gather_counts(
    rows: np.ndarray,
    average: int,
    pixels: np.ndarray,
    pieces: np.ndarray,
    begin: int,
    end: int,
    low: np.generic,
    high: np.generic,
    lower_level: int,
    ok: np.ndarray,
    out: np.ndarray,
    invalid: np.ndarray,
    piece_invalid: np.ndarray,
) -> np.int64:
    """Gather integers of pieces begin..end-1; returns the largest sum, which `out` may be too narrow for.

    low, high: smallest and largest valid value, >= 0 and of the type of `rows`; lower_level: a value not
    above it is taken as 0.
    """
    largest = np.int64(0)
    total, gathered = np.empty(PIECE, np.int64), np.empty(PIECE, rows.dtype)
    for frame in range(out.shape[0]):
        stack = rows[frame * average : (frame + 1) * average]
        for piece in range(begin, end):
            first, last = pieces[piece, 0], pieces[piece, 1]
            if not ok[frame]:
                out[frame, first:last] = 0
                continue
            own = pixels[first:last]
            total[:] = 0
            bad = 0
            for raw in range(average):
                row = stack[raw]
                # Apart, so that what follows is done with vectors.
                for i in range(own.size):
                    gathered[i] = row[own[i]]
                for i in range(own.size):
                    value = gathered[i]
                    valid = (value >= low) & (value <= high)
                    counts = np.int64(value)
                    total[i] += counts if valid & (counts > lower_level) else 0
                    bad += not valid
            if bad:
                bad = _clear_invalid(stack, own, low, high, total, invalid[first:last])
            piece_invalid[piece, frame] = bad
            target = out[frame, first:last]
            for i in range(own.size):
                target[i] = total[i]
                largest = max(largest, total[i])
    return largest


@compiled
def gather_corrected(
    rows: np.ndarray,
    average: int,
    pixels: np.ndarray,
    pieces: np.ndarray,
    begin: int,
    end: int,
    low: np.generic,
    high: np.generic,
    dark: np.ndarray,
    level: np.ndarray,
    gain: np.ndarray,
    ok: np.ndarray,
    out: np.ndarray,
    invalid: np.ndarray,
    piece_invalid: np.ndarray,
) -> None:
    """Gather corrected values of pieces begin..end-1; see `corrected`.

    dark, level, gain: (positions) float64; NaN in any: the pixel is never valid. out: float32.
    """
    total = np.empty(PIECE, np.float64)
    for frame in range(out.shape[0]):
        stack = rows[frame * average : (frame + 1) * average]
        for piece in range(begin, end):
            first, last = pieces[piece, 0], pieces[piece, 1]
            if not ok[frame]:
                out[frame, first:last] = 0
                continue
            own = pixels[first:last]
            total[:] = 0
            for raw in range(average):
                row = stack[raw]
                for i in range(own.size):
                    at = first + i
                    total[i] += corrected(np.float64(row[own[i]]), dark[at], level[at], gain[at])
            bad = _clear_invalid(stack, own, low, high, total, invalid[first:last])
            piece_invalid[piece, frame] = bad
            for i in range(own.size):
                out[frame, first + i] = total[i]


@compiled
def _clear_invalid(
    stack: np.ndarray,
    pixels: np.ndarray,
    low: np.generic,
    high: np.generic,
    total: np.ndarray,
    invalid: np.ndarray,
) -> int:
    """Set sums with a value that is not valid, or that are NaN, to 0; returns how many there are."""
    bad = 0
    for i in range(pixels.size):
        valid = total[i] == total[i]
        for raw in range(stack.shape[0]):
            value = stack[raw, pixels[i]]
            valid &= (value >= low) & (value <= high)
        if not valid:
            total[i] = 0
            invalid[i] += np.uint32(1)
            bad += 1
    return bad


@compiled
def corrected(value: float, dark: float, level: float, gain: float) -> float:
    """max(value - dark, 0), 0 unless above the level, times gain; NaN where any of them is."""
    above = value - dark
    if above <= level or above <= 0.0:
        return 0.0 * (level + gain)
    return above * gain + 0.0 * level


@compiled
def sum_pieces(
    out: np.ndarray,
    ok: np.ndarray,
    pieces: np.ndarray,
    begin: int,
    end: int,
    image_sum: np.ndarray,
    image_squares: np.ndarray,
    piece_sums: np.ndarray,
    piece_occupied: np.ndarray,
) -> None:
    """Sums of gathered values of pieces begin..end-1.

    image_sum, image_squares: (positions) int64 or float64, added to; piece_sums: (pieces, frames) of
    the type of image_sum; piece_occupied: (pieces) int64, values that are not 0.
    """
    for piece in range(begin, end):
        first, last = pieces[piece, 0], pieces[piece, 1]
        sums, squares = image_sum[first:last], image_squares[first:last]
        # Zeros of the accumulators' types: what is added to them is of that type.
        zero, zero_squares = sums[0] * 0, squares[0] * 0
        occupied = 0
        for frame in range(out.shape[0]):
            total = zero
            if ok[frame]:
                row = out[frame, first:last]
                for i in range(row.size):
                    total += zero + row[i]
                    sums[i] += zero + row[i]
                    value = zero_squares + row[i]
                    squares[i] += value * value
                    occupied += row[i] != 0
            piece_sums[piece, frame] = total
        piece_occupied[piece] = occupied
