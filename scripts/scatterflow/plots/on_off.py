"""Sums of detectors over a monitor along the delay: with laser, without, the difference with its error."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.plots.damage import passed_all
from scatterflow.plots.scan_steps import delay_name, scanned_columns
from scatterflow.plots.shot_file import (
    column,
    detector_names,
    heading,
    mean_and_error,
    monitor_names,
    results_of,
    shot_file,
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

MOST_SIGNALS = 3
MOST_BINS = 40
FEWEST = 30
"""Shots of a bin on average, laser on and off together."""


def plot_on_off(small_data: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw the pump-probe signal of each detector sum; raises UserError."""
    with shot_file(small_data) as file:
        save(on_off_figure(file), png, svg)


def signals(file: h5py.File) -> list[str]:
    """Sums of detectors, one number per shot."""
    found = [name for det in detector_names(file) for name in results_of(file, det, "sum")]
    return [name for name in found if file[name].ndim == 1][:MOST_SIGNALS]


def along(file: h5py.File) -> str | None:
    """What signals are drawn along: the delay, else what was scanned."""
    return delay_name(file) or next(iter(scanned_columns(file)), None)


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
def on_off_figure(file: h5py.File) -> Figure:
    """For each signal the curves on the left, the relative difference on the right."""
    names, axis = signals(file), along(file)
    figure = Figure(figsize=(WIDTH, 1.6 + 2.6 * max(1, len(names))))
    panels = figure.subplots(max(1, len(names)), 2, squeeze=False, sharex=True)
    edges = np.array([]) if axis is None else delay_bins(column(file, axis))
    if not names or edges.size < 2:
        title(figure, heading(file), "signal with and without laser")
        no_data_note(panels[0, 0], "no detector sum, or nothing was scanned")
        panels[0, 1].set_visible(False)
        return figure
    assert axis is not None
    monitor = next(iter(monitor_names(file)), None)
    chosen = passed_all(file) & (status(file, "xray") != 0)
    told = f", over {monitor}" if monitor else ""
    title(figure, heading(file), f"signal{told}: {int(chosen.sum())} shots that pass all filters")
    places = np.digitize(column(file, axis), edges) - 1
    places[~chosen] = -1
    for row, name in enumerate(names):
        values = column(file, name)
        if monitor:
            by = column(file, monitor)
            values = np.divide(values, by, out=np.full(values.shape, np.nan), where=by > 0)
        _draw_signal(panels[row, 0], panels[row, 1], values, places, edges, status(file, "laser"))
        panels[row, 0].set_title(name, loc="left")
        panels[row, 0].set_ylabel("mean per shot")
        panels[row, 1].set_ylabel("(on − off) / off (%)")
    for axes in panels[-1]:
        axes.set_xlabel(axis_label(axis, unit_of(file, axis)))
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
