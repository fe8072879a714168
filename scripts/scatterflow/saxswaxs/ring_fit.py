"""Position of one powder ring in a radial profile: a Gaussian on a straight line, by least squares.

I(x) = height exp(-(x - centre)^2 / 2 s^2) + background + slope (x - centre),   width = 2.355 s
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

FEWEST_BINS = 8
"""Bins that a fit needs (the model has five parameters)."""
FIT_HALF_WIDTHS = 4.0
"""The fit uses the data within this many full widths at half maximum around the top."""
MODEL_ERROR = 0.02
"""How well a Gaussian describes a real ring, relative to its height. Added to sigma in quadrature:
counting statistics alone would give the tails of a strong ring all the weight, where the shape is
wrong (tilt, strain, detector spread), and pull the centre by far more than its quoted error."""
FWHM_PER_SIGMA = float(np.sqrt(8 * np.log(2)))


@dataclass(frozen=True)
class Peak:
    """A fitted ring: centre and full width at half maximum in the unit of the axis, height and
    background in that of the intensity, standard errors from the scatter around the fit."""

    centre: float
    centre_error: float
    width: float
    height: float
    height_error: float
    background: float


def fit_ring(
    x: np.ndarray, intensity: np.ndarray, sigma: np.ndarray | None, position: float
) -> Peak | None:
    """Fit the highest peak of a window; None where the fit does not converge.

    x: (bins,) axis of the window, increasing, at least `FEWEST_BINS`. intensity: (bins,), finite.
    sigma: (bins,) standard errors or None; where not finite or 0, the smallest of the others.
    position: where the ring is expected, in the unit of x.
    """
    from scipy.optimize import OptimizeWarning, curve_fit

    scale = float(np.ptp(intensity))
    if not scale > 0:
        return None
    x = x - position  # around the ring, so that background and slope are independent of each other
    start = _start_values(x, intensity)
    height, centre, width, _, _ = start
    near = np.abs(x - centre) <= FIT_HALF_WIDTHS * width
    if near.sum() < FEWEST_BINS:
        near = np.ones(x.size, dtype=bool)
    weights = None if sigma is None else _with_model_error(sigma[near], height)
    # All parameters of order 1, whatever the units of the profile.
    unit = np.array([scale, width, width, scale, scale / width])
    with warnings.catch_warnings():
        warnings.simplefilter("error", OptimizeWarning)
        try:
            best, covariance = curve_fit(
                _ring_model,
                x[near] / width,
                intensity[near] / scale,
                p0=np.array(start) / unit / [1, 1, FWHM_PER_SIGMA, 1, 1],
                sigma=None if weights is None else weights / scale,
                maxfev=2000,
            )
        except (RuntimeError, OptimizeWarning):
            return None
    errors = np.sqrt(np.diag(covariance)) * unit
    best = best * unit
    if not (np.isfinite(errors).all() and errors[0] > 0):
        return None
    return Peak(
        centre=float(position + best[1]),
        centre_error=float(errors[1]),
        width=float(abs(best[2]) * FWHM_PER_SIGMA),
        height=float(best[0]),
        height_error=float(errors[0]),
        background=float(best[3] + best[4] * best[1]),
    )


def _ring_model(
    x: np.ndarray, height: float, centre: float, deviation: float, background: float, slope: float
) -> np.ndarray:
    return height * np.exp(-0.5 * ((x - centre) / deviation) ** 2) + background + slope * x


def _with_model_error(sigma: np.ndarray, height: float) -> np.ndarray | None:
    """Standard errors for weighting: counting statistics and the model's own error."""
    known = np.isfinite(sigma) & (sigma > 0)
    if not known.any():
        return None
    # A bin without a count has sigma 0: it is known no better than the best of the others.
    filled = np.where(known, sigma, sigma[known].min())
    return np.hypot(filled, MODEL_ERROR * abs(height))


def _start_values(x: np.ndarray, intensity: np.ndarray) -> tuple[float, float, float, float, float]:
    """Height, centre, full width at half maximum, background at x = 0 and slope, from the data."""
    ends = max(2, x.size // 8)
    left, right = np.median(intensity[:ends]), np.median(intensity[-ends:])
    slope = (right - left) / (np.mean(x[-ends:]) - np.mean(x[:ends]))
    background = left - slope * np.mean(x[:ends])
    above = intensity - background - slope * x
    top = int(np.argmax(above))
    low = high = top
    while low > 0 and above[low - 1] > above[top] / 2:
        low -= 1
    while high < x.size - 1 and above[high + 1] > above[top] / 2:
        high += 1
    width = x[high] - x[low] + np.median(np.diff(x))
    return float(above[top]), float(x[top]), float(width), float(background), float(slope)
