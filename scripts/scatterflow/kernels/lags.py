"""Which delays are correlated, and which pairs of samples each of them has.

Multi-tau (Schätzel, Drewel and Stimac, J. Mod. Opt. 35 (1988) 711): with d delays per level, delays are
1, 2, ... 2d frames at level 0 and (d + 1, ... 2d) 2^l at level l, where samples are sums of 2^l frames. A
level has floor(N / 2^l) samples; a delay is kept as long as it has at least one pair. Linear and
logarithmic delays are all of level 0: no frames are summed.

A sample is invalid if any of its frames is, and so is a pair if any of its two samples is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError

LINEAR_DELAYS = 100
"""Linear delays, if no longest one is asked for."""


@dataclass(frozen=True)
class Lags:
    """Delays, by level and ascending within it.

    frames: N of the run; level: (T,) int64; delay: (T,) int64, frames, a multiple of 2**level.
    """

    frames: int
    level: np.ndarray
    delay: np.ndarray

    @property
    def samples(self) -> np.ndarray:
        """Delays in samples of their level, (T,) int64."""
        return self.delay >> self.level

    def cut(self, frames: int) -> Lags:
        """The same delays for a run of fewer frames: those that have a pair; perhaps none."""
        kept = self.samples < frames >> self.level
        return Lags(frames, self.level[kept], self.delay[kept])


def multitau_lags(frames: int, delays_per_level: int, most_delay: int | None = None) -> Lags:
    """Delays of multi-tau for a run of `frames` frames, up to most_delay frames (None: all there are).

    Raises UserError if there is none.
    """
    _check_delays_per_level(delays_per_level)
    level, delay = [], []
    for number in range(max(frames, 1).bit_length()):
        first = 1 if number == 0 else delays_per_level + 1
        for sample in range(first, min(2 * delays_per_level + 1, frames >> number)):
            level.append(number)
            delay.append(sample << number)
    return _kept(frames, level, delay, most_delay)


def linear_lags(frames: int, most_delay: int | None = None) -> Lags:
    """Every delay from 1 frame on. Raises UserError if there is none."""
    delay = np.arange(1, frames)
    return _kept(frames, np.zeros_like(delay), delay, most_delay)


def log_lags(frames: int, delays_per_level: int, most_delay: int | None = None) -> Lags:
    """Delays 2^(i / delays_per_level), rounded to frames, each once. Raises UserError if there is none."""
    _check_delays_per_level(delays_per_level)
    powers = np.arange(delays_per_level * max(frames, 1).bit_length())
    delay = np.unique(np.rint(2.0 ** (powers / delays_per_level)).astype(np.int64))
    delay = delay[delay < frames]
    return _kept(frames, np.zeros_like(delay), delay, most_delay)


def chosen_lags(settings: Mapping[str, Any], frames: int) -> Lags:
    """The delays that a configuration asks for: lags (multitau, linear or log), delays_per_level, most_delay.

    Raises UserError if there is none.
    """
    most = settings["most_delay"]
    if settings["lags"] == "linear":
        return linear_lags(frames, LINEAR_DELAYS if most is None else most)
    make = {"multitau": multitau_lags, "log": log_lags}[settings["lags"]]
    return make(frames, settings["delays_per_level"], most)


def _check_delays_per_level(number: int) -> None:
    if number < 1:
        raise UserError(
            f"{number} delays per level",
            "key multitau.delays_per_level",
            "give a whole number from 1 on; 4 is usual",
        )


def _kept(frames: int, level: object, delay: object, most_delay: int | None) -> Lags:
    levels, delays = np.asarray(level, np.int64), np.asarray(delay, np.int64)
    if not delays.size:
        raise UserError(
            f"{frames} frame{'s' * (frames != 1)} cannot be correlated: no delay has a pair of frames",
            "keys frames.begin, frames.end, frames.stride, frames.average",
            "keep at least 2 frames",
        )
    if most_delay is not None:
        kept = delays <= most_delay
        levels, delays = levels[kept], delays[kept]
    if not delays.size:
        raise UserError(
            f"no delay is left up to {most_delay} frames",
            "key multitau.most_delay",
            "give a number of frames from 1 on",
        )
    return Lags(frames, levels, delays)


# Columns of a schedule's table: where the delays, samples, edges and gaps of a level begin and end.
LAG, LAG_END, SAMPLE, SAMPLE_END, EDGE, EDGE_END, GAP, GAP_END = range(8)


@dataclass(frozen=True)
class Schedule:
    """Lags and validity in the form that kernels take, level by level (L levels).

    table: (L, 8) int64, see above; lag: (T,) int64, delays in samples, ascending in a level; valid: (samples
    of all levels,) bool; edge: int64, numbers of valid samples that lack a partner, before or after them,
    at a delay of the level (some of them may lack none); gap: int64, numbers of invalid samples.
    """

    lags: Lags
    table: np.ndarray
    lag: np.ndarray
    valid: np.ndarray
    edge: np.ndarray
    gap: np.ndarray

    @property
    def levels(self) -> int:
        """L."""
        return len(self.table)

    @property
    def reach(self) -> np.ndarray:
        """Longest delay of each level in samples, (L,) int64."""
        return self.lag[self.table[:, LAG_END] - 1]

    def valid_of(self, level: int) -> np.ndarray:
        """Which samples of a level are valid."""
        return self.valid[self.table[level, SAMPLE] : self.table[level, SAMPLE_END]]

    def pairs(self) -> np.ndarray:
        """Number of valid pairs of each delay, (T,) int64."""
        found = np.empty(self.lag.size, np.int64)
        for i, (level, lag) in enumerate(zip(self.lags.level, self.lag, strict=True)):
            valid = self.valid_of(level)
            found[i] = np.count_nonzero(valid[lag:] & valid[:-lag])
        return found


def schedule(lags: Lags, valid: np.ndarray) -> Schedule:
    """The schedule of a run; valid: (N,) bool, frames that are."""
    levels = np.arange(lags.level.max() + 1)
    lag_first = np.searchsorted(lags.level, np.append(levels, levels.size))
    valids, edges, gaps = [], [], []
    samples = np.ascontiguousarray(valid, dtype=bool)
    for level in levels:
        if level:
            samples = valid_above(samples)
        valids.append(samples)
        gaps.append(np.flatnonzero(~samples))
        edges.append(_edges(samples, int(lags.samples[lag_first[level + 1] - 1])))
    starts = [lag_first, *(_starts(parts) for parts in (valids, edges, gaps))]
    return Schedule(
        lags,
        np.ascontiguousarray(np.stack([s for start in starts for s in (start[:-1], start[1:])], 1)),
        np.ascontiguousarray(lags.samples),
        np.concatenate(valids),
        np.concatenate(edges),
        np.concatenate(gaps),
    )


def valid_above(valid: np.ndarray) -> np.ndarray:
    """Which samples of the next level are valid: those of two valid ones; an odd last one is dropped."""
    whole = valid.size // 2 * 2
    return valid[0:whole:2] & valid[1:whole:2]


def _edges(valid: np.ndarray, reach: int) -> np.ndarray:
    """Valid samples with an invalid one, or an end of the run, within `reach`."""
    gone = np.concatenate([[0], np.cumsum(~valid)])
    place = np.arange(valid.size)
    before, after = place - reach, place + reach + 1
    near = gone[np.minimum(after, valid.size)] - gone[np.maximum(before, 0)]
    return np.flatnonzero(valid & ((before < 0) | (after > valid.size) | (near > 0)))


def _starts(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([part.size for part in parts])]).astype(np.int64)
