"""Lines where the rings of a calibrant should be."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from scatterflow.plots.results import PlotAxis
from scatterflow.plots.style import RED
from scatterflow.saxswaxs.ring_positions import RING_UNITS, calibrant_d_spacings, ring_positions

LABEL_DISTANCE = 0.024
"""A line closer to the one before than this fraction of the axis has no room for its number."""


def rings_on_axis(
    x: PlotAxis, calibrant: str, wavelength_m: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """(numbers, positions) of the rings within an axis; number 1 has the largest d-spacing.

    None on an axis that is neither q nor 2theta (a radius in mm): the figure is drawn without.
    """
    if x.pyfai_unit not in RING_UNITS:
        return np.empty(0, dtype=int), np.empty(0)
    positions = ring_positions(calibrant_d_spacings(calibrant), x.pyfai_unit, wavelength_m)
    inside = (positions >= x.values[0]) & (positions <= x.values[-1])
    return np.flatnonzero(inside) + 1, positions[inside]


def draw_rings(
    axes: Axes, x: PlotAxis, calibrant: str, wavelength_m: float | None = None
) -> np.ndarray:
    """Dashed lines with ring numbers on top; returns the positions. The limits must be set."""
    numbers, positions = rings_on_axis(x, calibrant, wavelength_m)
    for index, position in enumerate(positions):
        label = f"rings of {calibrant}" if index == 0 else None
        axes.axvline(
            position, color=RED, linewidth=1.0, linestyle=(0, (5, 3)), label=label, zorder=1
        )
    number_rings(axes, numbers, positions)
    return positions


def number_rings(axes: Axes, numbers: np.ndarray, positions: np.ndarray) -> None:
    """Ring numbers just inside the upper edge, left of their lines, where there is room."""
    to_axes = axes.transData + axes.transAxes.inverted()
    last = -np.inf
    for number, position in zip(numbers, positions, strict=True):
        across = float(to_axes.transform((position, axes.get_ylim()[1]))[0])
        room, last = across - last, across
        if room < LABEL_DISTANCE:
            continue
        axes.annotate(
            str(number),
            xy=(position, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3, -2),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=9,
            color=RED,
        )
