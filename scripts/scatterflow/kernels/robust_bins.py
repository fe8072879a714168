"""The kernels of `robust`: the pixels of each bin are gathered, and clipped or put in order."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from scatterflow.kernels.compiled import compiled

# Clipping a pixel or two by their own mean leaves nothing.
FEWEST = 3


class Counts(NamedTuple):
    """What the stored values of a frame mean: lowest and highest valid one, of the frame's own type; dark
    image and its variance (pixels) or empty; least variance of a pixel (negative: none is known)."""

    low: Any
    high: Any
    dark: np.ndarray
    dark_variance: np.ndarray
    floor: float


class Matrix(NamedTuple):
    """CSR matrix, a row a bin; weight: of the pixel of each entry, (entries)."""

    indptr: np.ndarray
    indices: np.ndarray
    coefficients: np.ndarray
    weight: np.ndarray


class Scratch(NamedTuple):
    """The gathered pixels of a bin, (most pixels of a bin) each: intensity, c w, place in the matrix.
    seen: (pixels), the last frame in which each was rejected."""

    x: np.ndarray
    share: np.ndarray
    entry: np.ndarray
    seen: np.ndarray


class Results(NamedTuple):
    """signal, variance, normalisation: (frames, bins); rejected pixels (frames); rejected_frames: in how many
    each pixel was rejected, (pixels)."""

    signal: np.ndarray
    variance: np.ndarray
    normalisation: np.ndarray
    rejected: np.ndarray
    rejected_frames: np.ndarray


@compiled
def _counted(stored: float, dead: float, floor: float) -> tuple[float, float]:
    """Counts of a pixel and their variance, corrected for dead time."""
    if dead == 0.0:
        return stored, max(stored, floor)
    factor = 1.0 / (1.0 - dead * stored)
    return stored * factor, max(stored, floor) * factor**4


@compiled
def _gather(
    frame: np.ndarray, counts: Counts, matrix: Matrix, dead: float, b: int, scratch: Scratch
) -> tuple[int, float, float, float, float, float]:
    """Valid pixels of bin b: intensity, c w and place in the matrix. Returns how many there are, and their
    sums of c (n - d), c^2 v, c w, (c w)^2 and c."""
    # Taken out of the tuples once: numba counts references where a loop takes them out.
    low, high, dark, dark_variance, floor = counts
    indptr, indices, coefficients, weight = matrix
    x, share, entry, _ = scratch
    has_dark, has_dark_variance = dark.size > 0, dark_variance.size > 0
    n = 0
    signal = variance = norm = norm_squared = shares = 0.0
    for k in range(indptr[b], indptr[b + 1]):
        pixel = indices[k]
        stored = frame[pixel]
        # A NaN fails both comparisons and is left out.
        if not (stored >= low and stored <= high) or weight[k] == 0 or coefficients[k] == 0:
            continue
        if dead * stored >= 1.0:
            continue
        count, noise = _counted(np.float64(stored), dead, floor)
        if has_dark:
            count -= dark[pixel]
        if has_dark_variance:
            noise += dark_variance[pixel]
        c = np.float64(coefficients[k])
        x[n] = count / weight[k]
        share[n] = c * weight[k]
        entry[n] = k
        signal += c * count
        variance += c * c * noise
        norm += share[n]
        norm_squared += share[n] * share[n]
        shares += c
        n += 1
    return n, signal, variance, norm, norm_squared, shares


@compiled
def _add_up(
    frame: np.ndarray,
    counts: Counts,
    matrix: Matrix,
    dead: float,
    first: int,
    stop: int,
    scratch: Scratch,
) -> tuple[float, float, float, float, float]:
    """The same sums over the gathered pixels first..stop-1."""
    _, _, dark, dark_variance, floor = counts
    _, indices, coefficients, _ = matrix
    _, share, entry, _ = scratch
    has_dark, has_dark_variance = dark.size > 0, dark_variance.size > 0
    signal = variance = norm = norm_squared = shares = 0.0
    for i in range(first, stop):
        pixel = indices[entry[i]]
        count, noise = _counted(np.float64(frame[pixel]), dead, floor)
        if has_dark:
            count -= dark[pixel]
        if has_dark_variance:
            noise += dark_variance[pixel]
        c = np.float64(coefficients[entry[i]])
        signal += c * count
        variance += c * c * noise
        norm += share[i]
        norm_squared += share[i] * share[i]
        shares += c
    return signal, variance, norm, norm_squared, shares


@compiled
def _note_rejected(pixel: int, frame: int, seen: np.ndarray, results: Results) -> None:
    # A pixel shared by bins counts once a frame.
    if seen[pixel] != frame:
        seen[pixel] = frame
        results.rejected[frame] += 1
        results.rejected_frames[pixel] += 1


@compiled
def _observed_variance(x: np.ndarray, share: np.ndarray, n: int, mean: float) -> float:
    # Four sums side by side: one alone waits for each addition.
    a = b = c = d = 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        a += (share[i] * (x[i] - mean)) ** 2
        b += (share[i + 1] * (x[i + 1] - mean)) ** 2
        c += (share[i + 2] * (x[i + 2] - mean)) ** 2
        d += (share[i + 3] * (x[i + 3] - mean)) ** 2
    for i in range(whole, n):
        a += (share[i] * (x[i] - mean)) ** 2
    return (a + b) + (c + d)


@compiled
def clip(
    frames: np.ndarray,
    counts: Counts,
    matrix: Matrix,
    dead: np.ndarray,
    scratch: Scratch,
    results: Results,
    threshold: float,
    iterations: int,
    observed: bool,
) -> None:
    x, share, entry, seen = scratch
    for f in range(frames.shape[0]):
        frame = frames[f]
        for b in range(matrix.indptr.size - 1):
            n, total, spread, norm, norm_squared, shares = _gather(
                frame, counts, matrix, dead[f], b, scratch
            )
            for _ in range(iterations):
                if n < FEWEST:
                    break
                mean = total / norm
                scatter = _observed_variance(x, share, n, mean) if observed else spread
                sigma = math.sqrt(scatter / norm_squared)
                chauvenet = math.sqrt(2.0 * math.log(max(3.0, shares) / math.sqrt(2.0 * math.pi)))
                # Of equal pixels the mean is off by rounding, and sigma is nothing more than that.
                limit = max(threshold, chauvenet) * sigma + 1e-12 * abs(mean)
                kept = 0
                for i in range(n):
                    if abs(x[i] - mean) > limit:
                        _note_rejected(matrix.indices[entry[i]], f, seen, results)
                        continue
                    if kept != i:
                        x[kept] = x[i]
                        share[kept] = share[i]
                        entry[kept] = entry[i]
                    kept += 1
                if kept == n:
                    break
                n = kept
                total, spread, norm, norm_squared, shares = _add_up(
                    frame, counts, matrix, dead[f], 0, n, scratch
                )
            results.signal[f, b] = total
            results.variance[f, b] = spread if counts.floor >= 0.0 else np.nan
            results.normalisation[f, b] = norm


@compiled
def _swap(x: np.ndarray, share: np.ndarray, entry: np.ndarray, i: int, j: int) -> None:
    x[i], x[j] = x[j], x[i]
    share[i], share[j] = share[j], share[i]
    entry[i], entry[j] = entry[j], entry[i]


@compiled
def _in_order(x: np.ndarray, entry: np.ndarray, i: int, j: int) -> bool:
    """By intensity; equal ones by their place in the matrix, so that there is one order."""
    return x[i] < x[j] or (x[i] == x[j] and entry[i] <= entry[j])


@compiled
def _partition(
    x: np.ndarray, share: np.ndarray, entry: np.ndarray, first: int, last: int
) -> tuple[int, float]:
    """Part first..last by a pivot (the middle one of three); its place, and the c w before it in the part."""
    middle = (first + last) // 2
    if not _in_order(x, entry, first, middle):
        _swap(x, share, entry, first, middle)
    if not _in_order(x, entry, first, last):
        _swap(x, share, entry, first, last)
    if not _in_order(x, entry, last, middle):
        _swap(x, share, entry, middle, last)
    pivot, pivot_entry = x[last], entry[last]
    place = first
    before = 0.0
    for i in range(first, last):
        # Without a branch, which would be guessed wrongly every other time.
        value, part, k = x[i], share[i], entry[i]
        x[i], share[i], entry[i] = x[place], share[place], entry[place]
        x[place], share[place], entry[place] = value, part, k
        below = (value < pivot) | ((value == pivot) & (k < pivot_entry))
        place += below
        before += part * below
    _swap(x, share, entry, place, last)
    return place, before


@compiled
def _lower_place(
    x: np.ndarray, share: np.ndarray, entry: np.ndarray, n: int, wanted: float
) -> tuple[int, float]:
    """The first pixel in order whose c w, added to all before it, reaches `wanted`: its place, with smaller
    ones before and larger ones behind it, and the c w before it."""
    first, last, below = 0, n - 1, 0.0
    while first < last:
        place, part = _partition(x, share, entry, first, last)
        if below + part >= wanted and place > first:
            last = place - 1
        elif below + part + share[place] >= wanted or place == last:
            return place, below + part
        else:
            first, below = place + 1, below + part + share[place]
    return first, below


@compiled
def _upper_place(
    x: np.ndarray,
    share: np.ndarray,
    entry: np.ndarray,
    first: int,
    n: int,
    below: float,
    wanted: float,
) -> tuple[int, float]:
    """The last pixel in order, of those from `first`, before which there is c w of at most `wanted`: its
    place, smaller ones before and larger ones behind it, and the c w before it. below: before `first`."""
    last = n - 1
    while first < last:
        place, part = _partition(x, share, entry, first, last)
        if below + part > wanted and place > first:
            last = place - 1
        elif below + part + share[place] > wanted or place == last:
            return place, below + part
        else:
            first, below = place + 1, below + part + share[place]
    return first, below


@compiled
def _between(
    x: np.ndarray,
    share: np.ndarray,
    entry: np.ndarray,
    n: int,
    total: float,
    lower: float,
    upper: float,
) -> tuple[int, int]:
    """First and last place of the pixels to keep, once they are in order."""
    # Sums in another order differ by rounding.
    slack = 1e-12 * total
    start, end = lower * total, upper * total
    first, before = _lower_place(x, share, entry, n, start - slack)
    last, below = _upper_place(x, share, entry, first, n, before, end + slack)
    if lower == upper:
        return first, last
    within = first + (before < start - slack), last - (below + share[last] > end + slack)
    return within if within[0] <= within[1] else (first, last)


@compiled
def trim(
    frames: np.ndarray,
    counts: Counts,
    matrix: Matrix,
    dead: np.ndarray,
    scratch: Scratch,
    results: Results,
    lower: float,
    upper: float,
    factor: float,
) -> None:
    x, share, entry, seen = scratch
    for f in range(frames.shape[0]):
        frame = frames[f]
        for b in range(matrix.indptr.size - 1):
            n, _, _, all_norm, all_squared, _ = _gather(frame, counts, matrix, dead[f], b, scratch)
            if n == 0:
                results.signal[f, b] = 0.0
                results.variance[f, b] = 0.0 if counts.floor >= 0.0 else np.nan
                results.normalisation[f, b] = 0.0
                continue
            first, last = _between(x, share, entry, n, all_norm, lower, upper)
            for i in range(first):
                _note_rejected(matrix.indices[entry[i]], f, seen, results)
            for i in range(last + 1, n):
                _note_rejected(matrix.indices[entry[i]], f, seen, results)
            total, spread, norm, norm_squared, _ = _add_up(
                frame, counts, matrix, dead[f], first, last + 1, scratch
            )
            results.signal[f, b] = total
            results.normalisation[f, b] = norm
            # factor x variance of one pixel / number of pixels, times N^2 as I = S / N divides by it.
            of_pixel = spread / norm_squared if counts.floor >= 0.0 else np.nan
            results.variance[f, b] = factor * of_pixel * all_squared * (norm / all_norm) ** 2
