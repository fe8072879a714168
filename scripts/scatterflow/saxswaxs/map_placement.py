"""Placed frames of a map, and the NXdata groups that stand on its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.nexus import add_group
from scatterflow.saxswaxs.grid import Grid


@dataclass(frozen=True)
class Placement:
    """Which frames lie on which grid point.

    frames: (placed,) int64 indices into all frames; point: (placed,) int64 flat grid index of each,
    ascending, so that the frames of a point follow each other in order of acquisition.
    """

    frames: np.ndarray
    point: np.ndarray


def place(grid: Grid, duplicates: str, where: str) -> Placement:
    """Frames by grid point; of several frames on a point all, or the last."""
    placed = np.flatnonzero(grid.point >= 0)
    order = placed[np.argsort(grid.point[placed], kind="stable")]
    point = grid.point[order]
    follows = np.append(point[1:] == point[:-1], False) if point.size else np.zeros(0, dtype=bool)
    if duplicates == "error" and follows.any():
        first = int(np.flatnonzero(follows)[0])
        raise UserError(
            f"frames {order[first]} and {order[first + 1]} lie on one grid point, as "
            f"{int(follows.sum()) - 1} more do",
            where,
            "lower the tolerance, or say `duplicates: mean` or `last`",
        )
    if duplicates == "last":
        order, point = order[~follows], point[~follows]
    return Placement(order, point)


def grid_data(
    entry: h5py.Group, name: str, grid: Grid, signal: str, bins: Sequence[str] = ()
) -> h5py.Group:
    """An NXdata on the grid's axes, linked, and on further axes of bins, which the caller writes."""
    names = [*(axis.name for axis in grid.axes), *bins]
    group = add_group(entry, name, "NXdata", signal=signal, axes=names)
    for position, own in enumerate(names):
        group.attrs[f"{own}_indices"] = position
    for axis in grid.axes:
        group[axis.name] = h5py.SoftLink(f"/entry/grid/{axis.name}")
    shown = len(bins) if bins else len(grid.axes)
    group.attrs["interpretation"] = "image" if shown > 1 else "spectrum"
    return group
