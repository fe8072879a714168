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
EXACT_ROWS = 2**20
"""Shots whose squares of 16 bits add up to less than 2^53."""
_SPLIT = 134217729.0  # 2^27 + 1


@compiled
def _two_sum(total, x):
    """total + x rounded, and the error, exactly (Knuth)."""
    rounded = total + x
    part = rounded - total
    return rounded, (total - (rounded - part)) + (x - part)


@compiled
def _square_error(x, square):
    """x * x - square, exactly (Dekker)."""
    scaled = _SPLIT * x
    front = scaled - (scaled - x)
    back = x - front
    return ((front * front - square) + 2.0 * front * back) + back * back


# Two shots at a time: loading and storing the sums costs more than adding to them.


@compiled
def add_values(frames, rows, start, stop, high, rest, missing):
    """Add values to high + rest (pixels,) float64; missing: (pixels,) int64."""
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        totals, rests, absent = high[first:last], rest[first:last], missing[first:last]
        for j in range(0, rows.size, 2):
            pair = j + 1 < rows.size
            one = frames[rows[j], first:last]
            two = frames[rows[j + 1 if pair else j], first:last]
            for i in range(one.size):
                x_value, y_value = np.float64(one[i]), np.float64(two[i])
                x_known, y_known = abs(x_value) <= LARGEST, abs(y_value) <= LARGEST
                x = x_value if x_known else 0.0
                y = y_value if y_known and pair else 0.0
                absent[i] += (0 if x_known else 1) + (0 if y_known or not pair else 1)
                total, error = _two_sum(totals[i], x)
                totals[i], more = _two_sum(total, y)
                rests[i] += error + more


@compiled
def add_squares(frames, rows, start, stop, high, rest, square_high, square_rest, missing):
    """Add values and squares; the square of a value fits a float64 (up to 26 bits)."""
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        totals, rests, absent = high[first:last], rest[first:last], missing[first:last]
        squares, square_rests = square_high[first:last], square_rest[first:last]
        for j in range(0, rows.size, 2):
            pair = j + 1 < rows.size
            one = frames[rows[j], first:last]
            two = frames[rows[j + 1 if pair else j], first:last]
            for i in range(one.size):
                x_value, y_value = np.float64(one[i]), np.float64(two[i])
                x_known, y_known = abs(x_value) <= LARGEST, abs(y_value) <= LARGEST
                x = x_value if x_known else 0.0
                y = y_value if y_known and pair else 0.0
                absent[i] += (0 if x_known else 1) + (0 if y_known or not pair else 1)
                total, error = _two_sum(totals[i], x)
                totals[i], more = _two_sum(total, y)
                rests[i] += error + more
                total, error = _two_sum(squares[i], x * x)
                squares[i], more = _two_sum(total, y * y)
                square_rests[i] += error + more


@compiled
def add_short_squares(frames, rows, start, stop, high, rest, square_high, square_rest):
    """Add values and squares of integers of up to 16 bits: plain sums of EXACT_ROWS of them are exact."""
    sums, squares = np.empty(TILE), np.empty(TILE)
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        for begin in range(0, rows.size, EXACT_ROWS):
            end = min(begin + EXACT_ROWS, rows.size)
            sums[:] = 0.0
            squares[:] = 0.0
            by_fours = begin + (end - begin) // 4 * 4
            for j in range(begin, by_fours, 4):
                one, two = frames[rows[j], first:last], frames[rows[j + 1], first:last]
                three, four = frames[rows[j + 2], first:last], frames[rows[j + 3], first:last]
                for i in range(one.size):
                    a, b = np.float64(one[i]), np.float64(two[i])
                    c, d = np.float64(three[i]), np.float64(four[i])
                    sums[i] += (a + b) + (c + d)
                    squares[i] += (a * a + b * b) + (c * c + d * d)
            for j in range(by_fours, end):
                one = frames[rows[j], first:last]
                for i in range(one.size):
                    value = np.float64(one[i])
                    sums[i] += value
                    squares[i] += value * value
            for i in range(last - first):
                pixel = first + i
                high[pixel], error = _two_sum(high[pixel], sums[i])
                rest[pixel] += error
                square_high[pixel], error = _two_sum(square_high[pixel], squares[i])
                square_rest[pixel] += error


