"""Whether the declared shape of a scan fits its number of frames."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scatterflow.errors import UserError


def check_shape(shape: Sequence[int], frames: int, unfinished: bool, where: str) -> None:
    """Raise UserError unless a declared shape fits the number of frames."""
    points = math.prod(shape)
    text = " x ".join(map(str, shape))
    if frames > points:
        raise UserError(
            f"a shape of {text} has {points} points, there are {frames} frames",
            where,
            "correct `shape` (slowest axis first; n intervals are n + 1 points)",
        )
    if frames < points and not unfinished:
        raise UserError(
            f"a shape of {text} has {points} points, there are only {frames} frames",
            where,
            "correct `shape`, or say `unfinished: true` if the scan was stopped",
        )
