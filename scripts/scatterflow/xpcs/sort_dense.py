"""Dense frames of a chunk: gathered in the order of positions, summed, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from scatterflow.kernels import sorting
from scatterflow.kernels.moments import comparable
from scatterflow.progress import Progress
from scatterflow.xpcs.chunk_state import Chunk, bound_squares, note_missing
from scatterflow.xpcs.raw_blocks import RawBlock
from scatterflow.xpcs.sort_events import count_type, deal_frames
from scatterflow.xpcs.sorted_chunk import FrameReason

STORED_OCCUPANCY = 0.1
"""Fraction of values that are not 0 from which on a chunk is stored dense: an event takes five bytes."""


def sort_dense(
    chunk: Chunk, made: Iterator[RawBlock], bar: Progress, pool: ThreadPoolExecutor, threads: int
) -> None:
    """Gather and sum all blocks; keep them dense, or as events where few values are not 0."""
    edges = np.searchsorted(
        chunk.order.pieces[:, 0], np.linspace(0, len(chunk.order.pixels), 4 * threads + 1)
    )
    edges[-1] = len(chunk.order.pieces)
    ranges = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    positions = chunk.order.positions
    for block in made:
        note_missing(chunk, block)
        values = _gathered(chunk, block, ranges, pool)
        occupied = _summed(chunk, block, values, ranges, pool)
        chunk.occupied += occupied
        if occupied < STORED_OCCUPANCY * block.size * positions:
            chunk.parts.append(deal_frames(values, positions, block.first))
        else:
            chunk.dense[block.first] = [values[:, low:high].copy() for low, high in chunk.edges]
        bar.add(block.size)


def _gathered(
    chunk: Chunk, block: RawBlock, ranges: list[tuple[int, int]], pool: ThreadPoolExecutor
) -> np.ndarray:
    """The block's values by position (frames, positions); frames with nothing measured are noted."""
    own = slice(block.first, block.first + block.size)
    ok = chunk.valid[own]
    of_map = chunk.order.bins < chunk.order.static_bins
    while True:
        values, invalid, wrong, largest = _gather(chunk, block, ok, ranges, pool)
        if chunk.corrections is None and largest > np.iinfo(chunk.dtype).max:
            chunk.dtype = count_type(largest, chunk.where)
            continue
        invalid_pixels = wrong[of_map].sum(axis=0)
        nothing = ok & (invalid_pixels == chunk.order.positions)
        if nothing.any():
            ok &= ~nothing
            chunk.reason[own][nothing] |= np.uint8(FrameReason.NOTHING_MEASURED)
            continue
        chunk.invalid += invalid
        chunk.invalid_pixels[own] = invalid_pixels
        bound_squares(chunk, largest, block.size)
        return values


def _gather(
    chunk: Chunk,
    block: RawBlock,
    ok: np.ndarray,
    ranges: list[tuple[int, int]],
    pool: ThreadPoolExecutor,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Values in the chunk's type, invalid and piece_invalid of `kernels.sorting`, the largest count."""
    order, fixed, rows = chunk.order, chunk.corrections, block.rows
    assert rows is not None
    low, high = comparable(chunk.limits, rows.dtype)
    level = int(np.floor(chunk.lower_level))
    values = np.empty((block.size, len(order.pixels)), chunk.dtype)
    invalid = np.zeros(len(order.pixels), np.uint32)
    wrong = np.zeros((len(order.pieces), block.size), np.int64)
    head = rows, len(rows) // block.size, order.pixels.astype(np.uint32), order.pieces
    tail = ok, values, invalid, wrong

    def gather(part: tuple[int, int]) -> int:
        if fixed is None:
            return sorting.gather_counts(*head, *part, low, high, level, *tail)
        given = fixed.dark, fixed.level, fixed.gain
        sorting.gather_corrected(*head, *part, low, high, *given, *tail)
        return 0

    return values, invalid, wrong, max(pool.map(gather, ranges))


def _summed(
    chunk: Chunk,
    block: RawBlock,
    values: np.ndarray,
    ranges: list[tuple[int, int]],
    pool: ThreadPoolExecutor,
) -> int:
    """Add a block to all sums; returns how many values of the q-map's pixels are not 0."""
    order = chunk.order
    ok = chunk.valid[block.first : block.first + block.size]
    sums = np.zeros((len(order.pieces), block.size), chunk.image_sum.dtype)
    occupied = np.zeros(len(order.pieces), np.int64)

    def add(part: tuple[int, int]) -> None:
        sorting.sum_pieces(
            values, ok, order.pieces, *part, chunk.image_sum, chunk.image_squares, sums, occupied
        )

    list(pool.map(add, ranges))
    own = chunk.bin_sums[block.first : block.first + block.size]
    np.add.at(own.T, order.bins, sums)
    return int(occupied[order.bins < order.static_bins].sum())
