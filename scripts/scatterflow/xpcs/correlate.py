"""Correlation of one block of pixels over all frames: exact sums per pixel, and per window of time.

Per pixel and delay G2 = sum x_s x_{s+k}, IP = sum x_s and IF = sum x_{s+k} over the pairs of samples of
which both are valid; at level l samples are sums of 2^l frames, so that means per frame are
G2 / (4^l pairs) and IP / (2^l pairs). A window of time is correlated as if it were a run of its own: both
samples of a pair lie in it, past and future each have their own sum. Of windows only the sums over static
bins are kept. Integers are exact, and the same from dense values and from events, in any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from scatterflow.kernels.lags import Lags, Schedule, schedule
from scatterflow.xpcs.blocks import Block

Window = tuple[int, int]


@dataclass(frozen=True, eq=False)
class WindowSums:
    """Sums of each window of time over the pixels of each static bin.

    start, stop: (W,) int64, frames; pairs: (W, T) int64, 0 where a window is too short for a delay; bins:
    (n,) int64, static bins that have pixels here, from 0; G2, IP, IF: (W, T, n) float64.
    """

    start: np.ndarray
    stop: np.ndarray
    pairs: np.ndarray
    bins: np.ndarray
    G2: np.ndarray
    IP: np.ndarray
    IF: np.ndarray


@dataclass(frozen=True, eq=False)
class PixelSums:
    """Sums of positions first..last-1.

    pairs: (T,) int64, valid pairs of each delay; G2, IP, IF: (T, pixels) float64; windows: None without.
    """

    first: int
    last: int
    lags: Lags
    pairs: np.ndarray
    G2: np.ndarray
    IP: np.ndarray
    IF: np.ndarray
    windows: WindowSums | None = None


def correlate_block(
    block: Block,
    valid: np.ndarray,
    scale: np.ndarray | None,
    lags: Lags,
    threads: int,
    windows: Sequence[Window] = (),
    static_of_position: np.ndarray | None = None,
) -> PixelSums:
    """Sums of a block.

    valid: (N,) bool, frames that count; what the block holds of others is left out. scale: (N,) float64,
    factors of the frames, None: 1, and all sums are integers. windows: (start, stop) frames each, with
    static_of_position: (P,), static bin of every position of the q-map, ascending within a dynamic bin.
    """
    plan = schedule(lags, valid)
    sums = _correlated(block, plan, scale, threads)
    own = None
    if windows:
        assert static_of_position is not None
        static = np.asarray(static_of_position[block.first : block.last], np.int64)
        own = _window_sums(block, valid, scale, lags, threads, windows, static)
    return PixelSums(block.first, block.last, lags, plan.pairs(), *sums, own)


def time_windows(frames: int, number: int) -> list[Window]:
    """Windows of (nearly) equal length that cover all frames; none of none, nor where one would be empty."""
    if not 0 < number <= frames:
        return []
    edges = [frames * i // number for i in range(number + 1)]
    return list(pairwise(edges))


def _correlated(
    block: Block, plan: Schedule, scale: np.ndarray | None, threads: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from scatterflow.kernels.multitau import correlate_frames
    from scatterflow.kernels.multitau_events import correlate_events

    shape = (plan.lag.size, block.pixels)
    sums = (np.empty(shape), np.empty(shape), np.empty(shape))
    if block.form == "events":
        correlate_events(block.starts, block.frame, block.count, plan, scale, sums, threads)
    else:
        correlate_frames(block.values, plan, scale, sums, threads)
    return sums


def _window_sums(
    block: Block,
    valid: np.ndarray,
    scale: np.ndarray | None,
    lags: Lags,
    threads: int,
    windows: Sequence[Window],
    static: np.ndarray,
) -> WindowSums:
    bins, first = np.unique(static, return_index=True)
    order = np.argsort(first)
    pairs = np.zeros((len(windows), lags.delay.size), np.int64)
    sums = [np.zeros((len(windows), lags.delay.size, bins.size)) for _ in range(3)]
    for w, (start, stop) in enumerate(windows):
        own = lags.cut(stop - start)
        if not own.delay.size:
            continue
        plan = schedule(own, valid[start:stop])
        kept = lags.samples < (stop - start) >> lags.level
        pairs[w, kept] = plan.pairs()
        factors = None if scale is None else np.ascontiguousarray(scale[start:stop])
        for total, pixels in zip(
            sums, _correlated(_cut(block, start, stop), plan, factors, threads), strict=True
        ):
            total[w][np.ix_(kept, order)] = np.add.reduceat(pixels, first[order], axis=1)
    start, stop = np.array(windows, np.int64).T
    return WindowSums(start, stop, pairs, bins, *sums)


def _cut(block: Block, start: int, stop: int) -> Block:
    """Frames start..stop-1 of a block, counted from 0."""
    if block.form == "frames":
        values = block.values[start:stop]
        return Block(block.first, block.last, stop - start, "frames", values=values)
    kept = (block.frame >= start) & (block.frame < stop)
    before = np.concatenate([[0], np.cumsum(kept)])
    return Block(
        block.first,
        block.last,
        stop - start,
        "events",
        starts=before[block.starts],
        frame=block.frame[kept] - np.int32(start),
        count=block.count[kept],
    )
