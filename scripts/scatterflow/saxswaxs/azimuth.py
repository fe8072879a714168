"""Which way the azimuth runs.

pyFAI's chi is 0 along detector axis 2 (columns) and grows towards axis 1 (rows). `reversed` counts
the other way round: chi' = -chi, what CHAP calls right-handed. Ranges are given, and axes and
intensities returned, in the direction that the integration asks for; the discontinuity stays at 0 or
at 180 degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

FULL_CIRCLE = 360.0


def is_reversed(integration: Mapping[str, Any]) -> bool:
    """Whether chi runs against pyFAI's direction."""
    return integration["azimuth_direction"] == "reversed"


def mirrored(limits: tuple[float, float]) -> tuple[float, float]:
    """The same range, degrees, in the other direction; it may lie a full circle off."""
    return -limits[1], -limits[0]


def pyfai_azimuth_range(integration: Mapping[str, Any]) -> tuple[float, float] | None:
    """The integration's azimuth range as pyFAI counts, degrees; None: all."""
    limits = integration["azimuth_range"]
    return mirrored(limits) if limits is not None and is_reversed(integration) else limits


def azimuthal_axis(pyfai_axis: np.ndarray, integration: Mapping[str, Any]) -> np.ndarray:
    """Bin centres in the integration's direction, ascending, degrees, from pyFAI's.

    Those of a range lie in the range as it was given, all others where the discontinuity puts them.
    """
    if not is_reversed(integration):
        return pyfai_axis
    axis = -pyfai_axis[::-1]
    if integration["azimuth_range"] is not None:
        middle = np.mean(integration["azimuth_range"])
        return axis + FULL_CIRCLE * np.round((middle - np.mean(axis)) / FULL_CIRCLE)
    return axis + FULL_CIRCLE if integration["chi_discontinuity"] == 0 else axis
