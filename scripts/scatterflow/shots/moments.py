"""Means, variances and standard errors of every pixel over shots.

Sums and sums of squares are held in twice the precision of a float64 (`kernels.accumulate`), without which
they could not be told from rounding (Chan, Golub & LeVeque, American Statistician 37 (1983) 242), and
which makes the result the same for any grouping and order of the shots:

    sample variance = (sum x^2 - (sum x)^2 / n) / (n - 1),  standard error of the mean = sqrt(that / n)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from scatterflow.kernels.accumulate import add_long_squares, add_squares, add_values
from scatterflow.shots.accumulators import (
    Accumulator,
    Later,
    as_rows,
    check_shape,
    no_shots,
    over_pixels,
    ratio,
    rows_by_cell,
)


@dataclass(frozen=True)
class Statistics:
    """Statistics per pixel; shape as the values of a shot, with the cells (if several) in front.

    count: int64 shots with a value; missing: int64 shots without; total: sum; mean: NaN without shots.
    sample_variance: divided by count - 1, NaN for less than two; population_variance: divided by count.
    standard_deviation: root of the sample variance; standard_error: of the mean, sample standard deviation /
    sqrt(count). All None where no squares were summed.
    """

    count: np.ndarray
    missing: np.ndarray
    total: np.ndarray
    mean: np.ndarray
    sample_variance: Later = None
    population_variance: Later = None
    standard_deviation: Later = None
    standard_error: Later = None


@dataclass
class Moments(Accumulator):
    """Sums, sums of squares and counts of shots that are sorted into cells (bins of a cube, say).

    cells: how many; squares: whether squares are summed. shots: (cells,) int64; missing, high, rest,
    square_high, square_rest: (cells, ...), 40 bytes per cell and pixel (24 without squares).
    """

    cells: int = 1
    squares: bool = True
    shots: Later = None
    missing: Later = None
    high: Later = None
    rest: Later = None
    square_high: Later = None
    square_rest: Later = None

    def update(
        self, values: np.ndarray, cell: np.ndarray | None = None, *, threads: int = 1
    ) -> None:
        """Add shots.

        values: (n, ...); cell: (n,) int, the cell that each goes into, -1: none; None: all into cell 0.
        """
        rows, shape = as_rows(values)
        self._begin(shape)
        cell = np.zeros(len(rows), dtype=np.int64) if cell is None else np.asarray(cell)
        if cell.shape != (len(rows),):
            raise ValueError(f"{len(rows)} shots, cells for {cell.shape}")
        # The square of a number of up to 26 bits is exact.
        short = rows.dtype.itemsize <= 2 or rows.dtype == np.float32
        add = add_squares if short else add_long_squares
        for number, chosen in rows_by_cell(cell, self.cells):
            self.shots[number] += len(chosen)
            missing, high, rest, *square = (
                part[number : number + 1].reshape(-1) for part in self._parts()
            )

            def work(
                start: int, stop: int, own: Any = (chosen, missing, high, rest, square)
            ) -> None:
                chosen, missing, high, rest, square = own
                if self.squares:
                    add(rows, chosen, start, stop, high, rest, *square, missing)
                else:
                    add_values(rows, chosen, start, stop, high, rest, missing)

            over_pixels(work, rows.shape[1], threads)

    def merge(self, other: Moments) -> None:
        """Add the shots of another one."""
        self._check_like(other, "cells", "squares")
        if other.high is None:
            return
        self._begin(other.high.shape[1:])
        self.shots += other.shots
        self.missing += other.missing
        self.high, self.rest = _pair_sum(self.high, self.rest, other.high, other.rest)
        if self.squares:
            self.square_high, self.square_rest = _pair_sum(
                self.square_high, self.square_rest, other.square_high, other.square_rest
            )

    def finalize(self) -> Statistics:
        """Statistics of each cell. Raises UserError if nothing was ever added, not even an empty chunk."""
        missing, high, rest, *square = self._parts()
        shots = self.shots.reshape(-1, *(1,) * (missing.ndim - 1))
        count = shots - missing
        total = high + rest
        mean = ratio(total, count)
        if not self.squares:
            return Statistics(count, missing.copy(), total, mean)
        deviations = _squared_deviations(count, high, rest, *square)
        sample = ratio(deviations, count - 1)
        return Statistics(
            count,
            missing.copy(),
            total,
            mean,
            sample,
            ratio(deviations, count),
            np.sqrt(sample),
            np.sqrt(ratio(sample, count)),
        )

    def combined(self, groups: Sequence[Sequence[int]]) -> Moments:
        """Cells put together: cell g of the result holds the shots of all cells of groups[g]."""
        result = type(self)(len(groups), self.squares)
        result._begin(self.high.shape[1:])
        for place, group in enumerate(groups):
            for number in group:
                part = Moments(1, self.squares, *(a[number : number + 1] for a in self._all()))
                own = Moments(1, self.squares, *(a[place : place + 1] for a in result._all()))
                own.merge(part)
                for array, value in zip(result._all(), own._all(), strict=True):
                    array[place] = value[0]
        return result

    def _begin(self, shape: tuple[int, ...]) -> None:
        """Arrays for values of a shape, unless they are there."""
        if self.high is None:
            whole = (self.cells, *shape)
            self.shots = np.zeros(self.cells, dtype=np.int64)
            self.missing = np.zeros(whole, dtype=np.int64)
            self.high, self.rest = np.zeros(whole), np.zeros(whole)
            if self.squares:
                self.square_high, self.square_rest = np.zeros(whole), np.zeros(whole)
        check_shape(self.high.shape[1:], shape)

    def _parts(self) -> list[np.ndarray]:
        if self.missing is None:
            raise no_shots()
        parts = [self.missing, self.high, self.rest, self.square_high, self.square_rest]
        return [part for part in parts if part is not None]

    def _all(self) -> list[np.ndarray]:
        return [self.shots, *self._parts()]


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a + b as rounded sum and its error, exactly (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a b as rounded product and its error, exactly (Dekker)."""
    rounded = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return rounded, ((a1 * b1 - rounded) + a1 * b2 + a2 * b1) + a2 * b2


