"""Sums over shots, pixel by pixel: values, squares, extremes, weighted means, counts in bins.

Frames are (n, pixels), rows the shots of them to take, and start..stop-1 the pixels, so that threads may
share a frame. A value that is NaN, infinite or beyond +-LARGEST is missing: counted, and left out.

Sums are held as unevaluated pairs high + rest of float64, as Ogita, Rump and Oishi add them (SIAM J. Sci.
Comput. 26 (2005) 1955, algorithm Sum2; squares as Dekker's product, Numer. Math. 18 (1971) 224): twice the
precision of one. Sums of integers are exact up to 2^106, those of other numbers do not show in their 53 bits
how the shots were grouped, and a variance from sums and sums of squares loses nothing to cancellation
(relative error about n 1e-32 (mean / standard deviation)^2).
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled

LARGEST = 1e100
"""Largest size of a value: products of its sums stay finite."""
TILE = 512
"""Pixels whose sums stay in the first cache while the shots pass."""
_SPLIT = 134217729.0  # 2^27 + 1


@compiled
def add_values(frames, rows, start, stop, high, rest, missing):
    """Add values to high + rest (pixels,) float64; missing: (pixels,) int64."""
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        totals, rests, absent = high[first:last], rest[first:last], missing[first:last]
        for row in rows:
            values = frames[row, first:last]
            for i in range(values.size):
                value = np.float64(values[i])
                known = abs(value) <= LARGEST
                x = value if known else 0.0
                absent[i] += 0 if known else 1
                total = totals[i] + x
                part = total - totals[i]
                rests[i] += (totals[i] - (total - part)) + (x - part)
                totals[i] = total


@compiled
def add_squares(frames, rows, start, stop, high, rest, square_high, square_rest, missing):
    """Add values and squares; the square of a value fits a float64 (up to 26 bits)."""
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        totals, rests, absent = high[first:last], rest[first:last], missing[first:last]
        squares, square_rests = square_high[first:last], square_rest[first:last]
        for row in rows:
            values = frames[row, first:last]
            for i in range(values.size):
                value = np.float64(values[i])
                known = abs(value) <= LARGEST
                x = value if known else 0.0
                absent[i] += 0 if known else 1
                total = totals[i] + x
                part = total - totals[i]
                rests[i] += (totals[i] - (total - part)) + (x - part)
                totals[i] = total
                square = x * x
                total = squares[i] + square
                part = total - squares[i]
                square_rests[i] += (squares[i] - (total - part)) + (square - part)
                squares[i] = total


@compiled
def add_long_squares(frames, rows, start, stop, high, rest, square_high, square_rest, missing):
    """Add values and squares; a square is a pair (values of up to 53 bits)."""
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        totals, rests, absent = high[first:last], rest[first:last], missing[first:last]
        squares, square_rests = square_high[first:last], square_rest[first:last]
        for row in rows:
            values = frames[row, first:last]
            for i in range(values.size):
                value = np.float64(values[i])
                known = abs(value) <= LARGEST
                x = value if known else 0.0
                absent[i] += 0 if known else 1
                total = totals[i] + x
                part = total - totals[i]
                rests[i] += (totals[i] - (total - part)) + (x - part)
                totals[i] = total
                square = x * x
                total = squares[i] + square
                part = total - squares[i]
                scaled = _SPLIT * x
                front = scaled - (scaled - x)
                back = x - front
                cut = ((front * front - square) + 2.0 * front * back) + back * back
                square_rests[i] += ((squares[i] - (total - part)) + (square - part)) + cut
                squares[i] = total


@compiled
def keep_lowest(frames, rows, start, stop, lowest, missing):
    """The lowest value of each pixel, (pixels,) float64, infinity to begin with."""
    for row in rows:
        for pixel in range(start, stop):
            value = np.float64(frames[row, pixel])
            known = abs(value) <= LARGEST
            missing[pixel] += 0 if known else 1
            if known and value < lowest[pixel]:
                lowest[pixel] = value


@compiled
def keep_highest(frames, rows, start, stop, highest, missing):
    """The highest value of each pixel, (pixels,) float64, minus infinity to begin with."""
    for row in rows:
        for pixel in range(start, stop):
            value = np.float64(frames[row, pixel])
            known = abs(value) <= LARGEST
            missing[pixel] += 0 if known else 1
            if known and value > highest[pixel]:
                highest[pixel] = value


@compiled
def add_weighted(
    frames, rows, start, stop, weights, weight, weight_squares, mean, deviations, missing
):
    """Weighted mean and sum of weighted squared deviations from it (West, Comm. ACM 22 (1979) 532).

    weights: (n,) >= 0, one per shot; NaN: the shot is missing. The rest: (pixels,) float64.
    """
    for row in rows:
        w = weights[row]
        for pixel in range(start, stop):
            value = np.float64(frames[row, pixel])
            if not (abs(value) <= LARGEST and w <= LARGEST):
                missing[pixel] += 1
                continue
            if w == 0.0:
                continue
            weight[pixel] += w
            weight_squares[pixel] += w * w
            step = value - mean[pixel]
            mean[pixel] += step * (w / weight[pixel])
            deviations[pixel] += w * step * (value - mean[pixel])


@compiled
def add_ratios(
    frames, rows, start, stop, monitor, value_sum, value_square, sum_, square, product, missing
):
    """Sums of values x, of the monitor m of their shots, and of x^2, m^2, x m; plain float64 (pixels,).

    monitor: (n,), one per shot; NaN: the shot is missing.
    """
    for row in rows:
        m = monitor[row]
        for pixel in range(start, stop):
            value = np.float64(frames[row, pixel])
            if not (abs(value) <= LARGEST and abs(m) <= LARGEST):
                missing[pixel] += 1
                continue
            value_sum[pixel] += value
            value_square[pixel] += value * value
            sum_[pixel] += m
            square[pixel] += m * m
            product[pixel] += value * m


_COUNTED = 64


@compiled
def count_linear(frames, rows, start, stop, low, high, counts, missing):
    """Count values in equal bins from low to high, the last edge included.

    counts: (pixels, bins + 2) uint32, the first below the range, the last above it.
    """
    bins = counts.shape[1] - 2
    scale = bins / (high - low)
    for first in range(start, stop, _COUNTED):
        for row in rows:
            for pixel in range(first, min(first + _COUNTED, stop)):
                value = np.float64(frames[row, pixel])
                if not abs(value) <= LARGEST:
                    missing[pixel] += 1
                elif value < low:
                    counts[pixel, 0] += 1
                elif value > high:
                    counts[pixel, bins + 1] += 1
                else:
                    counts[pixel, 1 + min(int((value - low) * scale), bins - 1)] += 1


@compiled
def count_logarithmic(frames, rows, start, stop, smallest, step, counts, missing):
    """Count values in bins whose edges are smallest * exp(step * k), k = 0, 1, ..., of either sign.

    counts: (pixels, 2 bins + 3) uint32: beyond the range below 0, the bins below 0 from the largest size
    on, sizes of at most `smallest`, the bins above 0, beyond the range above 0.
    """
    bins = (counts.shape[1] - 3) // 2
    for first in range(start, stop, _COUNTED):
        for row in rows:
            for pixel in range(first, min(first + _COUNTED, stop)):
                value = np.float64(frames[row, pixel])
                size = abs(value)
                if not size <= LARGEST:
                    missing[pixel] += 1
                elif size <= smallest:
                    counts[pixel, bins + 1] += 1
                else:
                    place = min(int(np.ceil(np.log(size / smallest) / step)), bins + 1)
                    place = max(place, 1)
                    counts[pixel, bins + 1 + (place if value > 0 else -place)] += 1


@compiled
def find_ranks(counts, start, stop, fraction, place):
    """The bin of the ceil(fraction * total)-th count of a pixel, of the first at least; -1: no counts."""
    for pixel in range(start, stop):
        total = 0
        for number in counts[pixel]:
            total += int(number)
        wanted = max(int(np.ceil(fraction * total)), 1)
        place[pixel] = -1
        seen = 0
        for i in range(counts.shape[1]):
            seen += int(counts[pixel, i])
            if seen >= wanted:
                place[pixel] = i
                break


@compiled
def find_bins(values, edges, uniform, found):
    """Bin of each value: k for edges[k - 1] <= value < edges[k], the last edge included.

    values: (n,); edges: (bins + 1,) float64, ascending; uniform: whether they are equally spaced; found:
    (n,) int64, 0 below the first edge, bins + 1 above the last, -1 for missing values.
    """
    bins = edges.size - 1
    scale = bins / (edges[bins] - edges[0])
    for i in range(values.size):
        value = np.float64(values[i])
        if not abs(value) <= LARGEST:
            found[i] = -1
        elif value < edges[0]:
            found[i] = 0
        elif value > edges[bins]:
            found[i] = bins + 1
        elif uniform:
            k = min(int((value - edges[0]) * scale), bins - 1)
            while value < edges[k]:
                k -= 1
            while k < bins - 1 and value >= edges[k + 1]:
                k += 1
            found[i] = k + 1
        else:
            found[i] = min(np.searchsorted(edges, value, side="right"), bins)
