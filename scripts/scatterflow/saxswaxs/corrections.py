"""Corrections of integrated intensities, with their variances.

Monitor normalisation of frame i with reading m_i and reference r:

    f_i = r / m_i        I' = f I        var(I') = f^2 (var(I) + I^2 (sigma_m / m)^2)

The reference `mean` is the mean reading over all valid frames of the run, never of a chunk; its own
uncertainty, common to all frames, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError


@dataclass(frozen=True)
class Factor:
    """A factor per frame: values (frames,), relative_variance (frames,), and what made it."""

    values: np.ndarray
    relative_variance: np.ndarray
    parameters: dict[str, Any]


def monitor_factor(
    readings: np.ndarray, settings: Mapping[str, Any], valid: np.ndarray, where: str
) -> Factor:
    """The factor that normalises frames to their monitor.

    readings: (frames,) in the monitor's unit; settings: the configuration's `corrections.monitor`;
    valid: (frames,) bool, False for frames that all detectors lack and that need no reading.
    Raises UserError, naming the frames, for readings that are missing or too low.
    """
    readings = np.asarray(readings, dtype=np.float64)
    name, minimum = settings["monitor"], settings["minimum"]
    bad = valid & ~(readings > minimum)  # NaN is bad, too
    if bad.any():
        frames = np.flatnonzero(bad)
        shown = ", ".join(f"{frame} ({readings[frame]:g})" for frame in frames[:5])
        more = f" and {frames.size - 5} more" if frames.size > 5 else ""
        raise UserError(
            f"monitor {name!r} is missing, or not above {minimum:g}, in {frames.size} of "
            f"{valid.sum()} frames: frame {shown}{more}",
            where,
            "correct the monitor's name or `minimum`, exclude the frames, or switch the correction off",
        )
    reference = settings["reference"]
    if reference == "mean":
        reference = float(np.mean(readings[valid])) if valid.any() else 1.0
    safe = np.where(readings > minimum, readings, np.nan)
    return Factor(
        values=reference / safe,
        relative_variance=_relative_variance(safe, settings["uncertainty"]),
        parameters={**settings, "reference_used": reference},
    )


def _relative_variance(readings: np.ndarray, uncertainty: str | float) -> np.ndarray:
    if uncertainty == "none":
        return np.zeros_like(readings)
    if uncertainty == "counting":
        return 1.0 / readings
    return np.full_like(readings, float(uncertainty) ** 2)


def apply_factor(
    intensity: np.ndarray, variance: np.ndarray, factor: Factor, frames: slice
) -> tuple[np.ndarray, np.ndarray]:
    """Intensity and variance, (frames, bins...), times the factor of these frames."""
    shape = (-1,) + (1,) * (intensity.ndim - 1)
    value = factor.values[frames].reshape(shape)
    relative = factor.relative_variance[frames].reshape(shape)
    return intensity * value, value**2 * (variance + intensity**2 * relative)
