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

from scatterflow.kernels.accumulate import (
    add_long_squares,
    add_short_squares,
    add_squares,
    add_values,
    finish_moments,
)
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
        for number, chosen in rows_by_cell(cell, self.cells):
            self.shots[number] += len(chosen)
            own = [part[number : number + 1].reshape(-1) for part in self._parts()]

            def work(start: int, stop: int, chosen: np.ndarray = chosen, own: Any = own) -> None:
                missing, *sums = own
                _add(rows, chosen, start, stop, sums, missing)

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

    def finalize(self, *, threads: int = 1) -> Statistics:
        """Statistics of each cell. Raises UserError if nothing was ever added, not even an empty chunk."""
        missing, high, rest, *square = self._parts()
        count = self.shots.reshape(-1, *(1,) * (missing.ndim - 1)) - missing
        if not self.squares:
            total = high + rest
            return Statistics(count, missing.copy(), total, ratio(total, count))
        found = np.empty((6, count.size))
        sums = [array.reshape(-1) for array in (high, rest, *square)]

        def work(start: int, stop: int) -> None:
            finish_moments(count.reshape(-1), start, stop, *sums, found)

        over_pixels(work, count.size, threads)
        return Statistics(count, missing.copy(), *found.reshape(6, *count.shape))

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


def _add(
    rows: np.ndarray, chosen: np.ndarray, start: int, stop: int, sums: Any, missing: np.ndarray
) -> None:
    """Add the chosen rows to sums (high, rest, and those of the squares if there are four)."""
    where = rows, chosen, start, stop
    if len(sums) == 2:
        add_values(*where, *sums, missing)
    elif rows.dtype.kind in "iu" and rows.dtype.itemsize <= 2:
        add_short_squares(*where, *sums)  # none is missing
    elif rows.dtype == np.float32:
        add_squares(*where, *sums, missing)
    else:
        add_long_squares(*where, *sums, missing)


def _pair_sum(high: Any, rest: Any, more: Any, more_rest: Any) -> tuple[np.ndarray, np.ndarray]:
    total, error = _two_sum(high, more)
    return total, (rest + more_rest) + error


@dataclass
class Variance(Moments):
    """Count, mean, variances and standard error of every pixel over all shots."""

    def finalize(self, *, threads: int = 1) -> Statistics:
        return only_cell(super().finalize(threads=threads))


@dataclass
class Mean(Moments):
    """Count, sum and mean of every pixel over all shots."""

    squares: bool = False

    def finalize(self, *, threads: int = 1) -> Statistics:
        return only_cell(super().finalize(threads=threads))


def only_cell(statistics: Statistics) -> Statistics:
    """Statistics of cell 0."""

    def first(value: Any) -> Any:
        return None if value is None else value[0]

    return Statistics(*(first(getattr(statistics, field.name)) for field in fields(statistics)))
