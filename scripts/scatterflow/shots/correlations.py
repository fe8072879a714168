"""Masked spatial autocorrelation of single shots, speckle size and contrast.

With the mask m (1 good, 0 bad), over all pairs of pixels p and p + d of which both are good,

    A(d) = [sum m I_p m I_{p+d}] [sum m m] / ([sum m I_p m_{p+d}] [sum m_p m I_{p+d}])

1 where neighbours know nothing of each other: the autocorrelation of SLAC's smalldata_tools. There the frame
repeats itself beyond its edges; here zeros stand between, so that no pixel meets one from the other edge. Of
cameras with tiles the four sums are added over the tiles. Transforms are real and of the frames' own
precision (relative 1e-6 of A for float32); that of the mask is kept.

The radial profile is measured from lag 0, in rings one pixel wide, the first of lags 0.5..1.5: lag 0, where
each photon meets itself, is left out. Speckles: a Gaussian b + c exp(-r^2 / (2 s^2)) fitted to the profile,
size 2 sqrt(2 ln 2) s, full width at half maximum. Settings:

    reach       largest lag, pixels; 20
    threshold   number or [low, high]: values beyond count as 0
    fit         fit the speckles; True
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.shots.settings import refuse_unknown
from scatterflow.shots.thresholds import above_threshold

KNOWN = ("reach", "threshold", "fit")
REACH = 20
WIDTH_OF_SIGMA = 2 * math.sqrt(2 * math.log(2))


@dataclass(frozen=True)
class MaskTransform:
    """What all shots share.

    good: (tiles, rows, columns) bool, cut to the good pixels, where `cut` says; box: size of transforms;
    transform: of the mask; pairs: (2 reach + 1, 2 reach + 1) float64, pairs of good pixels at each lag; ring:
    the same shape, int64, of the profile, -1 none; radius: (reach,) mean lag of each ring.
    """

    shape: tuple[int, ...]
    cut: tuple[slice, ...]
    good: np.ndarray
    box: tuple[int, int]
    reach: int
    transform: np.ndarray
    pairs: np.ndarray
    ring: np.ndarray
    radius: np.ndarray
    settings: dict[str, Any]


def prepare_autocorrelation(good: np.ndarray, settings: Mapping[str, Any]) -> MaskTransform:
    """Transform of a mask. good: (rows, columns) or (tiles, rows, columns) bool. Raises UserError."""
    from scipy.fft import next_fast_len

    refuse_unknown(settings, KNOWN, "autocorrelation")
    tiles = good.reshape(-1, *good.shape[-2:])
    if not good.any():
        raise UserError("no pixel is good", "autocorrelation", "correct the masks or the region")
    cut = tuple(_span(np.any(tiles, axis=(0, other))) for other in (2, 1))
    cropped = np.ascontiguousarray(tiles[(slice(None), *cut)])
    rows, columns = cropped.shape[1:]
    reach = int(settings.get("reach", REACH))
    if not 1 <= reach < max(rows, columns):
        raise UserError(
            f"lags up to {reach} of {rows} x {columns} good pixels",
            "autocorrelation: reach",
            "give 1 or more, and less than the region is wide",
        )
    box = (next_fast_len(rows + reach, True), next_fast_len(columns + reach, True))
    transform = _transform(cropped.astype(np.float32), box)
    pairs = np.rint(_lags(np.abs(_transform(cropped.astype(np.float64), box)) ** 2, box, reach))
    lag = np.arange(-reach, reach + 1)
    distance = np.hypot(lag[:, None], lag[None, :])
    ring = np.floor(distance + 0.5).astype(np.int64) - 1
    ring[(ring >= reach) | (pairs == 0)] = -1
    number = np.bincount(ring[ring >= 0], minlength=reach)
    radius = np.bincount(ring[ring >= 0], distance[ring >= 0], reach) / np.maximum(number, 1)
    radius = np.where(number > 0, radius, np.nan)
    return MaskTransform(
        good.shape, cut, cropped, box, reach, transform, pairs, ring, radius, dict(settings)
    )


def autocorrelations(
    frames: np.ndarray, mask: MaskTransform, *, threads: int = 1
) -> dict[str, np.ndarray]:
    """Autocorrelation of each shot.

    frames: (n, *shape of the mask). acf: (n, 2 reach + 1, 2 reach + 1) float64, lag 0 in the middle; profile:
    (n, reach); with the fit speckle_size, pixels, contrast and baseline, (n,), and their errors from the
    scatter of the profile, NaN where it did not converge. NaN where there are no pairs or no intensity.
    Raises UserError for frames of another shape.
    """
    if frames.shape[1:] != mask.shape:
        raise UserError(
            f"frames of {frames.shape[1:]} pixels and a mask of {mask.shape}",
            "autocorrelation",
            "choose the mask of this detector",
        )
    size = 2 * mask.reach + 1
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda frame: _autocorrelation(frame, mask), frames))
    acf = np.array(found, dtype=np.float64).reshape(len(frames), size, size)
    profile = _profiles(acf, mask)
    results = {"acf": acf, "profile": profile}
    if mask.settings.get("fit", True):
        number = np.bincount(mask.ring[mask.ring >= 0], minlength=mask.reach)
        results |= speckle_fits(mask.radius, profile, number)
    return results


def _autocorrelation(frame: np.ndarray, mask: MaskTransform) -> np.ndarray:
    values = frame.reshape(-1, *frame.shape[-2:])[(slice(None), *mask.cut)]
    values = values if values.dtype.kind == "f" else values.astype(np.float64)
    values = above_threshold(values, {"threshold": mask.settings.get("threshold")}, None)
    good, transform, pairs = mask.good, mask.transform, mask.pairs
    if np.isnan(values[good]).any():  # a mask of this shot's own
        good = good & ~np.isnan(values)
        transform = _transform(good.astype(values.dtype), mask.box)
        pairs = np.rint(_lags(np.abs(transform) ** 2, mask.box, mask.reach))
    own = _transform(np.where(good, values, values.dtype.type(0)), mask.box)
    both = _lags(np.abs(own) ** 2, mask.box, mask.reach)
    first = _lags(np.conj(own) * transform, mask.box, mask.reach)
    # The second is the first with the lag turned round.
    means = first * first[::-1, ::-1]
    there = (pairs > 0) & (means > 0)
    return np.where(there, both * pairs / np.where(there, means, 1.0), np.nan)


def _transform(values: np.ndarray, box: tuple[int, int]) -> np.ndarray:
    from scipy.fft import rfft2

    return np.asarray(rfft2(values, box))


def _lags(power: np.ndarray, box: tuple[int, int], reach: int) -> np.ndarray:
    """Inverse transform summed over tiles, at lags -reach..reach, float64."""
    from scipy.fft import irfft2

    whole = np.asarray(irfft2(power.sum(axis=0), box), dtype=np.float64)
    lag = np.arange(-reach, reach + 1)
    return whole[lag[:, None], lag[None, :]]


def _span(used: Any) -> slice:
    places = np.flatnonzero(used)
    return slice(int(places[0]), int(places[-1]) + 1)


def _profiles(acf: np.ndarray, mask: MaskTransform) -> np.ndarray:
    """(n, reach) mean of A over the lags of each ring."""
    chosen = mask.ring >= 0
    ring, values = mask.ring[chosen], acf[:, chosen]
    number = np.bincount(ring, minlength=mask.reach)
    sums = [np.bincount(ring, row, mask.reach) for row in values]
    means = np.array(sums).reshape(len(acf), mask.reach) / np.maximum(number, 1)
    return np.where(number > 0, means, np.nan)


def speckle_fits(
    radius: np.ndarray, profile: np.ndarray, number: np.ndarray
) -> dict[str, np.ndarray]:
    """Gaussians fitted to profiles.

    radius, number: (rings,) pixels, lags in each ring; profile: (n, rings). speckle_size, contrast, baseline
    and their errors, (n,), NaN where there is no fit.
    """
    from scatterflow.kernels.least_squares import least_squares

    names = ("contrast", "speckle_size", "baseline")
    found = {name: np.full(len(profile), np.nan) for name in names}
    found |= {f"{name}_error": np.full(len(profile), np.nan) for name in names}
    usable = number > 0
    fitted = np.flatnonzero(np.isfinite(profile[:, usable]).all(axis=1))
    freedom = int(usable.sum()) - 3
    if freedom < 1 or fitted.size == 0:
        return found
    r, data = radius[usable], profile[fitted][:, usable]
    weights = np.broadcast_to(np.sqrt(number[usable]), data.shape)

    def gaussian(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, sigma = p[:, :1], p[:, 1:2]
        shape = np.exp(-0.5 * (r / sigma) ** 2)
        by_sigma = height * shape * r**2 / sigma**3
        slopes = np.stack([shape, by_sigma, np.ones_like(shape)], axis=2)
        return p[:, 2:] + height * shape, slopes

    base = np.median(data[:, data.shape[1] // 2 :], axis=1)
    start = np.stack([data[:, 0] - base, np.full(fitted.size, 1.5), base], axis=1)
    lower = np.tile([-np.inf, 0.2, -np.inf], (fitted.size, 1))
    upper = np.tile([np.inf, 2 * float(r[-1]), np.inf], (fitted.size, 1))
    solution = least_squares(gaussian, data, weights, start, lower, upper, np.ones(3, dtype=bool))
    right = solution.converged & ~solution.singular & ~solution.at_bound.any(axis=1)
    scatter = solution.chi_square / freedom
    variances = np.diagonal(solution.covariance, axis1=1, axis2=2) * scatter[:, None]
    for column, name in enumerate(names):
        scale = WIDTH_OF_SIGMA if name == "speckle_size" else 1.0
        found[name][fitted] = np.where(right, scale * solution.parameters[:, column], np.nan)
        errors = np.sqrt(np.where(right, variances[:, column], np.nan))
        found[f"{name}_error"][fitted] = scale * errors
    return found
