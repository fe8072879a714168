"""Figures of merit of profiles, frame by frame, with errors: areas, positions, heights.

An area is the sum of the intensities times the parts of their bins that lie in the range, so that it does
not jump as the range moves over the bins. Bins without a pixel are interpolated between the nearest with
one. `linear` subtracts the straight line through the outermost bins of the range, a tenth on each side.
All of this is linear in the intensities: with coefficients c_b the error is sqrt(sum c_b^2 sigma_b^2).
Centroids are ratios of two such sums, (sum x_b c_b I_b) / (sum c_b I_b).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.saxswaxs.fits import (
    MISSING_BINS,
    NO_DATA,
    NO_INTENSITY,
    NO_PEAK,
    Profiles,
    Values,
    masked,
)

MOST_MISSING = 0.5
"""Part of the range that may be interpolated."""
TOP = 0.75
"""A parabola is drawn through the bins above this part of the peak's height, `FEWEST_TOP` at least."""
FEWEST_TOP = 5


def integral(settings: Mapping[str, Any], profiles: Profiles) -> Values:
    """Area under the profile, intensity times axis unit."""
    result = _empty(profiles)
    name = settings["name"]
    area, error, _, _ = _moments(settings, profiles, result.status)
    _set(result, name, area, None if profiles.sigma is None else error)
    return masked(result)


def centroid(settings: Mapping[str, Any], profiles: Profiles) -> Values:
    """Mean position weighted with the intensity, axis unit."""
    result = _empty(profiles)
    area, _, first, error = _moments(settings, profiles, result.status)
    result.status[result.success & ~(area > 0)] = NO_INTENSITY
    position = np.divide(first, area, out=np.full(area.shape, np.nan), where=area > 0)
    _set(result, settings["name"], position, None if profiles.sigma is None else error)
    return masked(result)


