"""What is learned from many shots without keeping them: what all accumulators share, counts, extremes.

An accumulator takes shots as they come, `update(values)` with values (n, ...), one row a shot; two that
saw different shots become one, `merge(other)`; `finalize()` gives the numbers. Taken together or in
any number of parts, in any order, the result is the same: bit by bit for counts, extremes, quantiles, kept
shots, and moments of integers; to the last digit or two for moments of other numbers; to rounding for
weighted means and covariances. (A running mean alone depends on the order.) `state()` is a dict of arrays for
a file, `from_state()` its inverse.

    missing   a value that is NaN, infinite, or larger than 1e100: counted per pixel, and left out

Here are counts and extremes. Others: `moments` (mean, variance), `weighted`, `covariance`, `quantiles`,
`samples` (k best, k at random), `calculators` (histograms, statistics in bins).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Self

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.accumulate import (
    LARGEST,
    keep_highest,
    keep_lowest,
)

EXACT = 2**53
"""Integers up to this size are exact as float64."""
Later = Any
"""An array, None before the first shots."""


class Accumulator:
    """Base of all accumulators: dataclasses of parameters and of arrays."""

    def state(self) -> dict[str, np.ndarray]:
        """Parameters and arrays by name, those that are None left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: np.asarray(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The accumulator that `state()` told of."""
        # Parameters and counters are plain numbers; sums of single numbers are not stored 0-d.
        values = {name: np.asarray(value) for name, value in state.items()}
        return cls(**{n: v.copy() if v.ndim else v.item() for n, v in values.items()})

    def _check_like(self, other: Accumulator, *parameters: str) -> None:
        if type(other) is not type(self):
            raise TypeError(f"{type(other).__name__} cannot go into {type(self).__name__}")
        for name in parameters:
            if getattr(other, name) != getattr(self, name):
                raise ValueError(
                    f"{name} differs: {getattr(self, name)} and {getattr(other, name)}"
                )


def as_rows(values: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Values (n, ...) as (n, elements), C-contiguous and of a dtype that kernels take, and the shape (...).

    Raises TypeError for anything that is no array of real numbers, and UserError for integers beyond
    2^53, which float64 cannot tell apart.
    """
    values = np.asarray(values)
    if values.ndim == 0 or values.dtype.kind not in "buif" or values.dtype.itemsize > 8:
        raise TypeError(f"shots of numbers are needed, (n, ...), not {values.dtype} {values.shape}")
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    elif values.dtype == bool:
        values = values.view(np.uint8)
    long = values.dtype.kind in "iu" and values.dtype.itemsize == 8 and values.size
    if long and (int(values.max()) > EXACT or int(values.min()) < -EXACT):
        raise UserError(
            "integers beyond 2^53, which sums cannot tell apart",
            "statistics over shots",
            "such numbers are tags or marks of no value: choose another variable, or mask them",
        )
    shape = values.shape[1:]
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return np.ascontiguousarray(values.reshape(len(values), math.prod(shape))), shape


def known(rows: np.ndarray) -> np.ndarray:
    """Which values are not missing."""
    return np.abs(rows.astype(np.float64, copy=False)) <= LARGEST


def over_pixels(work: Callable[[int, int], Any], pixels: int, threads: int) -> None:
    """Do `work(start, stop)` for ranges of pixels, one a thread."""
    threads = max(1, min(threads, pixels // 1024))
    if threads == 1:
        work(0, pixels)
        return
    edges = [pixels * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, start, stop) for start, stop in pairwise(edges)]:
            done.result()


def rows_by_cell(cell: np.ndarray, cells: int) -> list[tuple[int, np.ndarray]]:
    """Cells that shots fall into, each with the rows of its shots in their order; -1: in none."""
    if cell.size and (cell.min() < -1 or cell.max() >= cells):
        raise ValueError(f"cells are -1 to {cells - 1}")
    order = np.argsort(cell, kind="stable")
    found, first = np.unique(cell[order], return_index=True)
    last = np.append(first, len(order))[1:]
    groups = zip(found, first, last, strict=True)
    return [(int(number), order[a:b]) for number, a, b in groups if number >= 0]


def check_shape(known: tuple[int, ...], given: tuple[int, ...]) -> None:
    """Raise UserError if shots of another shape come."""
    if known != given:
        raise UserError(
            f"shots of shape {given} after shots of shape {known}",
            "statistics over shots",
            "every shot of a detector must have the same shape; calibrate or crop them alike",
        )


def no_shots() -> UserError:
    """The error of an accumulator that never saw anything."""
    return UserError(
        "there are no shots to take statistics of",
        "statistics over shots",
        "check the filters and whether the detector took part in the run",
    )


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is not above 0."""
    result = np.full(np.broadcast_shapes(np.shape(above), np.shape(below)), np.nan)
    return np.divide(above, below, out=result, where=below > 0)


@dataclass(frozen=True)
class Counts:
    """shots: all; count, missing: int64 per pixel, those with and without a value."""

    shots: int
    count: np.ndarray
    missing: np.ndarray


@dataclass
class Count(Accumulator):
    """How many shots have a value in each pixel."""

    shots: int = 0
    missing: Later = None

    def update(self, values: np.ndarray) -> None:
        """Count shots, values (n, ...)."""
        rows, shape = as_rows(values)
        if self.missing is None:
            self.missing = np.zeros((1, *shape), dtype=np.int64)
        check_shape(self.missing.shape[1:], shape)
        self.shots += len(rows)
        self.missing += (~known(rows)).sum(axis=0).reshape(shape)

    def merge(self, other: Count) -> None:
        """Count the shots of another one as well."""
        self._check_like(other)
        if other.missing is None:
            return
        if self.missing is None:
            self.missing = np.zeros_like(other.missing)
        check_shape(self.missing.shape, other.missing.shape)
        self.shots += other.shots
        self.missing += other.missing

    def finalize(self) -> Counts:
        """Counts per pixel. Raises UserError if there were none."""
        if self.missing is None:
            raise no_shots()
        missing = self.missing[0].copy()
        return Counts(self.shots, self.shots - missing, missing)


@dataclass(frozen=True)
class Extreme:
    """value: float64, NaN without a value; count, missing: int64."""

    value: np.ndarray
    count: np.ndarray
    missing: np.ndarray


@dataclass
class Minimum(Accumulator):
    """The lowest value of every pixel. best: (1, ...) float64; missing: (1, ...) int64."""

    shots: int = 0
    best: Later = None
    missing: Later = None

    def update(self, values: np.ndarray, *, threads: int = 1) -> None:
        """Take shots into account, values (n, ...)."""
        rows, shape = as_rows(values)
        self._begin(shape)
        self.shots += len(rows)
        every = np.arange(len(rows))
        best, missing = self.best.reshape(-1), self.missing.reshape(-1)
        keep = self._kernel()

        def work(start: int, stop: int) -> None:
            keep(rows, every, start, stop, best, missing)

        over_pixels(work, rows.shape[1], threads)

    def merge(self, other: Minimum) -> None:
        """Take the shots of another one into account."""
        self._check_like(other)
        if other.best is None:
            return
        self._begin(other.best.shape[1:])
        self.shots += other.shots
        self.missing += other.missing
        self.best = self._better(self.best, other.best)

    def finalize(self) -> Extreme:
        """The extreme of each pixel. Raises UserError if there were no shots."""
        if self.best is None or self.missing is None:
            raise no_shots()
        missing = self.missing[0].copy()
        count = self.shots - missing
        return Extreme(np.where(count > 0, self.best[0], np.nan), count, missing)

    def _begin(self, shape: tuple[int, ...]) -> None:
        if self.best is None:
            self.best = np.full((1, *shape), -self._better(-np.inf, np.inf))
            self.missing = np.zeros((1, *shape), dtype=np.int64)
        check_shape(self.best.shape[1:], shape)

    def _kernel(self) -> Any:
        return keep_lowest

    def _better(self, a: Any, b: Any) -> Any:
        return np.minimum(a, b)


@dataclass
class Maximum(Minimum):
    """The highest value of every pixel."""

    def _kernel(self) -> Any:
        return keep_highest

    def _better(self, a: Any, b: Any) -> Any:
        return np.maximum(a, b)


def accumulate(
    stream: Iterable[Any],
    accumulators: Mapping[str, Any],
    inputs: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Let accumulators see a stream of chunks and give their results by name.

    stream: arrays (n, ...), any number of shots each; or, with inputs, dicts of arrays by name. inputs:
    for each accumulator the names of the arrays that its `update` takes, in order.
    """
    for chunk in stream:
        for name, accumulator in accumulators.items():
            taken = [chunk] if inputs is None else [chunk[key] for key in inputs[name]]
            accumulator.update(*taken)
    return {name: accumulator.finalize() for name, accumulator in accumulators.items()}