@compiled
def add_long_squares(frames, rows, start, stop, high, rest, square_high, square_rest, missing):
    """Add values and squares; a square is a pair (values of up to 53 bits)."""
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        totals, rests, absent = high[first:last], rest[first:last], missing[first:last]
        squares, square_rests = square_high[first:last], square_rest[first:last]
        for j in range(0, rows.size, 2):
            pair = j + 1 < rows.size
            one = frames[rows[j], first:last]
            two = frames[rows[j + 1 if pair else j], first:last]
            for i in range(one.size):
                x_value, y_value = np.float64(one[i]), np.float64(two[i])
                x_known, y_known = abs(x_value) <= LARGEST, abs(y_value) <= LARGEST
                x = x_value if x_known else 0.0
                y = y_value if y_known and pair else 0.0
                absent[i] += (0 if x_known else 1) + (0 if y_known or not pair else 1)
                total, error = _two_sum(totals[i], x)
                totals[i], more = _two_sum(total, y)
                rests[i] += error + more
                x_square, y_square = x * x, y * y
                total, error = _two_sum(squares[i], x_square)
                squares[i], more = _two_sum(total, y_square)
                cut = _square_error(x, x_square) + _square_error(y, y_square)
                square_rests[i] += (error + more) + cut


@compiled
def _product(a, b):
    """a * b rounded, and the error, exactly (Dekker)."""
    rounded = a * b
    scaled = _SPLIT * a
    a_front = scaled - (scaled - a)
    a_back = a - a_front
    scaled = _SPLIT * b
    b_front = scaled - (scaled - b)
    b_back = b - b_front
    error = ((a_front * b_front - rounded) + a_front * b_back + a_back * b_front) + a_back * b_back
    return rounded, error


@compiled
def finish_moments(count, start, stop, high, rest, square_high, square_rest, found):
    """Statistics from sums; those that so few shots do not define are NaN.

    count: (pixels,) int64; sums: (pixels,) float64. found: (6, pixels) float64: sum, mean, variance divided
    by count - 1 and by count, root of the first, the same over the root of count. The sum of squared
    deviations is (n S2 - S1^2) / n, in doubled precision.
    """
    for i in range(start, stop):
        n = float(count[i])
        total, total_rest = _two_sum(high[i], rest[i])
        square, rest_of_square = _two_sum(square_high[i], square_rest[i])
        first, first_error = _product(n, square)
        second, second_error = _product(total, total)
        change, error = _two_sum(first, -second)
        error += first_error - second_error + n * rest_of_square - 2.0 * total * total_rest
        some, several = max(n, 1.0), max(n - 1.0, 1.0)
        deviations = max(change + error, 0.0) / some
        sample = deviations / several if n > 1.0 else np.nan
        found[0, i] = total
        found[1, i] = total / some if n > 0.0 else np.nan
        found[2, i] = sample
        found[3, i] = deviations / some if n > 0.0 else np.nan
        found[4, i] = np.sqrt(sample)
        found[5, i] = np.sqrt(sample / some)


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


_COUNTED = 256


@compiled
def count_linear(frames, rows, start, stop, low, high, counts, missing):
    """Count values in equal bins from low to high, the last edge included.

    counts: (pixels, bins + 2) uint32, the first below the range, the last above it.
    """
    bins = counts.shape[1] - 2
    scale = bins / (high - low)
    places = np.empty(_COUNTED, dtype=np.int32)
    for first in range(start, stop, _COUNTED):
        last = min(first + _COUNTED, stop)
        for row in rows:
            values = frames[row, first:last]
            # Places first, counts then: the former in vectors.
            for i in range(values.size):
                value = np.float64(values[i])
                place = 1.0 + min(max((value - low) * scale, 0.0), bins - 1.0)
                place = 0.0 if value < low else place
                place = bins + 1.0 if value > high else place
                places[i] = np.int32(place if abs(value) <= LARGEST else -1.0)
            for i in range(values.size):
                if places[i] >= 0:
                    counts[first + i, places[i]] += 1
                else:
                    missing[first + i] += 1


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
def find_ranks(counts, start, stop, shots, missing, fractions, place):
    """The bins of the ceil(fraction * total)-th counts of a pixel, of the first at least; -1: no counts.

    shots: all; missing: (pixels,), of those; fractions: (k,) ascending; place: (k, pixels) int64.
    """
    for pixel in range(start, stop):
        total = shots - missing[pixel]
        seen = 0
        i = -1
        for k in range(fractions.size):
            wanted = max(int(np.ceil(fractions[k] * total)), 1)
            while seen < wanted <= total:
                i += 1
                seen += int(counts[pixel, i])
            place[k, pixel] = i


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
