"""Kinds of geometry: one plane, as pyFAI describes it, or the position of every pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PIXEL_FILES = (".geom", ".h5", ".hdf5", ".nxs", ".cxi")
"""Endings of files that give the position of each pixel; others are PONI files."""
SOURCE = "source"
"""In place of a file: what the raw files say."""


def has_plane(geometry: Any) -> bool:
    """Whether a detector's `geometry` is one plane; False as well where it has none (None)."""
    if isinstance(geometry, str):
        return geometry != SOURCE and not geometry.partition("::")[0].endswith(PIXEL_FILES)
    if isinstance(geometry, Mapping):
        return "quadrants" not in geometry
    return geometry is not None and not hasattr(geometry, "quadrants")
