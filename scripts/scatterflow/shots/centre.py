"""Centre of a ring, shot by shot: the circle through the brightest pixels by algebraic least squares.

Of all good pixels above a percentile the circle x^2 + y^2 + D x + E y + F = 0 is fitted (Kåsa, IEEE
Trans. Instrum. Meas. 25 (1976) 8): xCen = -D / 2, yCen = -E / 2, R^2 = xCen^2 + yCen^2 - F. It is
`fitCenter` of SLAC's smalldata_tools. Errors are those of a circle whose pixels scatter by s about it,

    C = s^2 (J'J)^-1,   J = -(cos phi, sin phi, 1),   s^2 = sum (distance - R)^2 / (pixels - 3)

right to first order in s / R; they know nothing of pixels that belong to no ring. The circle of an arc is a
little small (by some s^2 / R). Settings:

    percentile  of the good pixels of a shot, above which they are fitted; 90
    threshold   number or [low, high]: values beyond count as 0
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.shots.settings import refuse_unknown
from scatterflow.shots.thresholds import above_threshold

KNOWN = ("percentile", "threshold")
PERCENTILE = 90.0
CONDITION = 1e-10
"""Smallest eigenvalue over largest of the normal matrix: below it the pixels lie on a line."""


def ring_centres(
    frames: np.ndarray,
    good: np.ndarray,
    settings: Mapping[str, Any],
    *,
    x: np.ndarray | None = None,
    y: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Circle of each shot.

    frames: (n, ...); good: (...) bool; x, y: (...) positions of the pixels, None: column and row, of
    frames without tiles. xCen, yCen, R, their errors xCen_error, ..., and residu, the sum of
    (distance - R)^2: (n,) float64 in the unit of x; ier (n,) int64: 1 found, 0 not, and the rest is NaN.
    Raises UserError.
    """
    refuse_unknown(settings, KNOWN, "fit_centre")
    percentile = float(settings.get("percentile", PERCENTILE))
    if not 0 <= percentile < 100:
        raise UserError(f"percentile {percentile}", "fit_centre: percentile", "give 0 to 100")
    if x is None or y is None:
        if good.ndim != 2:
            raise UserError(
                "a ring on tiles without the positions of their pixels",
                "fit_centre",
                "give the detector a geometry, or a region of one tile",
            )
        x, y = (np.indices(good.shape)[axis] for axis in (1, 0))
    frames = above_threshold(frames, {"threshold": settings.get("threshold")}, None)
    names = ("xCen", "yCen", "R", "xCen_error", "yCen_error", "R_error", "residu")
    found = np.full((len(frames), len(names)), np.nan)
    for shot, frame in enumerate(frames):
        bright = _bright(frame, good, percentile)
        circle = fit_circle(np.asarray(x)[bright], np.asarray(y)[bright])
        if circle is not None:
            found[shot] = circle
    results = dict(zip(names, found.T, strict=True))
    return results | {"ier": np.isfinite(found[:, 0]).astype(np.int64)}


def _bright(frame: np.ndarray, good: np.ndarray, percentile: float) -> np.ndarray:
    used = good & np.isfinite(frame)
    if not used.any():
        return used
    return used & (frame > np.percentile(frame[used], percentile))


def fit_circle(x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """xCen, yCen, R, their errors and the sum of squared distances from the circle, (7,) float64.

    x, y: (pixels,). None: fewer than four pixels, or all on a line.
    """
    if x.size < 4:
        return None
    x, y = x.astype(np.float64), y.astype(np.float64)
    # About their middle and in units of their spread squares of coordinates cancel nothing.
    middle = np.array([x.mean(), y.mean()])
    unit = np.sqrt(x.var() + y.var())
    if unit == 0:
        return None
    u, v = (x - middle[0]) / unit, (y - middle[1]) / unit
    design = np.stack([u, v, np.ones_like(u)], axis=1)
    matrix = design.T @ design
    eigenvalues = np.linalg.eigvalsh(matrix)
    if eigenvalues[0] <= CONDITION * eigenvalues[-1]:
        return None
    d, e, f = np.linalg.solve(matrix, -design.T @ (u**2 + v**2))
    centre = np.array([-d, -e]) / 2
    radius = np.sqrt(centre @ centre - f)
    distance = np.hypot(u - centre[0], v - centre[1])
    slopes = np.stack([u - centre[0], v - centre[1], distance], axis=1)
    slopes /= np.maximum(distance, np.finfo(float).tiny)[:, None]
    residual = np.sum((distance - radius) ** 2)
    normal = slopes.T @ slopes
    if np.linalg.eigvalsh(normal)[0] <= CONDITION * x.size:
        return None
    errors = np.sqrt(np.diag(np.linalg.inv(normal)) * residual / (x.size - 3))
    values = np.array([*(centre * unit + middle), radius * unit])
    return np.concatenate([values, errors * unit, [residual * unit**2]])