def _moments(
    settings: Mapping[str, Any], profiles: Profiles, status: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Area and its error, first moment, error of the centroid; all (frames,). status: set where it fails."""
    finite = np.isfinite(profiles.intensity)
    variance = _variance(profiles, finite)
    found = np.full((4, len(finite)), np.nan)
    patterns, member = np.unique(finite, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        frames = np.flatnonzero(member.reshape(-1) == number)
        coefficients = _coefficients(settings, profiles.x, profiles.edges, pattern)
        if coefficients is None:
            status[frames] = MISSING_BINS if pattern.any() else NO_DATA
            continue
        zeroth, first = coefficients
        intensity = np.where(pattern, profiles.intensity[frames], 0.0)
        # Not a matrix product: its rounding would depend on how many frames there are.
        area, moment = np.sum(intensity * zeroth, axis=1), np.sum(intensity * first, axis=1)
        # d(centroid)/dI = (c1 - centroid c0) / area
        centre = np.divide(moment, area, out=np.full(area.shape, np.nan), where=area > 0)
        by_bin = first - centre[:, None] * zeroth
        spread = np.sqrt(np.sum(by_bin**2 * variance[frames], axis=1))
        found[0, frames] = area
        found[1, frames] = np.sqrt(np.sum(zeroth**2 * variance[frames], axis=1))
        found[2, frames] = moment
        found[3, frames] = np.divide(spread, area, out=np.full(area.shape, np.nan), where=area > 0)
    return found[0], found[1], found[2], found[3]


def _coefficients(
    settings: Mapping[str, Any], x: np.ndarray, edges: np.ndarray, there: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Coefficients of the intensities in area and first moment, (bins,) each; None if too many are missing.

    there: (bins,) bool, bins with a value.
    """
    low, high = settings["range"] or (edges[0], edges[-1])
    begin, end = np.maximum(edges[:-1], low), np.minimum(edges[1:], high)
    width, middle = end - begin, 0.5 * (begin + end)
    known = np.flatnonzero(there)
    if not (there[0] and there[-1]) or there.mean() < 1 - MOST_MISSING:
        return None
    profile = np.eye(x.size)
    for place in np.flatnonzero(~there):
        after = int(np.searchsorted(known, place))
        left, right = known[after - 1], known[after]
        part = (x[place] - x[left]) / (x[right] - x[left])
        profile[place] = 0.0
        profile[place, [left, right]] = 1 - part, part
    if settings["subtract"] == "linear":
        count = max(2, x.size // 10)
        if 2 * count > x.size:
            return None
        left_position, right_position = np.mean(x[:count]), np.mean(x[-count:])
        slant = (middle - left_position) / (right_position - left_position)
        line = np.outer(1 - slant, profile[:count].mean(axis=0))
        profile = profile - line - np.outer(slant, profile[-count:].mean(axis=0))
    return width @ profile, (width * middle) @ profile


def maximum(settings: Mapping[str, Any], profiles: Profiles) -> Values:
    """Highest intensity of any bin, with the error of that bin."""
    result = _empty(profiles)
    top = _highest_bin(profiles)
    frames = np.arange(len(top))
    errors = None if profiles.sigma is None else profiles.sigma[frames, top]
    _set(result, settings["name"], profiles.intensity[frames, top], errors)
    return masked(result)


def peak_position(settings: Mapping[str, Any], profiles: Profiles) -> Values:
    """Vertex of the parabola through the top of the highest peak, axis unit."""
    result = _empty(profiles)
    position = np.full(len(result.status), np.nan)
    error = np.full(len(result.status), np.nan)
    for frame in np.flatnonzero(result.success):
        sigma = None if profiles.sigma is None else profiles.sigma[frame]
        vertex = _vertex(profiles.x, profiles.intensity[frame], sigma)
        if vertex is None:
            result.status[frame] = NO_PEAK
        else:
            position[frame], error[frame] = vertex
    _set(result, settings["name"], position, None if profiles.sigma is None else error)
    return masked(result)


def _vertex(
    x: np.ndarray, intensity: np.ndarray, sigma: np.ndarray | None
) -> tuple[float, float] | None:
    """Position of the highest point and its error; None if it is at the end or no maximum."""
    there = np.isfinite(intensity)
    x, intensity = x[there], intensity[there]
    top = int(np.argmax(intensity))
    if top in (0, x.size - 1):
        return None
    above = intensity >= intensity.min() + TOP * np.ptp(intensity)
    low = high = top
    while low > 0 and (above[low - 1] or top - low < FEWEST_TOP // 2):
        low -= 1
    while high < x.size - 1 and (above[high + 1] or high - top < FEWEST_TOP // 2):
        high += 1
    used = slice(low, high + 1)
    reach = 0.5 * (x[high] - x[low])
    # Around the top and of order 1, so that the three terms can be told apart.
    u = (x[used] - x[top]) / reach
    terms = np.stack([np.ones(u.size), u, u**2], axis=1)
    weight = np.ones(u.size)
    if sigma is not None:
        own = sigma[there][used]
        weight = 1 / np.where(own > 0, own, own[own > 0].min(initial=np.inf))
    if u.size < 3 or not (weight > 0).all():
        return None
    covariance = np.linalg.pinv((terms * weight[:, None]).T @ (terms * weight[:, None]))
    _, slope, curvature = covariance @ (terms * weight[:, None] ** 2).T @ intensity[used]
    if not curvature < 0 or abs(slope) > abs(2 * curvature):
        return None
    by = np.array([0.0, -1 / (2 * curvature), slope / (2 * curvature**2)]) * reach
    vertex = x[top] - reach * slope / (2 * curvature)
    return float(vertex), float(np.sqrt(by @ covariance @ by))


def _highest_bin(profiles: Profiles) -> np.ndarray:
    """(frames,) index of the highest bin, 0 where no bin has a value."""
    there = np.isfinite(profiles.intensity)
    return np.argmax(np.where(there, profiles.intensity, -np.inf), axis=1)


def _variance(profiles: Profiles, finite: np.ndarray) -> np.ndarray:
    if profiles.sigma is None:
        return np.zeros(profiles.intensity.shape)
    return np.where(finite, profiles.sigma, 0.0) ** 2


def _empty(profiles: Profiles) -> Values:
    there = np.isfinite(profiles.intensity).any(axis=1)
    return Values(np.where(there, 0, NO_DATA).astype(np.uint8))


def _set(result: Values, name: str, values: np.ndarray, errors: np.ndarray | None) -> None:
    result.values[name] = values
    if errors is not None:
        result.errors[name] = errors


SIMPLE_FIGURES: dict[str, Callable[[Mapping[str, Any], Profiles], Values]] = {
    "integral": integral,
    "centroid": centroid,
    "maximum": maximum,
    "peak_position": peak_position,
}
"""Functions of the figures by type."""
CUT_BINS = ("integral", "centroid")
"""Types that cut the bins at the ends of their range; the others use bins whose centre is in it."""


def overlapping_bins(settings: Mapping[str, Any], edges: np.ndarray, where: str) -> slice:
    """The bins that a range has a part of; all of them without a range.

    Raises UserError if the profile does not cover the range: an area would be that of another one.
    """
    if settings["range"] is None:
        return slice(0, edges.size - 1)
    low, high = settings["range"]
    if low < edges[0] or high > edges[-1]:
        raise UserError(
            f"the range [{low:g}, {high:g}] is not covered by the profile",
            where,
            f"the profile's axis runs from {edges[0]:.4g} to {edges[-1]:.4g}",
        )
    inside = np.flatnonzero((edges[1:] > low) & (edges[:-1] < high))
    return slice(int(inside[0]), int(inside[-1]) + 1)
