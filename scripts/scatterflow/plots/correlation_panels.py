"""Panels of correlation functions: one per interval of the first coordinate (q), the bins of the second
(phi) over each other; names of bins; the axis of the delay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.detectors.qmap import QMap
from scatterflow.errors import UserError
from scatterflow.plots.style import STYLE, WIDTH, pretty_unit

COLUMNS = 3
MOST_PANELS = 12
MOST_IN_LEGEND = 8
WILD = 5.0
"""Values whose error is this many times the usual one set no limits."""
COLOURS = STYLE["axes.prop_cycle"].by_key()["color"]
_SYMBOLS = {"phi": "φ"}


@dataclass(frozen=True)
class Panel:
    """The dynamic bins of one interval of the first coordinate.

    label: its value with unit. bins: dynamic bins from 0. intervals: of the second coordinate, from 0, of
    each: bins without a pixel are missing. names: its value, empty without such a coordinate.
    """

    label: str
    bins: tuple[int, ...]
    intervals: tuple[int, ...]
    names: tuple[str, ...]


def value_label(name: str, value: float, unit: str) -> str:
    """A coordinate with its value, as `q = 0.0123 Å⁻¹`."""
    pretty = pretty_unit(unit)
    gap = "" if pretty == "°" else " "
    return f"{_SYMBOLS.get(name, name)} = {value:.4g}{gap}{pretty}"


def bin_label(qmap: QMap, dynamic_bin: int) -> str:
    """A dynamic bin (from 0) by its coordinates."""
    return coordinates_label(qmap.names, qmap.dynamic_values, qmap.units, dynamic_bin)


def coordinates_label(
    names: Sequence[str], values: np.ndarray, units: Sequence[str], number: int
) -> str:
    """One of the bins, values (bins, coordinates), by its coordinates; a second one that all bins share is
    left out."""
    told = [place for place in range(len(names)) if place == 0 or np.ptp(values[:, place]) > 0]
    return ", ".join(value_label(names[n], values[number, n], units[n]) for n in told)


def all_panels(qmap: QMap) -> list[Panel]:
    """A panel for each interval of the first coordinate that has bins."""
    first, second = np.divmod(qmap.dynamic_index, qmap.dynamic_shape[1])
    panels = []
    for interval in np.unique(first):
        bins = np.flatnonzero(first == interval)
        label = value_label(qmap.names[0], qmap.dynamic_lists[0][interval], qmap.units[0])
        names: tuple[str, ...] = ()
        if len(qmap.names) > 1 and qmap.dynamic_shape[1] > 1:
            values = qmap.dynamic_values[bins, 1]
            names = tuple(value_label(qmap.names[1], value, qmap.units[1]) for value in values)
        panels.append(Panel(label, tuple(bins.tolist()), tuple(second[bins].tolist()), names))
    return panels


def chosen_panels(
    qmap: QMap, chosen: Sequence[int] | None, most: int = MOST_PANELS
) -> tuple[list[Panel], str]:
    """The panels to draw and, where these are not all, a text that says so.

    chosen: numbers of panels from 1; None: as many as can be read, evenly spread.
    Raises UserError for a number that is not there.
    """
    panels = all_panels(qmap)
    if chosen is None:
        if len(panels) <= most:
            return panels, ""
        numbers = np.unique(np.linspace(1, len(panels), most).round().astype(int)).tolist()
    else:
        numbers = list(chosen)
    for number in numbers:
        if not 1 <= number <= len(panels):
            raise UserError(
                f"there is no panel {number}: the q-map has {len(panels)} intervals of {qmap.names[0]}",
                "bins to plot",
                "give numbers from 1",
            )
    note = "" if len(numbers) == len(panels) else f", {len(numbers)} of {len(panels)} panels"
    return [panels[number - 1] for number in numbers], note


def panel_grid(count: int, height: float = 2.0) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels side by side that share their axis of delays."""
    columns = min(COLUMNS, count) if count != 4 else 2
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, 1.3 + max(height, 3.4 if rows == 1 else 0) * rows))
    axes = list(figure.subplots(rows, columns, sharex=True, squeeze=False).flat)
    for empty in axes[count:]:
        empty.set_visible(False)
    for last in axes[max(0, count - columns) : count]:
        last.tick_params(labelbottom=True)
        last.set_xlabel("delay (s)")
    for first in axes[:count:columns]:
        first.set_ylabel("g₂")
    return figure, axes[:count]


def curve_colours(count: int) -> list:
    """Colours of curves in order: the house's while they last, then a ramp."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    return ramp(count)


def ramp(count: int) -> list:
    """Colours of curves that follow each other, dark ones first."""
    return [matplotlib.colormaps["viridis"](0.9 * n / max(1, count - 1)) for n in range(count)]


def delay_axis(axes: Axes, delay_s: np.ndarray) -> None:
    """Logarithmic delays, s; the delay 0 of a linear list has no place there."""
    positive = delay_s[delay_s > 0]
    axes.set_xscale("log")
    if positive.size:
        axes.set_xlim(positive.min() / 1.4, positive.max() * 1.4)


def g2_limits(axes: Axes, values: np.ndarray, errors: np.ndarray | None) -> None:
    """Limits that show all values but those that are known much worse than most, as at the longest delays;
    without errors all but the outermost hundredths."""
    shown = np.isfinite(values)
    if not shown.any():
        return
    typical = 0.0
    if errors is not None and (shown & np.isfinite(errors)).any():
        typical = float(np.median(errors[shown & np.isfinite(errors)]))
        usual = shown & (errors <= WILD * typical)
        shown = usual if usual.any() else shown
    outermost = (0, 100) if errors is not None else (1, 99)
    low, high = np.percentile(values[shown], outermost)
    room = 0.08 * (high - low) + 1.5 * typical or 0.01
    axes.set_ylim(low - room, high + room)
