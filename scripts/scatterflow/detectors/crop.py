"""A part of the detector: rows and columns [first, after the last)."""

from __future__ import annotations

from typing import Any

import numpy as np

from scatterflow.errors import UserError


def crop_window(
    crop: dict[str, Any] | None, shape: tuple[int, int], where: str
) -> tuple[slice, slice]:
    """Rows and columns of a crop of a detector of `shape`; None: all.

    Raises UserError, placed at `where`, for a crop that reaches beyond the detector.
    """
    ranges = (crop or {}).get("rows"), (crop or {}).get("columns")
    found = []
    for name, asked, side in zip(("rows", "columns"), ranges, shape, strict=True):
        first, last = asked if asked is not None else (0, side)
        if not 0 <= first < last <= side:
            raise UserError(
                f"the crop takes {name} {first} to {last} of a detector of {side}",
                where,
                f"give {name} as [first, one after the last]",
            )
        found.append(slice(first, last))
    return found[0], found[1]


def cropped(good: np.ndarray, crop: dict[str, Any] | None, where: str) -> np.ndarray:
    """The good mask, (rows, columns) bool, with everything outside the crop masked."""
    window = crop_window(crop, (good.shape[0], good.shape[1]), where)
    inside = np.zeros_like(good)
    inside[window] = good[window]
    return inside