def _halves(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaled = 134217729.0 * a  # 2^27 + 1
    front = scaled - (scaled - a)
    return front, a - front


def _pair_sum(high: Any, rest: Any, more: Any, more_rest: Any) -> tuple[np.ndarray, np.ndarray]:
    total, error = _two_sum(high, more)
    return total, (rest + more_rest) + error


def _squared_deviations(
    count: np.ndarray, high: np.ndarray, rest: np.ndarray, square: np.ndarray, square_rest: Any
) -> np.ndarray:
    """Sum of squared deviations from the mean, (n S2 - S1^2) / n in doubled precision."""
    number = count.astype(np.float64)
    high, rest = _two_sum(high, rest)
    square, square_rest = _two_sum(square, square_rest)
    first, first_error = _product(number, square)
    second, second_error = _product(high, high)
    difference, error = _two_sum(first, -second)
    error += first_error - second_error + number * square_rest - 2 * high * rest
    return np.maximum(ratio(difference + error, count), 0.0)


@dataclass
class Variance(Moments):
    """Count, mean, variances and standard error of every pixel over all shots."""

    def finalize(self) -> Statistics:
        return only_cell(super().finalize())


@dataclass
class Mean(Moments):
    """Count, sum and mean of every pixel over all shots."""

    squares: bool = False

    def finalize(self) -> Statistics:
        return only_cell(super().finalize())


def only_cell(statistics: Statistics) -> Statistics:
    """Statistics of cell 0."""

    def first(value: Any) -> Any:
        return None if value is None else value[0]

    return Statistics(*(first(getattr(statistics, field.name)) for field in fields(statistics)))
