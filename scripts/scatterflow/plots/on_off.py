"""Sums of detectors over a monitor along the delay: with laser, without, the difference with its error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.plots.scan_steps import delay_name, scanned_columns
from scatterflow.plots.shot_file import (
    column,
    detector_names,
    heading,
    mean_and_error,
    results_of,
    short_name,
    status,
    unit_of,
)
from scatterflow.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    WIDTH,
    axis_label,
    house_style,
    no_data_note,
    save,
    title,
)
from scatterflow.shots.small_data import SmallData, open_small_data

MOST_SIGNALS = 3
MOST_BINS = 40
FEWEST = 30
"""Shots of a bin on average, laser on and off together."""


def plot_on_off(small_data: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw the pump-probe signal of each detector sum; raises UserError."""
    save(on_off_figure(open_small_data(small_data)), png, svg)


def signals(data: SmallData) -> list[str]:
    """Sums of detectors, one number per shot."""
    found = [name for det in detector_names(data) for name in results_of(data, det, "sum")]
    return [name for name in found if name in data.scalars][:MOST_SIGNALS]


def along(data: SmallData) -> str | None:
    """What signals are drawn along: the delay, else what was scanned."""
    return delay_name(data) or next(iter(scanned_columns(data)), None)


def delay_bins(values: np.ndarray) -> np.ndarray:
    """Edges of bins: between the values of a step scan, else equal ones over all but the outermost shots."""
    known = values[np.isfinite(values)]
    levels = np.unique(known)
    if levels.size < 2:
        return np.array([])
    if levels.size <= MOST_BINS and levels.size * FEWEST <= known.size:
        middle = 0.5 * (levels[1:] + levels[:-1])
        return np.concatenate(
            [[1.5 * levels[0] - 0.5 * levels[1]], middle, [1.5 * levels[-1] - 0.5 * levels[-2]]]
        )
    low, high = np.quantile(known, (0.005, 0.995))
    return np.linspace(low, high, int(np.clip(known.size // FEWEST, 4, MOST_BINS)) + 1)


def binned(values: np.ndarray, place: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and its standard error in each bin, (bins,) each; NaN of fewer than one and two shots."""
    found = [mean_and_error(values[place == number]) for number in range(bins)]
    return np.array([mean for mean, _ in found]), np.array([error for _, error in found])


@house_style()
def on_off_figure(data: SmallData) -> Figure:
    """For each signal the curves on the left, the relative difference on the right."""
    names, axis = signals(data), along(data)
    figure = Figure(figsize=(WIDTH, 1.6 + 2.6 * max(1, len(names))))
    panels = figure.subplots(max(1, len(names)), 2, squeeze=False, sharex=True)
    edges = np.array([]) if axis is None else delay_bins(column(data, axis))
    if not names or edges.size < 2:
        title(figure, heading(data), "signal with and without laser")
        no_data_note(panels[0, 0], "no detector sum, or nothing was scanned")
        panels[0, 1].set_visible(False)
        return figure
    assert axis is not None
    monitor = next(iter(data.monitors()), None)
    chosen = status(data, "xray") != 0
    told = f", over {monitor}" if monitor else ""
    title(figure, heading(data), f"signal{told}: {int(chosen.sum())} shots with X-rays")
    places = np.digitize(column(data, axis), edges) - 1
    places[~chosen] = -1
    for row, name in enumerate(names):
        values = column(data, name)
        if monitor:
            by = column(data, monitor)
            values = np.divide(values, by, out=np.full(values.shape, np.nan), where=by > 0)
        _draw_signal(panels[row, 0], panels[row, 1], values, places, edges, status(data, "laser"))
        panels[row, 0].set_title(name, loc="left")
        panels[row, 0].set_ylabel("mean per shot")
        panels[row, 1].set_ylabel("(on − off) / off (%)")
    for axes in panels[-1]:
        axes.set_xlabel(axis_label(short_name(axis), unit_of(data, axis)))
    return figure


def _draw_signal(
    curves: Axes,
    difference: Axes,
    values: np.ndarray,
    places: np.ndarray,
    edges: np.ndarray,
    laser: np.ndarray,
) -> None:
    centres, bins = 0.5 * (edges[1:] + edges[:-1]), edges.size - 1
    found = {}
    for state, colour, name in ((1, ORANGE, "on"), (0, BLUE, "off")):
        mean, error = found[name] = binned(values, np.where(laser == state, places, -1), bins)
        curves.errorbar(
            centres, mean, yerr=np.nan_to_num(error), fmt="o-", color=colour, markersize=3.5,
            linewidth=1.0, label=f"laser {name}",
        )  # fmt: skip
    curves.legend(fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1.02, 0.98))
    (on, on_error), (off, off_error) = found["on"], found["off"]
    base = np.where(off != 0, off, np.nan)
    ratio = on / base
    error = 100 * np.hypot(on_error, ratio * off_error) / np.abs(base)
    if not np.isfinite(ratio).any():
        no_data_note(difference, "no bin has both")
        return
    difference.errorbar(
        centres, 100 * (ratio - 1), yerr=np.nan_to_num(error), fmt="o-", color=GREEN, markersize=3.5,
        linewidth=1.0,
    )  # fmt: skip
    difference.axhline(0, color="black", linewidth=0.8)
