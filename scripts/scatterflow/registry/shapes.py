"""Masks drawn as shapes: beam stops, their holders, shadows.

A list of shapes, in JSON or YAML. Points are pixels, the centre of the first pixel is (0, 0); a pixel is
inside if its centre is.

    - {type: circle, centre: [512, 498.5], radius: 20}
    - {type: polygon, corners: [[0, 490], [512, 495], [512, 502], [0, 507]]}
    - {type: rectangle, corners: [[10, 20], [30, 60]]}      # two opposite corners, both inside
    - {type: line, start: [512, 498], end: [0, 480], width: 12}   # the holder of a beam stop
    - {type: ellipse, centre: [512, 498], radii: [20, 30]}  # along rows (down), along columns
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scatterflow.detectors.images import Shape
from scatterflow.detectors.masks import inside_circle, inside_polygon
from scatterflow.errors import UserError, shortened, suggestion

# Type: keys beside `type`.
SHAPES = {
    "circle": ("centre", "radius"),
    "polygon": ("corners",),
    "rectangle": ("corners",),
    "line": ("start", "end", "width"),
    "ellipse": ("centre", "radii"),
}


def mask_of_shapes(items: Any, shape: Shape, order: str, place: str) -> np.ndarray:
    """The good mask outside all shapes: bool (rows, columns).

    items: as above, plain values. order: `rowcolumn` or `xy`, what a point is. Raises UserError for a
    shape that is none.
    """
    if not isinstance(items, list) or not items:
        raise UserError("this is no list of shapes", place, "see docs/registry.md for the form")
    good = np.ones(shape, bool)
    for number, item in enumerate(items):
        good &= ~_inside(item, shape, order == "xy", f"{place}, shape {number + 1}")
    return good


def _inside(item: Any, shape: Shape, swap: bool, place: str) -> np.ndarray:
    kind = item.get("type") if isinstance(item, dict) else None
    if not isinstance(kind, str) or kind not in SHAPES:
        raise UserError(f"type {shortened(kind)} is no shape", place, suggestion(str(kind), SHAPES))
    if set(item) != {"type", *SHAPES[kind]}:
        raise UserError(
            f"a {kind} has the keys {', '.join(('type', *SHAPES[kind]))}",
            place,
            f"it has {', '.join(map(shortened, item))}",
        )
    if kind == "polygon":
        return inside_polygon(_points(item["corners"], 3, swap, place), shape)
    if kind == "circle":
        (centre,) = _points([item["centre"]], 1, swap, place)
        return inside_circle(centre, _positive(item["radius"], place), shape)
    if kind == "rectangle":
        one, two = _points(item["corners"], 2, swap, place, exactly=True)
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        low, high = np.minimum(one, two), np.maximum(one, two)
        return (rows >= low[0]) & (rows <= high[0]) & (columns >= low[1]) & (columns <= high[1])
    if kind == "line":
        ends = _points([item["start"], item["end"]], 2, swap, place)
        return _near_line(ends[0], ends[1], _positive(item["width"], place) / 2, shape)
    (centre,) = _points([item["centre"]], 1, swap, place)
    (radii,) = _points([item["radii"]], 1, swap, place)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    down, across = (_positive(radius, place) for radius in radii)
    return ((rows - centre[0]) / down) ** 2 + ((columns - centre[1]) / across) ** 2 <= 1


def _near_line(
    start: tuple[float, float], end: tuple[float, float], distance: float, shape: Shape
) -> np.ndarray:
    """Pixels whose centre is no farther than `distance` from the line between two points."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    down, across = end[0] - start[0], end[1] - start[1]
    length = down**2 + across**2
    along: Any = 0.0
    if length:
        along = np.clip(((rows - start[0]) * down + (columns - start[1]) * across) / length, 0, 1)
    beside = (rows - start[0] - along * down) ** 2 + (columns - start[1] - along * across) ** 2
    return beside <= distance**2


def _points(
    values: Any, least: int, swap: bool, place: str, exactly: bool = False
) -> list[tuple[float, float]]:
    if (
        not isinstance(values, list | tuple)
        or len(values) < least
        or (exactly and len(values) != least)
    ):
        raise UserError(f"it needs {least} points", place, "a point is [row, column] or [x, y]")
    points = []
    for value in values:
        if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(_finite, value)):
            raise UserError(f"{shortened(value)} is no point", place, "give two numbers, pixels")
        first, second = float(value[0]), float(value[1])
        points.append((second, first) if swap else (first, second))
    return points


def _positive(value: Any, place: str) -> float:
    if not _finite(value) or value <= 0:
        raise UserError(f"{shortened(value)} is no size", place, "give a number above 0, pixels")
    return float(value)


def _finite(value: Any) -> bool:
    """Whether this is a number of pixels, of which the square is one, too."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
