"""Averages over the pixels of a bin that outliers do not spoil: hot pixels, Bragg spots, cosmic rays.

A pixel of n counts (corrected for dead time as in `azimuthal`) with dark d and weight w (solid angle x
polarisation x flat) has the intensity x = (n - d) / w. Of each bin the pixels whose x lies far off are left
out, and the rest is averaged as in `azimuthal`: S = sum c (n - d), N = sum c w, I = S / N with c the fraction
of the pixel in the bin.

Sigma-clipping (pyFAI's `sigma_clip_ng`), repeated until nothing is rejected:

    mean = S / N,  sigma = sqrt(V / sum (c w)^2)
    rejected: |x - mean| > max(threshold, sqrt(2 ln(max(3, sum c) / sqrt(2 pi)))) sigma

where V = sum c^2 v(n) (expected) or sum (c w)^2 (x - mean)^2 (observed in the bin), and the second
threshold is Chauvenet's. Bins of less than three pixels are left alone. With pixel splitting each
bin judges by itself; pyFAI drops a rejected pixel from all its bins, in the order of its threads.

Trimming (pyFAI's `medfilt1d_ng`): pixels sorted by x, their weights c w added up one after the other, so
that each takes a step from before to after; those are kept whose step lies within the range between
the two quantiles of the sum. Of equal quantiles it is the pixel whose step holds it (two where it is
between them): the median. Where a bin is so small that no step lies within, those are kept that touch
the range (pyFAI: only one that holds it all).
The variance of a trimmed mean of n pixels of variance s^2 is f s^2 / n with f = 1.19 for the
quartiles and pi / 2 for the median of normally distributed values (`variance_factor`; Stuart & Ord,
Kendall's Advanced Theory of Statistics 1, chapter 10); pyFAI gives that of the kept pixels alone.

Sums are float64 in a fixed order: a frame's result depends neither on the frames beside it nor on
the number of threads.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np

from scatterflow.kernels.moments import comparable
from scatterflow.kernels.robust_bins import Counts, Matrix, Results, Scratch, clip, trim

# Least variance of a pixel; below 0 there is none.
FLOORS = {"none": -1.0, "counting": 0.0, "poisson": 1.0}


@dataclass(frozen=True)
class RobustSums:
    """Sums over the kept pixels, and what was rejected.

    signal, variance, normalisation: (frames, bins) float64; rejected_pixels: (frames,) int64, pixels left
    out of at least one bin; rejected_frames: (pixels,) int64, in how many frames each pixel was.
    """

    signal: np.ndarray
    variance: np.ndarray
    normalisation: np.ndarray
    rejected_pixels: np.ndarray
    rejected_frames: np.ndarray


def clip_frames(
    frames: np.ndarray,
    limits: tuple[float, float],
    indptr: np.ndarray,
    indices: np.ndarray,
    coefficients: np.ndarray,
    weight: np.ndarray,
    *,
    threshold: float = 5.0,
    iterations: int = 5,
    spread: str = "observed",
    dark: np.ndarray | None = None,
    dark_variance: np.ndarray | None = None,
    dead_time_fraction: np.ndarray | None = None,
    error_model: str = "poisson",
    threads: int = 1,
) -> RobustSums:
    """Sums of each frame over the pixels that sigma-clipping keeps.

    frames: (frames, pixels or rows, columns), any real dtype, C-contiguous, used as stored. limits: lowest
    and highest valid stored value. indptr (bins + 1), indices, coefficients: CSR matrix, a row a bin.
    weight, dark, dark_variance: (pixels) float64. dead_time_fraction: (frames) float64, dead time over
    exposure; pixels that count so fast that the counter was dead all the time are invalid. error_model:
    `poisson` v(n) = max(1, n), `counting` v(n) = n, `none` (variance is NaN).
    threshold: in sigmas, at least (0: Chauvenet's alone); iterations: at most; spread: sigma is the
    `observed` scatter of the pixels in the bin, or `expected` from the error model.
    Raises ValueError if the frames do not fit, or sigma is expected without an error model.
    """
    if spread not in ("observed", "expected"):
        raise ValueError(f"spread {spread!r}: observed or expected")
    if spread == "expected" and error_model == "none":
        raise ValueError("an expected spread needs an error model")
    return _over_frames(
        clip,
        (float(threshold), int(iterations), spread == "observed"),
        (frames, limits, indptr, indices, coefficients, weight, dark, dark_variance),
        dead_time_fraction,
        error_model,
        threads,
    )


def trim_frames(
    frames: np.ndarray,
    limits: tuple[float, float],
    indptr: np.ndarray,
    indices: np.ndarray,
    coefficients: np.ndarray,
    weight: np.ndarray,
    *,
    quantiles: tuple[float, float] = (0.5, 0.5),
    dark: np.ndarray | None = None,
    dark_variance: np.ndarray | None = None,
    dead_time_fraction: np.ndarray | None = None,
    error_model: str = "poisson",
    threads: int = 1,
) -> RobustSums:
    """Sums of each frame over the pixels between two quantiles of their bin; equal ones: the median, say.

    frames, limits, matrix, weight, dark, dead time, error_model: as `clip_frames` takes them.
    quantiles: 0 <= lower <= upper <= 1. Raises ValueError if these or the frames do not fit.
    """
    lower, upper = map(float, quantiles)
    return _over_frames(
        trim,
        (lower, upper, variance_factor(lower, upper)),
        (frames, limits, indptr, indices, coefficients, weight, dark, dark_variance),
        dead_time_fraction,
        error_model,
        threads,
    )


def variance_factor(lower: float, upper: float) -> float:
    """Variance of the trimmed mean of many normally distributed values, relative to that of their mean.

    That of the mean of values winsorised at the quantiles over (upper - lower)^2; for equal quantiles its
    limit q (1 - q) / phi(z_q)^2. Raises ValueError unless 0 <= lower <= upper <= 1, or if both are 0 or 1.
    """
    if not 0 <= lower <= upper <= 1 or (lower == upper and lower in (0, 1)):
        raise ValueError(f"quantiles {lower}, {upper}: ascending, from 0 to 1")
    normal = NormalDist()
    if lower == upper:
        return lower * (1 - lower) / normal.pdf(normal.inv_cdf(lower)) ** 2
    # Moments of the middle, and of the tails moved to its ends.
    mean, square = 0.0, upper - lower
    for quantile, tail, sign in ((lower, lower, 1), (upper, 1 - upper, -1)):
        if tail > 0:
            z = normal.inv_cdf(quantile)
            mean += sign * normal.pdf(z) + tail * z
            square += sign * z * normal.pdf(z) + tail * z * z
    return (square - mean * mean) / (upper - lower) ** 2


def _over_frames(
    kernel: Any,
    parameters: tuple[Any, ...],
    data: tuple[Any, ...],
    dead_time_fraction: np.ndarray | None,
    error_model: str,
    threads: int,
) -> RobustSums:
    """Run a kernel with threads over frames, each with a scratch of its own."""
    frames, limits, indptr, indices, coefficients, weight, dark, dark_variance = data
    pixels = math.prod(frames.shape[1:])
    if pixels != weight.size:
        raise ValueError(f"frames of {pixels} pixels, weights for {weight.size}")
    frames = frames.reshape(len(frames), pixels)
    dead = np.zeros(len(frames))
    if dead_time_fraction is not None:
        dead[:] = dead_time_fraction
    shape = (len(frames), indptr.size - 1)
    signal, variance, normalisation = (np.empty(shape) for _ in range(3))
    rejected = np.zeros(len(frames), dtype=np.int64)
    largest = int(np.diff(indptr).max(initial=0))
    empty = np.empty(0)
    counts = Counts(
        *comparable(limits, frames.dtype),
        empty if dark is None else dark.ravel(),
        empty if dark_variance is None else dark_variance.ravel(),
        FLOORS[error_model],
    )
    # Weights in the order of the matrix, so that they are read straight on.
    matrix = Matrix(indptr, indices, coefficients, weight.ravel()[indices])

    def run(part: slice) -> np.ndarray:
        rejected_frames = np.zeros(pixels, dtype=np.int64)
        scratch = Scratch(
            np.empty(largest),
            np.empty(largest),
            np.empty(largest, dtype=np.int64),
            np.full(pixels, -1, dtype=np.int64),
        )
        results = Results(
            signal[part], variance[part], normalisation[part], rejected[part], rejected_frames
        )
        kernel(frames[part], counts, matrix, dead[part], scratch, results, *parameters)
        return rejected_frames

    threads = max(1, min(threads, len(frames)))
    edges = np.linspace(0, len(frames), threads + 1).astype(int)
    parts = [slice(a, b) for a, b in pairwise(edges)]
    if threads == 1:
        maps = [run(part) for part in parts]
    else:
        with ThreadPoolExecutor(threads) as pool:
            maps = list(pool.map(run, parts))
    return RobustSums(signal, variance, normalisation, rejected, np.sum(maps, axis=0))
