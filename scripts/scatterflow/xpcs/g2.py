"""Normalised correlation functions of dynamic bins, out of the sums of all pixels.

With G, A, B the means over the pixels of a static bin s of the pairs' products, past and future:

static_bins     g2 = mean over the static bins of the dynamic bin of G_s / (A_s B_s), as XPCS-Eigen and
                boost_corr define it; static bins without photons are left out of the mean, and counted.
dynamic_bins    g2 = G_d / (A_d B_d), means over the dynamic bin, as scikit-beam; intensity that varies in
                the bin lifts it by var(I) / <I>^2.
bias_corrected  g2 = sum_s n_s G_s / sum_s n_s (A_s B_s - Q_s), for few photons. Past and future of a bin have
                the photons of most frames in common: A_s B_s is too large on average by the variance of the
                common ones, which is estimated without bias by their number (Poisson),
                Q_s = photons in frames that count in both / (n_s pairs)^2, so that G_s / (A_s B_s) is too
                low by one over the photons in the bin. Numerator and denominator are now unbiased each, and
                their ratio is formed once per dynamic bin: to first order their fluctuations are the same and
                cancel. Counts must be photons.

Every g2 comes with its linearisation: what one pixel adds to it is u_p = c_G G_p + c_A A_p + c_B B_p + c_1
with coefficients by static bin, whose sum over the bin is 0; `uncertainty` makes errors of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scatterflow.kernels.lags import Lags, valid_above

Normalisation = Literal["static_bins", "dynamic_bins", "bias_corrected"]


@dataclass(frozen=True, eq=False)
class G2Result:
    """g2 of each dynamic bin (Nd of them) at each delay (T).

    delay: (T,) int64, frames; level: (T,) int64, of multi-tau; pairs: (T,) int64, valid pairs of samples.
    g2: (T, Nd), NaN where a bin has no photons; empty: (T, Nd) int64, its static bins that have none. error:
    (T, Nd), standard error from the scatter over speckles; error_time: from that over windows of time,
    NaN where fewer than three of them are twice as long as the delay, or None. partial: (W, T, Nd) g2 of each
    window of time, with partial_error and partial_labels (frames), or None. speckle_size: (Nd,) pixels, full
    width at half maximum, NaN where neighbours are not seen to be correlated; independent_pixels: (T, Nd),
    pixels that would give `error` if each were independent of all others.
    """

    delay: np.ndarray
    level: np.ndarray
    pairs: np.ndarray
    g2: np.ndarray
    empty: np.ndarray
    error: np.ndarray
    error_time: np.ndarray | None
    partial: np.ndarray | None
    partial_error: np.ndarray | None
    partial_labels: tuple[str, ...] | None
    speckle_size: np.ndarray
    independent_pixels: np.ndarray


@dataclass(frozen=True, eq=False)
class StaticBins:
    """pixels: (Ns,) int64, of each static bin; parent: (Ns,) int64, its dynamic bin from 0; dynamic: Nd."""

    pixels: np.ndarray
    parent: np.ndarray
    dynamic: int

    def add(self, values: np.ndarray) -> np.ndarray:
        """Sums over the static bins of each dynamic bin, (Nd,)."""
        return np.bincount(self.parent, values, self.dynamic)


@dataclass(frozen=True, eq=False)
class Normalised:
    """g2: (Nd,); empty: (Nd,) int64; coefficients: (4, Ns), c_G, c_A, c_B, c_1; 0 where a bin is left out."""

    g2: np.ndarray
    empty: np.ndarray
    coefficients: np.ndarray


def normalise(
    means: np.ndarray, shared: np.ndarray | None, bins: StaticBins, how: Normalisation
) -> Normalised:
    """g2 of all dynamic bins at one delay.

    means: (3, Ns) float64, G, A and B, per pixel and frame; shared: (Ns,) float64, Q, for bias_corrected.
    """
    filled = (means[1] > 0) & (means[2] > 0)
    if how == "static_bins":
        g2, coefficients = _by_static_bins(means, filled, bins)
    elif how == "dynamic_bins":
        g2, coefficients = _by_dynamic_bins(means, bins)
    else:
        assert shared is not None
        g2, coefficients = _bias_corrected(means, shared, bins)
    return Normalised(g2, bins.add(~filled).astype(np.int64), coefficients)


def _by_static_bins(
    means: np.ndarray, filled: np.ndarray, bins: StaticBins
) -> tuple[np.ndarray, np.ndarray]:
    product, past, future = np.where(filled, means, 1.0)
    weight = filled / (bins.pixels * _at_least_one(bins.add(filled))[bins.parent])
    own = product / (past * future)
    g2 = bins.add(weight * bins.pixels * own)
    coefficients = weight * np.stack([1 / (past * future), -own / past, -own / future, own])
    return np.where(bins.add(filled) > 0, g2, np.nan), coefficients


def _by_dynamic_bins(means: np.ndarray, bins: StaticBins) -> tuple[np.ndarray, np.ndarray]:
    pixels = bins.add(bins.pixels)
    sums = np.stack([bins.add(bins.pixels * mean) for mean in means])
    filled = (sums[1] > 0) & (sums[2] > 0)
    product, past, future = np.where(filled, sums / _at_least_one(pixels), 1.0)
    own = product / (past * future)
    coefficients = np.stack([1 / (past * future), -own / past, -own / future, own])
    coefficients *= filled / _at_least_one(pixels)
    return np.where(filled, own, np.nan), coefficients[:, bins.parent]


def _bias_corrected(
    means: np.ndarray, shared: np.ndarray, bins: StaticBins
) -> tuple[np.ndarray, np.ndarray]:
    product, past, future = means
    below = bins.add(bins.pixels * (past * future - shared))
    filled = below > 0
    below = np.where(filled, below, 1.0)
    g2 = np.where(filled, bins.add(bins.pixels * product) / below, 0.0)
    own = g2[bins.parent]
    coefficients = np.stack(
        [np.ones_like(past), -own * future, -own * past, own * (past * future + shared)]
    )
    coefficients *= (filled / below)[bins.parent]
    return np.where(filled, g2, np.nan), coefficients


def _at_least_one(number: np.ndarray) -> np.ndarray:
    return np.maximum(number, 1)


def per_frame(sums: np.ndarray, level: int, pairs: int, pixels: np.ndarray) -> np.ndarray:
    """Means per pixel and frame of sums over `pairs` pairs (> 0) and over pixels; (3, n) float64."""
    each = pairs * pixels
    past_and_future = each * 2.0**level
    return sums / np.stack([each * 4.0**level, past_and_future, past_and_future])


def shared_photons(
    photons: np.ndarray, valid: np.ndarray, scale: np.ndarray | None, lags: Lags
) -> Iterator[np.ndarray]:
    """Variance of what past and future have in common, delay by delay in the order of the lags.

    photons: (N, Ns), photons of each frame in each static bin; scale: factors of the frames, or None.
    Gives (Ns,) float64, sums over frames that are in both; Q is that over (pixels pairs 2^level)^2.
    """
    samples = np.where(valid[:, None], photons, 0).astype(np.float64)
    if scale is not None:
        samples *= np.square(scale)[:, None]
    good, level = valid, 0
    for own_level, lag in zip(lags.level, lags.samples, strict=True):
        while level < own_level:
            whole = len(good) // 2 * 2
            good = valid_above(good)
            samples = samples[:whole:2] + samples[1:whole:2]
            level += 1
        both = good.copy()
        both[:lag] = False
        both[-lag:] = False
        both[lag:] &= good[:-lag]
        both[:-lag] &= good[lag:]
        yield np.where(both[:, None], samples, 0.0).sum(axis=0)
