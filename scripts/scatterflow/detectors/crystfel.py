"""CrystFEL geometry files (`.geom`): where the pixels of each panel are, and which regions are bad.

A pixel (ss, fs) of a panel, counted from the panel's own first pixel, has its centre at

    corner + (fs + 1/2) fs_vector + (ss + 1/2) ss_vector,     in pixels of 1/res metres

x points to the left looking along the beam, y up, z along the beam; z is that of `coffset`, without the
camera length. Format: https://www.desy.de/~twhite/crystfel/manual-crystfel_geometry.html, read with
cfel_fmt, the reader that EXtra-geom uses; EXtra-geom itself takes only cameras of known layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scatterflow.detectors.stored_positions import Positions
from scatterflow.errors import UserError


def crystfel_positions(path: str, shape: Sequence[int], place: str) -> Positions:
    """x, y, z of the centres of all pixels, float64, mm, each of a frame's shape; NaN where no panel is.

    shape: (rows, columns) or (tiles, rows, columns). Panels may be stored tile by tile (`dim0 = 3`) or
    stacked along the slow axis. Raises UserError: not a geometry, a panel outside of the frame.
    """
    found = np.full((3, *_stacked(shape)), np.nan)
    for panel, where in _panels(_read(path, place), shape, place):
        _check_panel(panel, place)
        slow, fast = np.indices(found[0][where].shape) + 0.5
        corner = (panel["cnx"], panel["cny"], panel["coffset"] * panel["res"])
        for axis, start in zip("xyz", corner, strict=True):
            pixels = start + fast * panel[f"fs{axis}"] + slow * panel[f"ss{axis}"]
            found["xyz".index(axis)][where] = pixels / panel["res"] * 1000
    x, y, z = found.reshape(3, *shape)
    return x, y, z


def crystfel_good(path: str, shape: Sequence[int], place: str) -> np.ndarray:
    """(*shape) bool: pixels of panels that may be used, outside of all bad regions.

    Bad regions are given in fs and ss of the data of one panel, both ends included, or in x and y, pixels of
    1/res. Raises UserError as `crystfel_positions`.
    """
    geometry = _read(path, place)
    x, y, _ = (part.reshape(_stacked(shape)) for part in crystfel_positions(path, shape, place))
    good = np.isfinite(x)
    for panel, where in _panels(geometry, shape, place):
        if panel["no_index"]:
            good[where] = False
        for region in geometry["bad"].values():
            if region["panel"] not in ("", panel["panel_name"]):
                continue
            good[where] &= ~_inside(region, panel, x[where], y[where])
    return good.reshape(shape)


def _inside(
    region: Mapping[str, Any], panel: Mapping[str, Any], x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Which pixels of a panel are in a bad region."""
    if region["is_fsss"]:
        slow, fast = np.indices(x.shape)
        slow, fast = slow + panel["orig_min_ss"], fast + panel["orig_min_fs"]
        limits = ((slow, "ss"), (fast, "fs"))
    else:
        limits = ((x / 1000 * panel["res"], "x"), (y / 1000 * panel["res"], "y"))
    inside = np.ones(x.shape, bool)
    for values, name in limits:
        inside &= (values >= region[f"min_{name}"]) & (values <= region[f"max_{name}"])
    return inside


def _read(path: str, place: str) -> dict[str, Any]:
    from cfel_fmt.geometry import load_crystfel_geometry

    try:
        detector = load_crystfel_geometry(path).detector
    except FileNotFoundError:
        raise UserError("file not found", place, "correct the path") from None
    except Exception as error:  # the reader raises whatever it stumbles over
        reason = " ".join(str(error).split())[:150]
        raise UserError(
            f"no CrystFEL geometry: {reason or type(error).__name__}", place, "correct the file"
        ) from error
    for name, panel in detector["panels"].items():
        panel["panel_name"] = name
    return dict(detector)


def _check_panel(panel: Mapping[str, Any], place: str) -> None:
    needed = ("cnx", "cny", "coffset", "fsx", "fsy", "fsz", "ssx", "ssy", "ssz")
    lacking = [name for name in needed if not np.isfinite(panel[name])]
    if not panel["res"] > 0:
        lacking.append("res")
    if lacking:
        raise UserError(
            f"panel {panel['panel_name']} does not say {', '.join(lacking)}",
            place,
            "complete the file: corner_x, corner_y, res (pixels per metre)",
        )


def _stacked(shape: Sequence[int]) -> tuple[int, int]:
    """Rows of all tiles one below the other, columns."""
    return int(np.prod(shape[:-1])), int(shape[-1])


def _panels(
    geometry: Mapping[str, Any], shape: Sequence[int], place: str
) -> list[tuple[dict[str, Any], tuple[slice, slice]]]:
    """Each panel with its place among the stacked rows and columns."""
    panels = list(geometry["panels"].values())
    tiles = _tile_numbers(panels, place)
    rows, columns = _stacked(shape)
    found = []
    for panel, tile in zip(panels, tiles, strict=True):
        first = tile * shape[-2] + panel["orig_min_ss"]
        last = tile * shape[-2] + panel["orig_max_ss"] + 1
        left, right = panel["orig_min_fs"], panel["orig_max_fs"] + 1
        if not (0 <= first < last <= rows and 0 <= left < right <= columns):
            raise UserError(
                f"panel {panel['panel_name']} takes rows {first}..{last - 1} and columns {left}..{right - 1} "
                f"of {rows} rows and {columns} columns",
                place,
                "choose the geometry of this detector, or correct its shape and tiles",
            )
        found.append((panel, (slice(first, last), slice(left, right))))
    return found


def _tile_numbers(panels: Sequence[Mapping[str, Any]], place: str) -> list[int]:
    """Number of each panel's tile: the fixed dimension of the data that differs between panels, else 0."""
    fixed = [
        [entry for entry in panel["dim_structure"] if isinstance(entry, int)] for panel in panels
    ]
    if not fixed or len({len(numbers) for numbers in fixed}) > 1:
        raise UserError("panels of different dimensions, or none", place, "correct the file")
    varying = [column for column in zip(*fixed, strict=True) if len(set(column)) > 1]
    if len(varying) > 1:
        raise UserError(
            "panels differ in two dimensions of the data", place, "number the tiles in one"
        )
    return list(varying[0]) if varying else [0] * len(panels)
