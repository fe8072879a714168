"""What of a set of profiles is drawn: which bins, in which order, and which of them set the limits.

Bins of I(chi) beside gaps and masks have pixels in only a part of the radial range: their mean is
that of another range and looks like a minimum. They are left out and shown as grey bands.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from scatterflow.plots.axes import around_data, continued, in_order, too_few_pixels
from scatterflow.plots.results import Integration, PlotAxis

FEW = 0.05
"""A bin with fewer pixels and fewer counts than this part of the median bin is mostly noise."""
LEFT_OUT = "too few pixels"


@dataclass(frozen=True)
class Drawn:
    """Profiles as they are drawn.

    x: axis. profiles, errors: (rows, bins), NaN in bins left out; errors None if not given.
    left_out: (bins,) bool, bins with too few pixels. steady: (bins,) bool, bins that set limits.
    """

    x: PlotAxis
    profiles: np.ndarray
    errors: np.ndarray | None
    left_out: np.ndarray
    steady: np.ndarray


def select_bins(
    shown: Integration,
    profiles: np.ndarray,
    norm: np.ndarray | None,
    errors: np.ndarray | None = None,
) -> Drawn:
    """Leave out bins of I(chi) with too few pixels, and the part of the circle without data.

    profiles, errors: (rows, bins). norm: (bins,) effective number of pixels; None: not known, all
    bins count as full. Profiles along the radius keep all their bins.
    """
    x = shown.axes[0]
    left_out = np.zeros(x.values.size, dtype=bool)
    if shown.kind == "radial":
        if norm is not None:
            left_out = too_few_pixels(norm)
        profiles = np.where(left_out, np.nan, profiles)
        x, order = continued(x, np.isfinite(profiles).any(axis=0))
        profiles = in_order(profiles, order)
        errors = None if errors is None else in_order(errors, order)
        norm = None if norm is None else in_order(norm, order)
        left_out = (order < 0) | left_out[order]
        part = around_data(np.isfinite(profiles).any(axis=0))
        x = replace(x, values=x.values[part])
        profiles, left_out = profiles[:, part], left_out[part]
        errors = None if errors is None else errors[:, part]
        norm = None if norm is None else norm[part]
    return Drawn(x, profiles, errors, left_out, steady_bins(profiles, norm))


def steady_bins(profiles: np.ndarray, norm: np.ndarray | None) -> np.ndarray:
    """(bins,) bool: all bins but those at the rim of the detector that hold little but noise.

    Noise is few pixels and, with that, few counts: the innermost bins of small-angle scattering
    have few pixels, too, but many counts.
    """
    if norm is None or not np.isfinite(profiles).any():
        return np.ones(profiles.shape[-1], dtype=bool)
    norm = np.nan_to_num(norm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # bins without a value
        counts = np.nan_to_num(np.abs(np.nanmean(profiles, axis=0))) * norm
    filled = norm > 0
    if not filled.any():
        return np.ones(norm.shape, dtype=bool)
    few_pixels = norm < FEW * np.median(norm[filled])
    few_counts = counts < FEW * np.median(counts[filled])
    return ~(few_pixels & few_counts)
