"""What is kept of a two-time map while its tiles pass: sums per lag, and the map itself, averaged over cells.

Sums are those of C2 - 1 over pairs of frames (t1, t2), t2 >= t1, lag t2 - t1; the age of a pair is
(t1 + t2) / 2. Pairs without C2 are left out and not counted. Each kind of sum has a thread of its own and
takes the tiles in their order: the number of threads changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scatterflow.kernels import twotime_sums as kernels

AGE_BLOCKS = 32
"""Blocks of age whose scatter gives the errors."""


@dataclass(frozen=True)
class LagSums:
    """sums, pairs: (cuts, lags) float64 and int64."""

    sums: np.ndarray
    pairs: np.ndarray

    def mean(self) -> np.ndarray:
        """Mean of C2, NaN where there is no pair."""
        return 1.0 + divided(self.sums, self.pairs)


def divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient, NaN where the divisor is 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def empty_lag_sums(cuts: int, lags: int) -> LagSums:
    """Sums of nothing."""
    return LagSums(np.zeros((cuts, lags)), np.zeros((cuts, lags), np.int64))


@dataclass(frozen=True)
class MapSums:
    """All sums of one map of `frames` frames.

    moments: sums (2, lags) of two maps, of their product (lags) and the number of elements: of the map
    with itself. halves: the same of the maps of two halves of the pixels, or None. blocks: sums over
    AGE_BLOCKS equal blocks of age. age_starts, age_stops: (cuts,) ranges of t1 + t2, ages: their sums.
    window_edges: (windows + 1,), windows: sums of pairs within each. step: frames along a cell of the map;
    c2: (n, n) float32 where step is 1, else empty and cells, cell_counts: (n, n) sums and numbers.
    """

    frames: int
    moments: Moments
    halves: Moments | None
    blocks: LagSums
    age_starts: np.ndarray
    age_stops: np.ndarray
    ages: LagSums
    window_edges: np.ndarray
    windows: LagSums
    step: int
    c2: np.ndarray
    cells: np.ndarray
    cell_counts: np.ndarray


@dataclass(frozen=True)
class Moments:
    """sums: (2, lags), products: (lags,) float64; pairs: (lags,) int64."""

    sums: np.ndarray
    products: np.ndarray
    pairs: np.ndarray

    def covariance(self) -> np.ndarray:
        """Covariance of the two maps along each diagonal, NaN for fewer than two elements."""
        enough = np.where(self.pairs > 1, self.pairs, 0)
        about_mean = self.products - divided(self.sums[0] * self.sums[1], enough)
        return divided(about_mean, np.maximum(enough - 1, 0))


def _empty_moments(lags: int) -> Moments:
    return Moments(np.zeros((2, lags)), np.zeros(lags), np.zeros(lags, np.int64))


def block_edges(frames: int) -> np.ndarray:
    """Edges of the blocks of age, (blocks + 1,) int64, in t1 + t2."""
    return np.arange(AGE_BLOCKS + 1) * (2 * frames) // AGE_BLOCKS


def empty_map_sums(
    frames: int,
    age_starts: np.ndarray,
    age_stops: np.ndarray,
    windows: int,
    largest_map: int,
    halves: bool,
) -> MapSums:
    """Sums of a map of which no tile has passed."""
    step = -(-frames // largest_map)
    side = -(-frames // step)
    edges = np.arange(windows + 1) * frames // max(1, windows)
    whole, coarse = (side, 0) if step == 1 else (0, side)
    return MapSums(
        frames=frames,
        moments=_empty_moments(frames),
        halves=_empty_moments(frames) if halves else None,
        blocks=empty_lag_sums(AGE_BLOCKS, frames),
        age_starts=age_starts,
        age_stops=age_stops,
        ages=empty_lag_sums(len(age_starts), frames),
        window_edges=edges,
        windows=empty_lag_sums(windows, int(np.diff(edges).max(initial=0))),
        step=step,
        c2=np.zeros((whole, whole), np.float32),
        cells=np.zeros((coarse, coarse)),
        cell_counts=np.zeros((coarse, coarse), np.int64),
    )


def add_tile(
    into: MapSums, row: int, column: int, tiles: list[np.ndarray], pool: ThreadPoolExecutor
) -> None:
    """Add a tile (rows, columns) float64 of the map, and those of the two halves if they are wanted."""
    tile, edges = tiles[0], block_edges(into.frames)
    moments, halves = into.moments, into.halves
    work: list[Callable[[], None]] = [
        lambda: kernels.add_ages(
            tile, row, column, edges[:-1], edges[1:], into.blocks.sums, into.blocks.pairs
        ),
        lambda: kernels.add_moments(
            tile, tile, row, column, moments.sums, moments.products, moments.pairs
        ),
    ]
    if halves is not None:
        work.append(
            lambda: kernels.add_moments(
                tiles[1], tiles[2], row, column, halves.sums, halves.products, halves.pairs
            )
        )
    if into.step > 1:
        work.append(
            lambda: kernels.add_cells(tile, row, column, into.step, into.cells, into.cell_counts)
        )
    else:
        work.append(lambda: kernels.copy_upper(tile, row, column, into.c2))
    if len(into.age_starts):
        work.append(
            lambda: kernels.add_ages(
                tile, row, column, into.age_starts, into.age_stops, into.ages.sums, into.ages.pairs
            )
        )
    if len(into.window_edges) > 1:
        work.append(
            lambda: kernels.add_windows(
                tile, row, column, into.window_edges, into.windows.sums, into.windows.pairs
            )
        )
    list(pool.map(lambda job: job(), work))


def stored_map(sums: MapSums) -> np.ndarray:
    """The map to store: (n, n) float32, upper triangle, 0 below it, NaN where there is no C2."""
    if sums.step == 1:
        return sums.c2
    return np.triu(1.0 + divided(sums.cells, sums.cell_counts)).astype(np.float32)
