"""Averages in which shots do not count alike: by a weight per shot, or the later the more.

Weighted mean m = sum w x / sum w, its spread and error for weights that say how reliable a shot is:

    sample variance   s^2 = sum w (x - m)^2 / (sum w - sum w^2 / sum w)
    error of the mean s sqrt(sum w^2) / sum w

(equal weights: those of `accumulators.Variance`). Updated as West (Comm. ACM 22 (1979) 532), merged as Chan,
Golub & LeVeque (American Statistician 37 (1983) 242). Missing values as in `accumulators`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.accumulate import add_weighted
from scatterflow.shots.accumulators import (
    Accumulator,
    Later,
    as_rows,
    check_shape,
    known,
    no_shots,
    over_pixels,
    ratio,
)


@dataclass(frozen=True)
class WeightedStatistics:
    """Per pixel; NaN where undefined.

    count, missing: int64 shots with and without a value and a weight (of 0, too); weight: sum of weights;
    mean; population_variance: sum w (x - m)^2 / sum w; sample_variance, standard_error: see the module;
    effective_count: (sum w)^2 / sum w^2.
    """

    count: np.ndarray
    missing: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    population_variance: np.ndarray
    sample_variance: np.ndarray
    standard_error: np.ndarray
    effective_count: np.ndarray


@dataclass
class WeightedMean(Accumulator):
    """Mean of every pixel, shots weighted; arrays (1, ...) float64, missing int64."""

    shots: int = 0
    missing: Later = None
    weight: Later = None
    weight_squares: Later = None
    mean: Later = None
    deviations: Later = None

    def update(self, values: np.ndarray, weights: np.ndarray, *, threads: int = 1) -> None:
        """Add shots. values: (n, ...); weights: (n,) >= 0, NaN: the shot is missing.

        Raises UserError for a weight below 0.
        """
        rows, shape = as_rows(values)
        weights = np.ascontiguousarray(weights, dtype=np.float64)
        if weights.shape != (len(rows),):
            raise ValueError(f"{len(rows)} shots, weights for {weights.shape}")
        if np.any(weights < 0):
            raise UserError(
                f"shot {int(np.argmax(weights < 0))} of a chunk has the weight {weights[weights < 0][0]:g}",
                "weighted mean over shots",
                "weights are at least 0: filter on the monitor, or subtract its background",
            )
        self._begin(shape)
        self.shots += len(rows)
        every = np.arange(len(rows))
        missing, *sums = (array.reshape(-1) for array in self._arrays())

        def work(start: int, stop: int) -> None:
            add_weighted(rows, every, start, stop, weights, *sums, missing)

        over_pixels(work, rows.shape[1], threads)

    def merge(self, other: WeightedMean) -> None:
        """Add the shots of another one."""
        self._check_like(other)
        if other.mean is None:
            return
        self._begin(other.mean.shape[1:])
        missing, weight, squares, mean, deviations = self._arrays()
        more = other._arrays()
        step = more[3] - mean
        total = weight + more[1]
        share = np.divide(more[1], total, out=np.zeros_like(total), where=total > 0)
        self.shots += other.shots
        self.missing = missing + more[0]
        self.weight = total
        self.weight_squares = squares + more[2]
        self.mean = mean + step * share
        self.deviations = deviations + more[4] + step**2 * weight * share

    def finalize(self) -> WeightedStatistics:
        """Statistics per pixel. Raises UserError if there were no shots."""
        missing, weight, squares, mean, deviations = (array[0] for array in self._arrays())
        freedom = weight - ratio(squares, weight)
        # Of a single shot it is 0, up to rounding.
        freedom = np.where(freedom > 1e-12 * weight, freedom, 0.0)
        sample = ratio(deviations, freedom)
        return WeightedStatistics(
            self.shots - missing,
            missing.copy(),
            weight.copy(),
            np.where(weight > 0, mean, np.nan),
            ratio(deviations, weight),
            sample,
            np.sqrt(sample * ratio(squares, weight**2)),
            ratio(weight**2, squares),
        )

    def _begin(self, shape: tuple[int, ...]) -> None:
        if self.mean is None:
            self.missing = np.zeros((1, *shape), dtype=np.int64)
            self.weight, self.weight_squares = np.zeros((1, *shape)), np.zeros((1, *shape))
            self.mean, self.deviations = np.zeros((1, *shape)), np.zeros((1, *shape))
        check_shape(self.mean.shape[1:], shape)

    def _arrays(self) -> list[np.ndarray]:
        arrays = (self.missing, self.weight, self.weight_squares, self.mean, self.deviations)
        found = [array for array in arrays if array is not None]
        if not found:
            raise no_shots()
        return found


@dataclass(frozen=True)
class RunningStatistics:
    """mean: NaN without a value; weight: sum of weights, at most `lifetime`; count, missing: int64 shots."""

    mean: np.ndarray
    weight: np.ndarray
    count: np.ndarray
    missing: np.ndarray


@dataclass
class RunningMean(Accumulator):
    """Mean that forgets: a shot counts (1 - 1 / lifetime)^age, in shots, whether these have a value or not.

    The weights are normalised, so the first shots are a plain mean. Order matters: `merge` takes the other's
    shots as the later ones. lifetime: shots, >= 1. total, weight: (1, ...) float64; missing: (1, ...) int64.
    """

    lifetime: float
    shots: int = 0
    missing: Later = None
    total: Later = None
    weight: Later = None

    def __post_init__(self) -> None:
        if not 1 <= self.lifetime < math.inf:
            raise UserError(
                f"a running mean over {self.lifetime} shots", "lifetime", "give 1 shot or more"
            )

    def update(self, values: np.ndarray) -> None:
        """Add shots in their order, values (n, ...)."""
        rows, shape = as_rows(values)
        part = type(self)(self.lifetime, len(rows))
        present = known(rows)
        age = np.arange(len(rows))[::-1]
        weights = (1 - 1 / self.lifetime) ** age
        part.total = (weights @ np.where(present, rows, 0.0)).reshape(1, *shape)
        part.weight = (weights @ present).reshape(1, *shape)
        part.missing = (~present).sum(axis=0).reshape(1, *shape)
        self.merge(part)

    def merge(self, other: RunningMean) -> None:
        """Add the shots of another one, which came after."""
        self._check_like(other, "lifetime")
        if other.total is None or other.weight is None or other.missing is None:
            return
        if self.total is None or self.weight is None or self.missing is None:
            self.total, self.weight = np.zeros_like(other.total), np.zeros_like(other.weight)
            self.missing = np.zeros_like(other.missing)
        check_shape(self.total.shape[1:], other.total.shape[1:])
        faded = (1 - 1 / self.lifetime) ** other.shots
        self.total = self.total * faded + other.total
        self.weight = self.weight * faded + other.weight
        self.missing = self.missing + other.missing
        self.shots += other.shots

    def finalize(self) -> RunningStatistics:
        """The mean per pixel. Raises UserError if there were no shots."""
        if self.total is None or self.weight is None or self.missing is None:
            raise no_shots()
        missing = self.missing[0].copy()
        return RunningStatistics(
            ratio(self.total[0], self.weight[0]),
            self.weight[0].copy(),
            self.shots - missing,
            missing,
        )
