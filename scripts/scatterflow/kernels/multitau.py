"""Multi-tau correlation of dense frames: per pixel and delay, exact sums over the pairs of samples.

With x_s a sample (the sum of 2^l frames) of a pixel, and all pairs (s, s + k) of which both are valid,

    G2 = sum x_s x_{s+k},    IP = sum x_s  (the past),    IF = sum x_{s+k}  (the future).

Sixteen pixels are correlated at once while time runs through the cache: a few hundred frames are loaded,
each level is correlated with its own last samples and halved into the next (Schätzel's scheme, see
`lags`). Of a level, only as many samples are carried on as its longest delay reaches back, so that memory
does not grow with the run. A sample that has all its partners counts for all delays of its level alike, so
that IP and IF need a look at each delay only near the ends of the run and near invalid frames (`edges` of
the schedule).

Integers stay integers: products are summed as int32 where they fit (bounded by the largest count so far),
in float64 else, which is exact below 2^53.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from scatterflow.kernels.compiled import compiled
from scatterflow.kernels.lags import (
    EDGE,
    EDGE_END,
    GAP,
    GAP_END,
    LAG,
    LAG_END,
    SAMPLE,
    SAMPLE_END,
    Schedule,
)
from scatterflow.kernels.lanes import aligned_zeros
from scatterflow.kernels.multitau_lanes import (
    TOGETHER,
    add_pairs_of_rows,
    add_products,
    add_wide_products,
    clear_row,
    copy_rows,
    largest_value,
    load_rows,
)
from scatterflow.kernels.sizes import LANES

# Frames that are loaded at once: with all their levels they fill the nearest cache.
ROWS = 256
# Strips of sixteen pixels that take their turns: the bytes of a cache line of uint8 frames.
STRIPS = 4
_INT32 = 2**31 - 1
# Sums of a strip, a row a delay: products, past and future of edges; and samples that have all partners,
# a row a level.
_KINDS = 4
# Columns of the table behind those of the schedule: longest delay, first rows in the cache and in what is
# carried on, and the largest count of which the products of the level fit int32.
REACH, ROW, HISTORY, LIMIT = range(GAP_END + 1, GAP_END + 5)


def correlate_frames(
    values: np.ndarray,
    schedule: Schedule,
    scale: np.ndarray | None,
    sums: tuple[np.ndarray, np.ndarray, np.ndarray],
    threads: int,
) -> None:
    """G2, IP and IF of all pixels.

    values: (N, pixels) uint8, uint16, uint32 or float32, C-contiguous; scale: (N,) float64, factors of the
    frames, or None. sums: G2, IP, IF, (T, pixels) float64 each, written. The same for any number of threads.
    """
    pixels = values.shape[1]
    width = STRIPS * LANES
    whole = pixels // width * width
    groups = whole // width
    parts = [groups * i // threads * width for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        running = [
            pool.submit(_correlate_range, values, first, last, schedule, scale, sums)
            for first, last in pairwise(parts)
            if last > first
        ]
        for part in running:
            part.result()
    if whole < pixels:
        padded = np.zeros((values.shape[0], width), values.dtype)
        padded[:, : pixels - whole] = values[:, whole:]
        own = [np.empty((schedule.lag.size, width)) for _ in sums]
        _correlate_range(padded, 0, width, schedule, scale, own)
        for total, last_columns in zip(sums, own, strict=True):
            total[:, whole:] = last_columns[:, : pixels - whole]


def _correlate_range(
    values: np.ndarray,
    first: int,
    last: int,
    schedule: Schedule,
    scale: np.ndarray | None,
    sums: Sequence[np.ndarray],
) -> None:
    """Columns first..last - 1, whole groups of strips."""
    levels, reach = np.arange(schedule.levels), schedule.reach
    block = np.maximum(ROWS >> levels, 1)
    room = np.concatenate([[0], np.cumsum(reach + block + 1)])
    carried = np.concatenate([[0], np.cumsum(reach)])
    limit = (np.sqrt(_INT32 / block) / 2.0**levels).astype(np.int64)
    places = np.stack([reach, room[:-1], carried[:-1], limit], 1)
    integers = values.dtype.kind == "u" and scale is None and _samples_fit(values, schedule)
    kind = np.int32 if integers else np.float64
    _correlate_columns(
        values,
        first,
        last,
        np.ones(values.shape[0]) if scale is None else scale,
        np.ascontiguousarray(np.concatenate([schedule.table, places], axis=1)),
        schedule.lag,
        schedule.valid,
        schedule.edge,
        schedule.gap,
        aligned_zeros((int(room[-1]), LANES), kind),
        aligned_zeros((STRIPS * int(carried[-1]), LANES), kind),
        aligned_zeros((STRIPS * _KINDS * schedule.lag.size, LANES)),
        *sums,
    )


def _samples_fit(values: np.ndarray, schedule: Schedule) -> bool:
    """Whether the samples of the highest level fit int32."""
    most = _INT32 >> (schedule.levels - 1)
    return np.iinfo(values.dtype).max <= most or int(values.max(initial=0)) <= most


# Arrays are handed on one by one and whole, never in tuples nor as views: to count the users of an array
# takes numba longer than to add a row.


@compiled
def _correlate_columns(
    values, first, last, scale, table, lag, valid, edge, gap, rows, history, totals,
    products, past, future,
):  # fmt: skip
    frames, levels = values.shape[0], table.shape[0]
    carried, kinds = history.shape[0] // STRIPS, totals.shape[0] // STRIPS
    largest = np.empty(STRIPS, np.int64)
    edge_next = np.empty((STRIPS, levels), np.int64)
    gap_next = np.empty((STRIPS, levels), np.int64)
    for column in range(first, last, STRIPS * LANES):
        history[:] = 0
        totals[:] = 0.0
        largest[:] = 0
        for level in range(levels):
            edge_next[:, level] = table[level, EDGE]
            gap_next[:, level] = table[level, GAP]
        for start in range(0, frames, ROWS):
            stop = min(start + ROWS, frames)
            for strip in range(STRIPS):
                at = column + strip * LANES
                largest[strip] = max(largest[strip], largest_value(values, start, stop, at))
                _correlate_rows(
                    values, start, stop, at, scale, table, lag, valid, edge, gap, rows,
                    history, strip * carried, totals, strip * kinds, largest[strip],
                    edge_next, gap_next, strip,
                )  # fmt: skip
        for strip in range(STRIPS):
            _write_sums(
                totals, strip * kinds, table, lag.size, column + strip * LANES,
                products, past, future,
            )  # fmt: skip


@compiled
def _correlate_rows(
    values, start, stop, column, scale, table, lag, valid, edge, gap, rows, history, carried,
    totals, kinds, largest, edge_next, gap_next, strip,
):  # fmt: skip
    """Frames start..stop - 1 of a strip, and what they complete of every level.

    carried, kinds: rows at which the strip's history and its sums begin.
    """
    below = 0
    for level in range(table.shape[0]):
        first, last = start >> level, stop >> level
        if first == last:
            return
        reach, at, kept = table[level, REACH], table[level, ROW], carried + table[level, HISTORY]
        newest = at + reach
        copy_rows(history, kept, rows, at, reach)
        if level == 0:
            load_rows(values, first, last - first, column, scale, rows, newest)
        else:
            add_pairs_of_rows(rows, below + 2 * first, last - first, newest)
        next_gap = gap_next[strip, level]
        while next_gap < table[level, GAP_END] and gap[next_gap] < last:
            clear_row(rows, newest + gap[next_gap] - first)
            next_gap += 1
        gap_next[strip, level] = next_gap
        narrow = largest <= table[level, LIMIT]
        _add_level(rows, newest, last - first, table, lag, level, totals, kinds, narrow)
        edge_next[strip, level] = _add_singles(
            rows, newest, first, last, table, lag, valid, edge, level, totals, kinds,
            edge_next[strip, level],
        )  # fmt: skip
        copy_rows(rows, at + last - first, history, kept, reach)
        below = newest - first


@compiled
def _add_level(rows, newest, count, table, lag, level, totals, place, narrow):
    """Products of `count` new samples with those before them."""
    t, end = table[level, LAG], table[level, LAG_END]
    while t + TOGETHER <= end:
        delays = (lag[t], lag[t + 1], lag[t + 2], lag[t + 3])
        if narrow:
            add_products(rows, newest, count, totals, place + t, delays)
        else:
            add_wide_products(rows, newest, count, totals, place + t, delays)
        t += TOGETHER
    while t < end:
        add_wide_products(rows, newest, count, totals, place + t, (lag[t],))
        t += 1


@compiled
def _add_singles(rows, newest, first, last, table, lag, valid, edge, level, totals, kinds, met):
    """Sums of new samples: of those that have all partners, and of the edges for the delays that they have.

    met: edges that came before; returns it for the next samples.
    """
    past = kinds + lag.size
    future, inner = past + lag.size, past + 2 * lag.size + level
    end = table[level, EDGE_END]
    if met == end or edge[met] >= last:
        add_wide_products(rows, newest, last - first, totals, inner, ())
        return met
    begin, samples = table[level, SAMPLE], table[level, SAMPLE_END] - table[level, SAMPLE]
    for sample in range(first, last):
        row = newest + sample - first
        if met == end or edge[met] != sample:
            add_wide_products(rows, row, 1, totals, inner, ())
            continue
        met += 1
        for t in range(table[level, LAG], table[level, LAG_END]):
            later, earlier = sample + lag[t], sample - lag[t]
            if later < samples and valid[begin + later]:
                add_wide_products(rows, row, 1, totals, past + t, ())
            if earlier >= 0 and valid[begin + earlier]:
                add_wide_products(rows, row, 1, totals, future + t, ())
    return met


@compiled
def _write_sums(totals, kinds, table, delays, column, products, past, future):
    for level in range(table.shape[0]):
        inner = kinds + 3 * delays + level
        for t in range(table[level, LAG], table[level, LAG_END]):
            for lane in range(LANES):
                own = totals[inner, lane]
                products[t, column + lane] = totals[kinds + t, lane]
                past[t, column + lane] = own + totals[kinds + delays + t, lane]
                future[t, column + lane] = own + totals[kinds + 2 * delays + t, lane]
