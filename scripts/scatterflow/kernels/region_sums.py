"""Sums over the good pixels of a region, one pass a frame, and histograms with numpy's edges."""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled


@compiled
def add_regions(frames, good, low, high, saturation, sums, counts):
    """Sums of a region of each frame.

    frames: (n, tiles, rows, columns) of any real type, the region, strided or not. good: (tiles, rows,
    columns) bool. Values below low or above high count as 0; NaN is left out. sums: (n, 4) float64: sum,
    largest (-inf where there is none), sum x row, sum x column, rows and columns counted in the region.
    counts: (n, 2) int64: pixels, pixels at saturation or above.
    """
    for frame in range(frames.shape[0]):
        total = by_row = by_column = 0.0
        largest = -np.inf
        pixels = saturated = 0
        for tile in range(frames.shape[1]):
            for row in range(frames.shape[2]):
                of_row = of_row_by_column = 0.0
                for column in range(frames.shape[3]):
                    value = np.float64(frames[frame, tile, row, column])
                    if not good[tile, row, column] or np.isnan(value):
                        continue
                    pixels += 1
                    saturated += value >= saturation
                    if value < low or value > high:
                        value = np.float64(0.0)
                    of_row += value
                    of_row_by_column += value * column
                    largest = value if value > largest else largest
                total += of_row
                by_row += of_row * row
                by_column += of_row_by_column
        sums[frame, 0] = total
        sums[frame, 1] = largest
        sums[frame, 2] = by_row
        sums[frame, 3] = by_column
        counts[frame, 0] = pixels
        counts[frame, 1] = saturated


@compiled
def add_histograms(values, good, edges, counts):
    """Histograms of the good pixels of each frame, bins half open but for the last, as numpy's.

    values: (n, pixels) of any real type; good: (pixels,) bool; edges: (bins + 1,) float64, ascending;
    counts: (n, bins) int64. NaN and values outside of the edges are in no bin.
    """
    bins = edges.size - 1
    first, last = edges[0], edges[bins]
    scale = bins / (last - first)
    for frame in range(values.shape[0]):
        for pixel in range(values.shape[1]):
            value = np.float64(values[frame, pixel])
            if not good[pixel] or not (value >= first and value <= last):
                continue
            place = min(int((value - first) * scale), bins - 1)
            # Exact for any edges; for equal bins the guess is at most one off.
            if value < edges[place] or (value >= edges[place + 1] and place < bins - 1):
                place = min(np.searchsorted(edges, value, side="right") - 1, bins - 1)
            counts[frame, place] += 1
