"""Histograms and statistics in fixed bins, over shots; mergeable like all accumulators.

Bins are numpy's: edges[k] <= x < edges[k + 1], the last edge included. Values below the first and above the
last edge are counted apart, missing ones (see `accumulators`) as well: nothing that was seen is lost. The
k best shots: `samples.TopShots`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.accumulate import find_bins
from scatterflow.shots.accumulators import Accumulator, Later, as_rows
from scatterflow.shots.moments import Moments, Statistics


def checked_edges(edges: np.ndarray, what: str = "edges") -> np.ndarray:
    """Edges as (bins + 1,) float64. Raises UserError unless they are finite and ascending, two at least."""
    found = np.asarray(edges, dtype=np.float64)
    if (
        found.ndim != 1
        or found.size < 2
        or not np.isfinite(found).all()
        or (np.diff(found) <= 0).any()
    ):
        raise UserError(
            f"no bins lie between the edges {found.ravel()[:5].tolist()}",
            what,
            "give two numbers or more, each above the one before",
        )
    return found


def bin_numbers(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(n,) int64 number of each value's bin, 1 for the first; 0: below, bins + 1: above, -1: missing."""
    rows, _ = as_rows(values)
    uniform = np.allclose(np.diff(edges), (edges[-1] - edges[0]) / (len(edges) - 1), rtol=1e-6)
    found = np.empty(rows.size, dtype=np.int64)
    find_bins(rows.reshape(-1), edges, uniform, found)
    return found


@dataclass(frozen=True)
class Histogram:
    """Counts in bins.

    edges: of each axis; counts: int64, an axis for each; with_outside: the same with the values below (first)
    and above (last) along each axis; missing: values, or pairs with one of them, that are missing.
    """

    edges: tuple[np.ndarray, ...]
    counts: np.ndarray
    with_outside: np.ndarray
    missing: int


@dataclass
class Histogram1D(Accumulator):
    """Histogram of all values of all shots, scalars or whole images. edges: (bins + 1,)."""

    edges: np.ndarray
    counts: Later = None
    missing: int = 0

    def __post_init__(self) -> None:
        self.edges = checked_edges(self.edges)
        if self.counts is None:
            self.counts = np.zeros(len(self.edges) + 1, dtype=np.int64)

    def update(self, values: np.ndarray) -> None:
        """Count values (n, ...)."""
        places = bin_numbers(values, self.edges)
        found = np.bincount(places + 1, minlength=len(self.edges) + 2)
        self.missing += int(found[0])
        self.counts += found[1:]

    def merge(self, other: Histogram1D) -> None:
        """Add the counts of another one with the same edges."""
        self._check_like(other)
        same_edges(self.edges, other.edges)
        self.counts += other.counts
        self.missing += other.missing

    def finalize(self) -> Histogram:
        """The counts."""
        return Histogram((self.edges,), self.counts[1:-1].copy(), self.counts.copy(), self.missing)


@dataclass
class Histogram2D(Accumulator):
    """Histogram of pairs (x, y); counts[i, j]: bin i of x, bin j of y."""

    x_edges: np.ndarray
    y_edges: np.ndarray
    counts: Later = None
    missing: int = 0

    def __post_init__(self) -> None:
        self.x_edges = checked_edges(self.x_edges, "edges of x")
        self.y_edges = checked_edges(self.y_edges, "edges of y")
        if self.counts is None:
            shape = len(self.x_edges) + 1, len(self.y_edges) + 1
            self.counts = np.zeros(shape, dtype=np.int64)

    def update(self, x: np.ndarray, y: np.ndarray) -> None:
        """Count pairs, x and y of one shape (n, ...); a pair of which one is missing counts as missing."""
        if np.shape(x) != np.shape(y):
            raise ValueError(f"x {np.shape(x)}, y {np.shape(y)}")
        i, j = bin_numbers(x, self.x_edges), bin_numbers(y, self.y_edges)
        known = (i >= 0) & (j >= 0)
        self.missing += int((~known).sum())
        flat = i[known] * self.counts.shape[1] + j[known]
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    def merge(self, other: Histogram2D) -> None:
        """Add the counts of another one with the same edges."""
        self._check_like(other)
        same_edges(self.x_edges, other.x_edges)
        same_edges(self.y_edges, other.y_edges)
        self.counts += other.counts
        self.missing += other.missing

    def finalize(self) -> Histogram:
        """The counts."""
        edges = self.x_edges, self.y_edges
        return Histogram(edges, self.counts[1:-1, 1:-1].copy(), self.counts.copy(), self.missing)


@dataclass(frozen=True)
class BinnedResult:
    """Statistics of y in bins of x.

    statistics: bins in front; outside: (2,) shots with x below and above; missing: shots without x.
    """

    edges: np.ndarray
    statistics: Statistics
    outside: np.ndarray
    missing: int


@dataclass
class BinnedStatistics(Accumulator):
    """Count, mean and standard error of y (scalars, spectra, images) in bins of a scalar x."""

    edges: np.ndarray
    moments: Any = None
    outside: Later = None
    missing: int = 0

    def __post_init__(self) -> None:
        self.edges = checked_edges(self.edges)
        if self.moments is None:
            self.moments = Moments(len(self.edges) - 1)
        if self.outside is None:
            self.outside = np.zeros(2, dtype=np.int64)

    def update(self, x: np.ndarray, y: np.ndarray, *, threads: int = 1) -> None:
        """Add shots. x: (n,); y: (n, ...)."""
        bins = len(self.edges) - 1
        place = bin_numbers(x, self.edges)
        self.missing += int((place < 0).sum())
        self.outside += [int((place == 0).sum()), int((place > bins).sum())]
        inside = np.where((place >= 1) & (place <= bins), place - 1, -1)
        self.moments.update(y, inside, threads=threads)

    def merge(self, other: BinnedStatistics) -> None:
        """Add the shots of another one with the same edges."""
        self._check_like(other)
        same_edges(self.edges, other.edges)
        self.moments.merge(other.moments)
        self.outside += other.outside
        self.missing += other.missing

    def finalize(self) -> BinnedResult:
        """Statistics of each bin; an empty one has count 0 and mean NaN. Raises UserError without shots."""
        return BinnedResult(self.edges, self.moments.finalize(), self.outside.copy(), self.missing)

    def state(self) -> dict[str, np.ndarray]:
        own = {"edges": self.edges, "outside": self.outside, "missing": np.asarray(self.missing)}
        return own | {f"moments_{name}": v for name, v in self.moments.state().items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        mark = "moments_"
        inner = {n.removeprefix(mark): v for n, v in state.items() if n.startswith(mark)}
        own = {n: v for n, v in state.items() if not n.startswith(mark)}
        return cls(
            np.asarray(own["edges"]),
            Moments.from_state(inner),
            np.array(own["outside"]),
            int(own["missing"]),
        )


def same_edges(one: np.ndarray, other: np.ndarray) -> None:
    """Raise ValueError if bins differ."""
    if not np.array_equal(one, other):
        raise ValueError("the edges differ")
