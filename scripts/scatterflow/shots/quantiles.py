"""Quantiles of every pixel over shots, from counts in fixed bins: exactly mergeable, bounded in memory.

The sketch counts values in bins that are fixed beforehand, so merging is adding integers: the result is the
same for any grouping and order of the shots, which no sketch that picks its bins from the data can say. A
quantile q is the smallest value with at least ceil(q n) values at or below it (numpy's `inverted_cdf`), known
up to its bin:

    linear       low..high in equal bins: error <= half a bin; none for integers in bins of width 1 around
                 them
    logarithmic  edges smallest * g^k, g = (1 + a) / (1 - a), of either sign: error <= a |x| from `smallest`
                 to `largest`, <= smallest below (DDSketch; Masson, Rim & Lee, Proc. VLDB 12 (2019) 2195)

A quantile among the values beyond the range is -inf or inf. 4 bytes per pixel and bin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.accumulate import count_linear, count_logarithmic, find_ranks
from scatterflow.shots.accumulators import (
    Accumulator,
    Later,
    as_rows,
    check_shape,
    no_shots,
    over_pixels,
)

MOST_BINS = 2**20


@dataclass(frozen=True)
class Quantiles:
    """quantile: (q, ...) float64, NaN without a value, -inf or inf beyond the range of the bins.

    count, missing, below, above: (...) int64: values, missing ones, values beyond the range on either side.
    """

    fractions: np.ndarray
    quantile: np.ndarray
    count: np.ndarray
    missing: np.ndarray
    below: np.ndarray
    above: np.ndarray


@dataclass
class QuantileSketch(Accumulator):
    """Counts of each pixel's values in bins, see `linear_sketch` and `logarithmic_sketch`.

    low, high, bins: of linear bins; relative_error above 0: logarithmic ones, of sizes from low to high.
    shots: all; counts: (1, ..., bins with those beyond the range) uint32; missing: (1, ...) int64.
    """

    low: float
    high: float
    bins: int
    relative_error: float = 0.0
    shots: int = 0
    counts: Later = None
    missing: Later = None

    def update(self, values: np.ndarray, *, threads: int = 1) -> None:
        """Count shots, values (n, ...)."""
        rows, shape = as_rows(values)
        self._begin(shape)
        self.shots += len(rows)
        every = np.arange(len(rows))
        counts, missing = self.counts.reshape(-1, self.counts.shape[-1]), self.missing.reshape(-1)
        count: Any = count_linear
        limits = (self.low, self.high)
        if self.relative_error:
            count, limits = count_logarithmic, (self.low, self._step())

        def work(start: int, stop: int) -> None:
            count(rows, every, start, stop, *limits, counts, missing)

        over_pixels(work, rows.shape[1], threads)

    def merge(self, other: QuantileSketch) -> None:
        """Add the counts of another one with the same bins."""
        self._check_like(other, "low", "high", "bins", "relative_error")
        if other.counts is None or other.missing is None:
            return
        self._begin(other.missing.shape[1:])
        self.shots += other.shots
        self.counts = self.counts + other.counts
        self.missing = self.missing + other.missing

    def finalize(
        self, fractions: Any = (0.05, 0.25, 0.5, 0.75, 0.95), *, threads: int = 1
    ) -> Quantiles:
        """Quantiles for fractions from 0 to 1. Raises UserError without shots, or for other fractions."""
        if self.counts is None or self.missing is None:
            raise no_shots()
        wanted = np.atleast_1d(np.asarray(fractions, dtype=np.float64))
        if not np.all((wanted >= 0) & (wanted <= 1)):
            raise UserError(f"quantiles for {wanted.tolist()}", "quantiles", "from 0 to 1")
        shape = self.missing.shape[1:]
        counts = self.counts.reshape(-1, self.counts.shape[-1])
        order = np.argsort(wanted)
        place = np.empty((len(wanted), len(counts)), dtype=np.int64)
        absent = self.missing.reshape(-1)

        def work(start: int, stop: int) -> None:
            find_ranks(counts, start, stop, self.shots, absent, wanted[order], place)

        over_pixels(work, len(counts), threads)
        values = np.append(self.representatives(), np.nan)  # place -1: no values
        quantile = np.empty((len(wanted), *shape))
        quantile[order] = values[place].reshape(quantile.shape)
        missing = self.missing[0].copy()
        beyond = [counts[:, edge].astype(np.int64).reshape(shape) for edge in (0, -1)]
        return Quantiles(wanted, quantile, self.shots - missing, missing, *beyond)

    def representatives(self) -> np.ndarray:
        """The value that stands for each bin, those beyond the range included."""
        if not self.relative_error:
            width = (self.high - self.low) / self.bins
            inside = self.low + width * (np.arange(self.bins) + 0.5)
            return np.concatenate([[-np.inf], inside, [np.inf]])
        growth = math.exp(self._step())
        upper = self.low * growth ** np.arange(1, self.bins + 1)
        # Half way between the edges in relative distance.
        size = np.append(upper * 2 / (growth + 1), np.inf)
        return np.concatenate([-size[::-1], [0.0], size])

    def _step(self) -> float:
        return math.log((1 + self.relative_error) / (1 - self.relative_error))

    def _begin(self, shape: tuple[int, ...]) -> None:
        if self.counts is None or self.missing is None:
            width = 2 * self.bins + 3 if self.relative_error else self.bins + 2
            self.counts = np.zeros((1, *shape, width), dtype=np.uint32)
            self.missing = np.zeros((1, *shape), dtype=np.int64)
        check_shape(self.missing.shape[1:], shape)


def linear_sketch(low: float, high: float, bins: int) -> QuantileSketch:
    """Sketch of equal bins from low to high, the last edge included. Raises UserError for none."""
    if not (-math.inf < low < high < math.inf and 1 <= bins <= MOST_BINS):
        raise _refused(f"{bins} bins from {low} to {high}")
    return QuantileSketch(float(low), float(high), int(bins))


def logarithmic_sketch(
    smallest: float, largest: float, relative_error: float = 0.01
) -> QuantileSketch:
    """Sketch of sizes from smallest to largest of either sign, to a relative error. Raises UserError."""
    if not (0 < smallest < largest < math.inf and 0 < relative_error < 0.5):
        raise _refused(f"sizes from {smallest} to {largest} with a relative error {relative_error}")
    step = math.log((1 + relative_error) / (1 - relative_error))
    bins = math.ceil((math.log(largest) - math.log(smallest)) / step)
    if bins > MOST_BINS:
        raise _refused(f"{bins} bins")
    return QuantileSketch(float(smallest), float(largest), bins, float(relative_error))


def _refused(what: str) -> UserError:
    return UserError(
        what, "quantiles over shots", f"ascending finite limits and 1 to {MOST_BINS} bins"
    )
