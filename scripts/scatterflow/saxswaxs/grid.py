"""From readings of scanned axes to a grid: which frame lies on which grid point.

A frame lies on a grid value if its reading is within the tolerance of it; a reading is never moved to
a far grid value. With a tolerance t and no values, readings are grouped where neighbours lie more
than 2 t apart; without one (`auto`), `grid_search` finds the groups.

A grid point is given by one index per axis, -1 for a frame that lies on none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.plan.scan_shape import check_shape
from scatterflow.saxswaxs.grid_search import (
    CERTAIN,
    FLOAT_NOISE,
    Placed,
    clear_cuts,
    find_axes,
    groups,
    without_unknown,
)

MOST_POINTS = 100_000_000


@dataclass(frozen=True)
class GridAxis:
    """One axis of a map.

    name: of the scalar. unit: of its values. values: (n,) float64 grid values in order of the
    readings' rise (or as given). tolerance: largest distance of a reading from its grid value, in
    `unit`; NaN where frames are placed by their order.
    """

    name: str
    unit: str
    values: np.ndarray
    tolerance: float


@dataclass(frozen=True)
class Grid:
    """Axes, slowest first, and for each frame its grid point.

    point: (frames,) int64, flat index into the grid in C order; -1: on no grid point.
    """

    axes: tuple[GridAxis, ...]
    point: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis, slowest first."""
        return tuple(axis.values.size for axis in self.axes)


def find_grid(
    settings: Mapping[str, Any],
    readings: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    where: str,
) -> Grid:
    """The grid of a map.

    settings: `MapSettings.model_dump()`, with `axes[i]["grid"]`, the given values or None.
    readings: {scalar: (frames,) float64, NaN where unknown}, frames in order of acquisition.
    Raises UserError for readings that form no clear grid, a tolerance that merges positions, frames
    that must not lie beside the grid, and a shape that does not fit the number of frames.
    """
    if settings["shape"] is not None:
        return _grid_by_order(settings, units, len(next(iter(readings.values()))), where)
    axes = settings["axes"]
    given = [_given_grid(axis, readings[axis["scalar"]], where) for axis in axes]
    placed = find_axes(axes, given, readings, where)
    shape = [values.size for values, _, _ in placed]
    if int(np.prod(shape, dtype=object)) > MOST_POINTS:
        raise UserError(
            f"a grid of {' x '.join(map(str, shape))} points",
            where,
            "give a tolerance or the values of each axis",
        )
    indices = np.stack([index for _, index, _ in placed])
    there = (indices >= 0).all(axis=0)
    point = np.full(there.size, -1, dtype=np.int64)
    point[there] = np.ravel_multi_index(tuple(indices[:, there]), shape)
    for axis, (values, _, tolerance) in zip(axes, placed, strict=True):
        if axis["grid"] is None and axis["tolerance"] != "auto":
            # One value: there is no step to compare with, so that less raises suspicion.
            clear = values.size == 1 and _plainly_several(readings[axis["scalar"]])
            most = (0.1 if clear else 0.5) * tolerance
            _refuse_merged(axis, readings[axis["scalar"]], point, most, where)
    grid = Grid(
        tuple(
            GridAxis(axis["scalar"], units.get(axis["scalar"], ""), values, tolerance)
            for axis, (values, _, tolerance) in zip(axes, placed, strict=True)
        ),
        point,
    )
    if settings["unplaced"] == "error":
        _refuse_unplaced(grid, readings, where)
    return grid


# By order --------------------------------------------------------------------------------------


def _grid_by_order(
    settings: Mapping[str, Any], units: Mapping[str, str], frames: int, where: str
) -> Grid:
    shape = tuple(settings["shape"])
    check_shape(shape, frames, settings["unfinished"], where)
    point = np.arange(frames, dtype=np.int64)
    if settings["snake"]:
        row, column = np.divmod(point, shape[-1])
        point = row * shape[-1] + np.where(row % 2 == 1, shape[-1] - 1 - column, column)
    axes = []
    for number, points in enumerate(shape):
        axis = settings["axes"][number] if settings["axes"] else None
        counted = axis is None or axis["grid"] is None
        values = np.arange(points) if axis is None or axis["grid"] is None else axis["grid"]
        name = axis["scalar"] if axis else f"axis_{number}"
        unit = "" if counted else units.get(name, "")
        axes.append(GridAxis(name, unit, np.asarray(values, dtype=np.float64), float("nan")))
    return Grid(tuple(axes), point)


# By given values or tolerance --------------------------------------------------------------------


