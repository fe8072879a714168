"""Finding bad pixels: robust statistics over frames, neighbours and rings.

Location and scale are median and 1.4826 x the median absolute deviation (Rousseeuw and Croux, J. Am. Stat.
Assoc. 88 (1993) 1273): half of the pixels could be bad and would not move them. Scales are never below
what counting alone gives (Poisson): where most pixels are zero the deviation is zero, too.

Every function returns the bad pixels as a bool array (rows, columns), True = bad; NaN (a pixel without a
value) is never called bad here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from scatterflow.errors import UserError
from scatterflow.registry.statistics import StackStatistics

TO_SIGMA = 1.482602218505602  # of a normal distribution: 1 / (its 75 % quantile)


def hot_pixels(
    statistics: StackStatistics, threshold: float, good: np.ndarray | None = None
) -> np.ndarray:
    """Pixels that count more, or scatter more, than the others of a dark: more than `threshold` sigma.

    Where counts are few sigma says little: the counts must also be as improbable by Poisson's law as so
    many sigma are by that of Gauss, all together or in one frame. good: bool, pixels that are looked at and
    that set the scale; None: all.
    """
    looked_at = _looked_at(statistics, good)
    mean, variance = statistics.mean, statistics.variance
    frames = statistics.frames
    # Not below one count in all the frames, the least that can be told apart.
    level = max(np.median(mean[looked_at]), 1 / frames)
    probability = 0.5 * math.erfc(threshold / math.sqrt(2))
    found = _above(mean, looked_at, threshold, math.sqrt(level / frames))
    found &= statistics.total >= improbable_count(level * frames, probability)
    if frames > 2:
        finite = looked_at & np.isfinite(variance)
        usual = max(np.median(variance[finite]), level)
        # Variance of the variance of n counts: (m + 2 m^2) / n.
        noisy = _above(variance, finite, threshold, math.sqrt((usual + 2 * usual**2) / frames))
        single = improbable_count(level, probability / frames) - level
        found |= noisy & (np.nan_to_num(variance) * (frames - 1) >= single**2)
    return found & looked_at


def improbable_count(expected: float, probability: float) -> float:
    """The smallest number of counts that is reached or exceeded with less than this probability.

    For a Poisson distribution P(k counts or more) is the regularised incomplete gamma function P(k, m).
    """
    from scipy.special import gammainc

    reach = 40 * math.sqrt(expected) + 300
    candidates = np.arange(math.floor(expected) + 1, math.ceil(expected + reach))
    rare = gammainc(candidates, expected) < max(probability, 1e-300)
    return float(candidates[np.argmax(rare)]) if rare.any() else math.inf


def _looked_at(statistics: StackStatistics, good: np.ndarray | None) -> np.ndarray:
    looked_at = statistics.count > 0
    if good is not None:
        looked_at &= good
    if not looked_at.any():
        raise UserError("no pixel has a valid value in any frame", "the frames of the detection")
    return looked_at


def _above(values: np.ndarray, looked_at: np.ndarray, threshold: float, least: float) -> np.ndarray:
    centre = np.median(values[looked_at])
    scale = TO_SIGMA * np.median(np.abs(values[looked_at] - centre))
    with np.errstate(invalid="ignore"):
        return values - centre > threshold * max(scale, least)


def dead_pixels(
    statistics: StackStatistics,
    probability: float = 1e-6,
    size: int = 5,
    good: np.ndarray | None = None,
) -> np.ndarray:
    """Pixels that never count although their neighbours do.

    probability: chance that a live pixel stays at zero in all frames, exp(-expected counts); a pixel of
    which fewer counts are expected is never called dead. size: side of the square of neighbours, pixels.
    """
    looked_at = _looked_at(statistics, good)
    expected = neighbours_median(statistics.mean, looked_at, size) * statistics.count
    silent = looked_at & (statistics.zeros == statistics.count)
    with np.errstate(invalid="ignore"):
        return silent & (expected > -math.log(probability))


def odd_response(
    statistics: StackStatistics,
    low: float,
    high: float,
    threshold: float,
    size: int = 5,
    good: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that count less than `low` or more than `high` times what their neighbours do.

    threshold: and that by more than so many standard deviations of counting.
    """
    looked_at = _looked_at(statistics, good)
    expected = neighbours_median(statistics.mean, looked_at, size)
    mean = statistics.mean
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = (mean - expected) / np.sqrt(expected / np.maximum(statistics.count, 1))
        under = looked_at & (mean < low * expected) & (deviation < -threshold)
        over = looked_at & (mean > high * expected) & (deviation > threshold)
    return under, over


