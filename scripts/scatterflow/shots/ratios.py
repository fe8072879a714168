"""Signal normalised by a monitor, two ways that differ where the monitor fluctuates.

    ratio of sums    R = sum x / sum m, each shot counts by its intensity; variance of R, to first order,
                     n / (n - 1) sum (x - R m)^2 / (sum m)^2 (Cochran, Sampling Techniques, 1977, chapter 6)
    mean of ratios   mean of x / m, each shot counts alike; `moments` of x / m

A shot without x or without m is missing from both, one with m = 0 from the mean of ratios. Sums are plain
float64, exact for integers up to 2^53.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scatterflow.kernels.accumulate import add_ratios
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

SUMS = 5


@dataclass(frozen=True)
class Ratio:
    """Ratio of sums per cell and pixel, its standard error, NaN where undefined; count: int64 shots."""

    count: np.ndarray
    ratio: np.ndarray
    standard_error: np.ndarray


@dataclass
class RatioSums(Accumulator):
    """Sums of x, x^2, m, m^2, x m of shots sorted into cells.

    shots: (cells,) int64; missing: (cells, ...) int64; sums: (5, cells, ...) float64.
    """

    cells: int = 1
    shots: Later = None
    missing: Later = None
    sums: Later = None

    def update(
        self, values: np.ndarray, monitor: np.ndarray, cell: np.ndarray, *, threads: int = 1
    ) -> None:
        """Add shots. values: (n, ...); monitor: (n,), NaN: missing; cell: (n,) int, -1: none."""
        rows, shape = as_rows(values)
        monitor = np.ascontiguousarray(monitor, dtype=np.float64)
        if not (monitor.shape == np.shape(cell) == (len(rows),)):
            raise ValueError(f"{len(rows)} shots, monitor {monitor.shape}, cells {np.shape(cell)}")
        self._begin(shape)
        for number, chosen in rows_by_cell(np.asarray(cell), self.cells):
            self.shots[number] += len(chosen)
            missing = self.missing[number : number + 1].reshape(-1)
            sums = [self.sums[k, number : number + 1].reshape(-1) for k in range(SUMS)]
            own = chosen, sums, missing

            def work(start: int, stop: int, own: tuple = own) -> None:
                chosen, sums, missing = own
                add_ratios(rows, chosen, start, stop, monitor, *sums, missing)

            over_pixels(work, rows.shape[1], threads)

    def merge(self, other: RatioSums) -> None:
        """Add the shots of another one."""
        self._check_like(other, "cells")
        if other.sums is None:
            return
        self._begin(other.sums.shape[2:])
        self.shots += other.shots
        self.missing += other.missing
        self.sums += other.sums

    def finalize(self) -> Ratio:
        """The ratio of each cell. Raises UserError if nothing was ever added."""
        if self.sums is None:
            raise no_shots()
        x, xx, m, mm, xm = self.sums
        count = self.shots.reshape(-1, *(1,) * (x.ndim - 1)) - self.missing
        r = np.full(x.shape, np.nan)
        np.divide(x, m, out=r, where=m != 0)
        scatter = np.maximum(xx - 2 * r * xm + r**2 * mm, 0.0)
        variance = ratio(scatter * ratio(count, count - 1), m**2)
        return Ratio(count, r, np.sqrt(variance))

    def combined(self, groups: Sequence[Sequence[int]]) -> RatioSums:
        """Cells put together: cell g of the result holds the shots of all cells of groups[g]."""
        return RatioSums(
            len(groups),
            np.array([self.shots[list(group)].sum() for group in groups]),
            np.stack([self.missing[list(group)].sum(axis=0) for group in groups]),
            np.stack([self.sums[:, list(group)].sum(axis=1) for group in groups], axis=1),
        )

    def _begin(self, shape: tuple[int, ...]) -> None:
        if self.sums is None:
            self.shots = np.zeros(self.cells, dtype=np.int64)
            self.missing = np.zeros((self.cells, *shape), dtype=np.int64)
            self.sums = np.zeros((SUMS, self.cells, *shape))
        check_shape(self.sums.shape[2:], shape)