def _given_grid(axis: Mapping[str, Any], readings: np.ndarray, where: str) -> Placed | None:
    """An axis whose values or tolerance are given; None: to be found."""
    if not np.isfinite(readings).any():
        raise UserError(
            f"{axis['scalar']!r} has no value in any frame", where, "choose another axis"
        )
    tolerance = axis["tolerance"]
    if axis["grid"] is not None:
        values = np.asarray(axis["grid"], dtype=np.float64)
        steps = np.diff(np.sort(values))
        # Unasked, a reading belongs to the nearest value only well inside its own cell.
        most = float(steps.min()) / 4 if steps.size else np.inf
        if tolerance != "auto" and steps.size and not tolerance < steps.min() / 2:
            raise UserError(
                f"the tolerance {tolerance:g} is not below half the smallest step of the values "
                f"({steps.min():g}): readings would belong to two of them",
                f"{where}, axis {axis['scalar']}",
                f"lower it below {steps.min() / 2:g}",
            )
        if tolerance == "auto" and not steps.size:
            raise UserError(
                "one value alone does not tell how near a reading must be",
                f"{where}, axis {axis['scalar']}",
                "give a tolerance",
            )
        tolerance = most if tolerance == "auto" else float(tolerance)
        return values, _nearest(values, readings, tolerance), tolerance
    if tolerance == "auto":
        return None
    values, index = groups(readings, 2 * tolerance)
    wide = np.abs(readings - values[index]) > tolerance * (1 + FLOAT_NOISE)
    if (wide & np.isfinite(readings)).any():
        own = index[np.flatnonzero(wide & np.isfinite(readings))[0]]
        low, high = (
            float(f(readings[np.isfinite(readings) & (index == own)])) for f in (np.min, np.max)
        )
        raise UserError(
            f"the tolerance {tolerance:g} is too large: readings from {low:g} to {high:g} "
            "follow each other without a gap",
            f"{where}, axis {axis['scalar']}",
            "lower it to less than half the smallest step",
        )
    return values, without_unknown(index, readings), float(tolerance)


def _nearest(values: np.ndarray, readings: np.ndarray, tolerance: float) -> np.ndarray:
    """Index of the nearest value, -1 where it is farther away than the tolerance."""
    order = np.argsort(values)
    ascending = values[order]
    known = np.isfinite(readings)
    after = np.clip(np.searchsorted(ascending, np.where(known, readings, 0.0)), 0, values.size - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(readings - ascending[before]) <= np.abs(readings - ascending[after])
    index = order[np.where(nearer, before, after)]
    slack = FLOAT_NOISE * max(1.0, float(np.abs(values).max(initial=0)))
    near = np.abs(readings - values[index]) <= tolerance + slack * min(1.0, tolerance)
    return np.where(known & near, index, -1)


def _plainly_several(readings: np.ndarray) -> bool:
    """Whether readings fall into groups far apart."""
    ascending = np.sort(readings[np.isfinite(readings)])
    noise = FLOAT_NOISE * float(np.abs(ascending).max())
    return any(ratio >= CERTAIN for _, ratio in clear_cuts(readings, ascending, noise))


def _refuse_merged(
    axis: Mapping[str, Any], readings: np.ndarray, point: np.ndarray, most: float, where: str
) -> None:
    """Raise UserError where frames on one grid point have readings that lie `most` or more apart."""
    order = np.lexsort((readings, point))
    order = order[point[order] >= 0]
    same = np.diff(point[order]) == 0
    apart = np.diff(readings[order])
    merged = same & (apart >= most)
    if merged.any():
        worst = int(np.flatnonzero(merged)[0])
        one, other = readings[order[worst]], readings[order[worst + 1]]
        raise UserError(
            f"the tolerance {axis['tolerance']:g} is too large: it puts readings {one:g} and {other:g} "
            "on one grid point",
            f"{where}, axis {axis['scalar']}",
            f"lower it below {(other - one) / 2:g}, or give the grid by `values`",
        )


def _refuse_unplaced(grid: Grid, readings: Mapping[str, np.ndarray], where: str) -> None:
    stray = np.flatnonzero(grid.point < 0)
    if stray.size:
        shown = ", ".join(
            f"{axis.name} = {readings[axis.name][stray[0]]:g} {axis.unit}".strip()
            for axis in grid.axes
        )
        raise UserError(
            f"{stray.size} frames lie on no grid point; the first is frame {stray[0]} ({shown})",
            where,
            "raise the tolerance, correct the values, or say `unplaced: leave_out`",
        )
