"""Sums along the diagonals and over cells of a two-time map C2(t1, t2), t2 >= t1, as its tiles pass.

Of each element C2 - 1 is summed, which loses no digits to the baseline. NaN elements are left out and not
counted. tile: (rows, columns) float64 with C2(row + i, column + j); what lies below the diagonal is not read.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled


@compiled
def add_moments(first, second, row, column, sums, products, pairs):
    """Per lag: sums (2, lags) of two maps, the sum of their product, and how many elements these are."""
    for i in range(first.shape[0]):
        for j in range(max(0, row + i - column), first.shape[1]):
            a, b = first[i, j] - 1.0, second[i, j] - 1.0
            if a == a and b == b:
                lag = column + j - row - i
                sums[0, lag] += a
                sums[1, lag] += b
                products[lag] += a * b
                pairs[lag] += 1


@compiled
def add_ages(tile, row, column, starts, stops, sums, pairs):
    """Per lag and cut: elements with starts[cut] <= t1 + t2 < stops[cut]; sums, pairs: (cuts, lags)."""
    for cut in range(starts.size):
        for i in range(tile.shape[0]):
            t1 = row + i
            low = max(0, t1 - column, starts[cut] - t1 - column)
            high = min(tile.shape[1], stops[cut] - t1 - column)
            for j in range(low, high):
                value = tile[i, j] - 1.0
                if value == value:
                    lag = column + j - t1
                    sums[cut, lag] += value
                    pairs[cut, lag] += 1


@compiled
def add_windows(tile, row, column, edges, sums, pairs):
    """Per lag and window: elements with both frames in edges[w]..edges[w+1]-1; (windows, lags)."""
    for window in range(edges.size - 1):
        first = max(0, edges[window] - row)
        for i in range(first, min(tile.shape[0], edges[window + 1] - row)):
            t1 = row + i
            for j in range(max(0, t1 - column), min(tile.shape[1], edges[window + 1] - column)):
                value = tile[i, j] - 1.0
                if value == value:
                    sums[window, column + j - t1] += value
                    pairs[window, column + j - t1] += 1


@compiled
def add_cells(tile, row, column, step, sums, counts):
    """Sums of step x step cells; of cells on the diagonal the elements above it alone."""
    for i in range(tile.shape[0]):
        t1 = row + i
        cell_row = t1 // step
        begin = max(0, t1 + 1 - column)
        while begin < tile.shape[1]:
            cell = (column + begin) // step
            end = min(tile.shape[1], (cell + 1) * step - column)
            total, number = 0.0, 0
            for j in range(begin, end):
                value = tile[i, j] - 1.0
                if value == value:
                    total += value
                    number += 1
            sums[cell_row, cell] += total
            counts[cell_row, cell] += number
            begin = end


@compiled
def copy_upper(tile, row, column, out):
    """The tile's part of the upper triangle with the diagonal into out (frames, frames) float32."""
    for i in range(tile.shape[0]):
        for j in range(max(0, row + i - column), tile.shape[1]):
            out[row + i, column + j] = np.float32(tile[i, j])
