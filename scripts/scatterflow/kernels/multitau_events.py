"""Multi-tau correlation of photon events: the sums of `multitau`, at a cost that goes with the photons.

The events of a pixel are its samples that are not zero, in the order of time. Level by level each is paired
with those before it up to the longest delay; then samples of the same pair of frames are merged into one
of the next level. Sums are float64: exact, and the same bits as from dense frames, below 2^53.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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

# Events that a thread takes at once: memory besides the sums stays small, and no thread waits for long.
_EVENTS_AT_ONCE = 1 << 20
# Pixels whose sums are collected before they are written: a cache line of each array.
_PIXELS = 8


def correlate_events(
    starts: np.ndarray,
    frame: np.ndarray,
    count: np.ndarray,
    schedule: Schedule,
    scale: np.ndarray | None,
    sums: tuple[np.ndarray, np.ndarray, np.ndarray],
    threads: int,
) -> None:
    """G2, IP and IF of all pixels.

    starts: (pixels + 1,) int64, where the events of a pixel begin; frame: (events,) int32, ascending within a
    pixel, each at most once; count: (events,) unsigned or float32; scale: (N,) float64, factors of the
    frames, or None. sums: G2, IP, IF, (T, pixels) float64 each, written. The same for any number of threads.
    """
    pixels = starts.size - 1
    if not pixels:
        return
    whole = np.arange(starts[0], starts[-1], _EVENTS_AT_ONCE)[1:]
    cuts = np.unique(np.concatenate([[0, pixels], np.searchsorted(starts, whole)]))
    factors = np.ones(schedule.lags.frames) if scale is None else scale
    whole_samples = _whole_samples(schedule)

    def correlate(first: int, last: int) -> None:
        most = int(np.diff(starts[first : last + 1]).max())
        _correlate_pixels(
            starts,
            first,
            last,
            frame,
            count,
            factors,
            schedule.table,
            schedule.lag,
            schedule.valid,
            whole_samples,
            np.empty(most, np.int64),
            np.empty(most),
            np.empty(int(schedule.reach.max()) + 1),
            np.empty((3, schedule.lag.size, _PIXELS)),
            *sums,
        )

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(correlate, cuts[:-1], cuts[1:]):
            pass


def _whole_samples(schedule: Schedule) -> np.ndarray:
    """Which samples have all their partners, in the order of `schedule.valid`."""
    found = schedule.valid.copy()
    edges = schedule.table[:, [EDGE, EDGE_END]]
    for level, (first, last) in enumerate(edges):
        found[schedule.table[level, SAMPLE] + schedule.edge[first:last]] = False
    return found


@compiled
def _correlate_pixels(
    starts, first, last, frame, count, scale, table, lag, valid, whole, at, value, products, kept,
    out_products, out_past, out_future,
):  # fmt: skip
    """Pixels first..last - 1; at, value: room for the samples of a pixel; products, kept: for sums."""
    for begin in range(first, last, _PIXELS):
        pixels = min(_PIXELS, last - begin)
        for i in range(pixels):
            samples = 0
            for event in range(starts[begin + i], starts[begin + i + 1]):
                at[samples] = frame[event]
                value[samples] = np.float64(count[event]) * scale[frame[event]]
                samples += 1
            for level in range(table.shape[0]):
                if level:
                    samples = _merge(at, value, samples)
                samples = _drop_invalid(at, value, samples, table, valid, level)
                _add_products(at, value, samples, table, lag, level, products, kept, i)
                _add_singles(at, value, samples, table, lag, valid, whole, level, kept, i)
        for t in range(lag.size):
            for i in range(pixels):
                out_products[t, begin + i] = kept[0, t, i]
                out_past[t, begin + i] = kept[1, t, i]
                out_future[t, begin + i] = kept[2, t, i]


@compiled
def _merge(at, value, samples):
    """Samples of the next level; returns how many."""
    merged = 0
    for k in range(samples):
        above = at[k] >> 1
        if merged and at[merged - 1] == above:
            value[merged - 1] += value[k]
        else:
            at[merged], value[merged] = above, value[k]
            merged += 1
    return merged


@compiled
def _drop_invalid(at, value, samples, table, valid, level):
    """Samples that are valid; returns how many."""
    begin, end = table[level, SAMPLE], table[level, SAMPLE_END] - table[level, SAMPLE]
    if table[level, GAP] == table[level, GAP_END]:
        while samples and at[samples - 1] >= end:
            samples -= 1
        return samples
    left = 0
    for k in range(samples):
        if at[k] < end and valid[begin + at[k]]:
            at[left], value[left] = at[k], value[k]
            left += 1
    return left


@compiled
def _add_products(at, value, samples, table, lag, level, products, kept, pixel):
    """Sums of products of a level."""
    reach = lag[table[level, LAG_END] - 1]
    products[: reach + 1] = 0.0
    for k in range(1, samples):
        newest, time = value[k], at[k]
        for j in range(k - 1, -1, -1):
            delay = time - at[j]
            if delay > reach:
                break
            products[delay] += newest * value[j]
    for t in range(table[level, LAG], table[level, LAG_END]):
        kept[0, t, pixel] = products[lag[t]]


@compiled
def _add_singles(at, value, samples, table, lag, valid, whole, level, kept, pixel):
    """Sums of the samples that have a partner after them (past) and before them (future)."""
    begin, end = table[level, SAMPLE], table[level, SAMPLE_END] - table[level, SAMPLE]
    first, last = table[level, LAG], table[level, LAG_END]
    for t in range(first, last):
        kept[1, t, pixel] = kept[2, t, pixel] = 0.0
    inner = 0.0
    for k in range(samples):
        sample = at[k]
        if whole[begin + sample]:
            inner += value[k]
            continue
        for t in range(first, last):
            later, earlier = sample + lag[t], sample - lag[t]
            if later < end and valid[begin + later]:
                kept[1, t, pixel] += value[k]
            if earlier >= 0 and valid[begin + earlier]:
                kept[2, t, pixel] += value[k]
    for t in range(first, last):
        kept[1, t, pixel] += inner
        kept[2, t, pixel] += inner
