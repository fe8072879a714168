"""Thresholds of frames: values below the lower or above the upper one count as 0, NaN stays NaN.

Settings: `threshold`, a number or [low, high] in the frames' unit; `threshold_rms`, the same in units of each
pixel's noise; None in place of a number: no limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from scatterflow.errors import UserError


def thresholds(given: Any) -> tuple[float, float]:
    """Lower and upper limit of a setting. Raises UserError for anything but a number or two."""
    if given is None:
        return -math.inf, math.inf
    pair = [given, None] if np.ndim(given) == 0 else list(given)
    if len(pair) != 2:
        raise UserError(f"a threshold {given}", "threshold", "give a number, or [low, high]")
    low = -math.inf if pair[0] is None else float(pair[0])
    high = math.inf if pair[1] is None else float(pair[1])
    if not low <= high:
        raise UserError(f"a threshold {given}", "threshold", "give low before high")
    return low, high


def above_threshold(
    values: np.ndarray, settings: Mapping[str, Any], noise: np.ndarray | None
) -> np.ndarray:
    """Values (n, ...) with those beyond the limits 0; the same array where there are no limits."""
    for key in ("threshold", "threshold_rms"):
        if settings.get(key) is None:
            continue
        low, high = thresholds(settings[key])
        scale: Any = 1.0
        if key == "threshold_rms":
            if noise is None:
                raise UserError(
                    "a threshold in units of a noise that is not known",
                    key,
                    "use it on a detector with the constant rms, or give `threshold`",
                )
            scale = noise.astype(values.dtype, copy=False)
        beyond = np.zeros(values.shape, bool)
        if low > -math.inf:
            beyond |= values < low * scale
        if high < math.inf:
            beyond |= values > high * scale
        values = np.where(beyond, values.dtype.type(0), values)
    return values
