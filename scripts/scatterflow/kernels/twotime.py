"""Two-time correlation of dense frames: sum over pixels of x_p(t1) x_p(t2), by tiles of the triangle.

BLAS multiplies panels of unscaled counts: `ssyrk` on the diagonal, `sgemm` beside it. A product of two frames
is at most max_t sum_p x_p(t)^2 (Cauchy-Schwarz), and so is every sum on the way to it, as no term is
negative. Below 2^24 it is therefore an exact integer in float32, whatever the order of BLAS's threads; what
would exceed that is multiplied in parts that do not, added up in float64. A panel that exceeds it by itself
is multiplied in float64, exact to 2^53. Normalisation comes afterwards, as a weight per frame and group.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled

TILE = 2048
"""Frames along a side of a tile."""
PANEL = 4096
"""Most pixels that are multiplied at once."""
EXACT_SINGLE = 2.0**24
"""Integers below this are exact in float32."""


def syrk(panel: np.ndarray, out: np.ndarray, add: bool) -> None:
    """Upper triangle of panel panel^T into out, or added to it.

    panel: (frames, pixels), out: (frames, frames), both C-contiguous and float32 or both float64.
    """
    from scipy.linalg import blas

    multiply = blas.ssyrk if panel.dtype == np.float32 else blas.dsyrk
    # Transposed views are what Fortran calls contiguous: its lower triangle is our upper one.
    multiply(1.0, panel.T, beta=float(add), c=out.T, trans=1, lower=1, overwrite_c=1)


def gemm(rows: np.ndarray, columns: np.ndarray, out: np.ndarray, add: bool) -> None:
    """rows columns^T into out, or added to it; rows: (n, pixels), columns: (m, pixels), out: (n, m)."""
    from scipy.linalg import blas

    multiply = blas.sgemm if rows.dtype == np.float32 else blas.dgemm
    multiply(1.0, columns.T, rows.T, beta=float(add), c=out.T, trans_a=1, overwrite_c=1)


def single_runs(squares: np.ndarray, integers: bool) -> list[tuple[int, int, bool]]:
    """Panels in runs (first, last + 1, single) whose products are exact in float32 (single) or need float64.

    squares: (frames, panels) sums of x^2 over the pixels of each panel. integers: whether all counts are.
    """
    if not integers:  # float32 would round products of fractions
        return [(0, squares.shape[1], False)]
    runs: list[tuple[int, int, bool]] = []
    total = np.zeros(len(squares))
    for panel in range(squares.shape[1]):
        own = squares[:, panel]
        if own.max(initial=0) >= EXACT_SINGLE:
            runs.append((panel, panel + 1, False))
            continue
        if runs and runs[-1][2] and (total + own).max(initial=0) < EXACT_SINGLE:
            runs[-1] = (runs[-1][0], panel + 1, True)
            total += own
        else:
            runs.append((panel, panel + 1, True))
            total = own.astype(np.float64)
    return runs


@compiled
def sum_groups(values, start, stop, edges, sums, squares):
    """Sums of x and x^2 of frames start..stop-1 over pixels edges[g]..edges[g+1]-1, into (frames, groups)."""
    for frame in range(start, stop):
        row = values[frame]
        for group in range(edges.size - 1):
            total, square = 0.0, 0.0
            for pixel in range(edges[group], edges[group + 1]):
                value = np.float64(row[pixel])
                total += value
                square += value * value
            sums[frame, group] = total
            squares[frame, group] = square


@compiled
def add_weighted(products, row_weights, column_weights, above, out):
    """out[i, j] += products[i, j] row_weights[i] column_weights[j] for all j >= i + above."""
    for i in range(out.shape[0]):
        weight = row_weights[i]
        for j in range(max(0, i + above), out.shape[1]):
            out[i, j] += products[i, j] * (weight * column_weights[j])


@compiled
def scale_tile(tile, factor, row_good, column_good, start, stop):
    """Multiply rows start..stop-1 by a factor; NaN where either frame is not good."""
    for i in range(start, stop):
        row = tile[i]
        if not row_good[i]:
            row[:] = np.nan
            continue
        for j in range(row.size):
            row[j] = row[j] * factor if column_good[j] else np.nan


@compiled
def divide_tile(tile, divisor, start, stop):
    """Divide rows start..stop-1, NaN where the divisor is 0."""
    for i in range(start, stop):
        for j in range(tile.shape[1]):
            below = divisor[i, j]
            tile[i, j] = tile[i, j] / below if below > 0 else np.nan