def neighbours_median(image: np.ndarray, looked_at: np.ndarray, size: int) -> np.ndarray:
    """Median of the pixels around each one that are looked at, itself left out; NaN where none is."""
    padded = np.pad(np.where(looked_at, image, np.nan), size // 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    found = np.full(image.shape, np.nan)
    middle = size * size // 2
    for row in range(image.shape[0]):  # row by row: all windows at once would fill the memory
        around = windows[row].reshape(image.shape[1], -1).copy()
        around[:, middle] = np.nan
        some = np.isfinite(around).any(axis=1)
        found[row, some] = np.nanmedian(around[some], axis=1)
    return found


def azimuthal_outliers(
    image: np.ndarray,
    radial: np.ndarray,
    bins: int,
    threshold: float,
    good: np.ndarray | None = None,
    counts_per_unit: float | None = None,
) -> np.ndarray:
    """Pixels that differ by more than `threshold` sigma from the median of their ring, up or down.

    image: mean frame, corrected as for integration; radial: q or angle of each pixel, any unit. good:
    pixels that are looked at. counts_per_unit: counts that one unit of the image stands for (the number of
    frames, for a mean of counts): sigma is then never below that of counting. Rings with fewer than 8
    pixels are left alone.
    """
    looked_at = _with_ring(image, radial, good)
    values = image[looked_at]
    outlier = np.zeros(values.size, bool)
    for members in _rings(radial[looked_at], bins):
        if members.size < 8:
            continue
        centre = np.median(values[members])
        deviation = np.abs(values[members] - centre)
        scale = TO_SIGMA * np.median(deviation)
        if counts_per_unit:
            scale = max(scale, math.sqrt(max(centre, 1 / counts_per_unit) / counts_per_unit))
        outlier[members] = deviation > threshold * scale
    found = np.zeros(image.shape, bool)
    found[looked_at] = outlier
    return found


def _with_ring(image: np.ndarray, radial: np.ndarray, good: np.ndarray | None) -> np.ndarray:
    """Good pixels with a value and a place; raises UserError if there are none."""
    looked_at = np.isfinite(image) & np.isfinite(radial)
    if good is not None:
        looked_at &= good
    if not looked_at.any():
        raise UserError("no pixel has a valid value", "the frames of the detection")
    return looked_at


def _rings(radial: np.ndarray, bins: int) -> Iterator[np.ndarray]:
    """Places of the pixels of each ring, ring by ring."""
    low, high = radial.min(), radial.max()
    ring = np.zeros(radial.size, np.int64)
    if high > low:
        ring = np.minimum(((radial - low) / (high - low) * bins).astype(np.int64), bins - 1)
    order = np.argsort(ring, kind="stable")
    edges = np.searchsorted(ring[order], np.arange(bins + 1))
    for start, stop in pairwise(edges):
        yield order[start:stop]


def saturated_pixels(statistics: StackStatistics, fraction: float = 0.0) -> np.ndarray:
    """Pixels at or above the statistics' limit in more than this fraction of the frames."""
    if statistics.limit is None:
        raise ValueError("the statistics were made without a saturation limit")
    return statistics.at_limit > fraction * statistics.frames


def shadow(
    image: np.ndarray,
    radial: np.ndarray,
    bins: int,
    fraction: float,
    smallest: int,
    good: np.ndarray | None = None,
    margin: int = 0,
) -> np.ndarray:
    """Connected regions much darker than the rest of their rings: beam stop, its holder, a flight tube.

    fraction: of the ring's 75 % quantile, below which a pixel is dark; smallest: least number of pixels
    of a region; margin: pixels by which regions are grown, for their blurred edge.
    """
    from scipy import ndimage

    looked_at = _with_ring(image, radial, good)
    values = image[looked_at]
    usual = np.zeros(values.size)
    for members in _rings(radial[looked_at], bins):
        if members.size:
            usual[members] = np.quantile(values[members], 0.75)
    dark = np.zeros(image.shape, bool)
    dark[looked_at] = values < fraction * usual
    regions, number = ndimage.label(dark, structure=np.ones((3, 3)))
    sizes = np.bincount(regions.ravel(), minlength=number + 1)
    sizes[0] = 0
    found = (sizes >= smallest)[regions]
    if margin:
        found = ndimage.binary_dilation(found, structure=np.ones((3, 3)), iterations=margin)
    return found
