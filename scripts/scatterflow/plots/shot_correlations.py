"""Monitors of a run against each other and against sums of detectors, shot by shot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scatterflow.plots.shot_file import (
    column,
    detector_names,
    heading,
    histogram_edges,
    results_of,
    status,
    unit_of,
)
from scatterflow.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    WIDTH,
    axis_label,
    house_style,
    no_data_note,
    save,
    title,
)
from scatterflow.shots.small_data import SmallData, open_small_data

MOST = 5
MANY_SHOTS = 20_000
"""From here on points are drawn as a density."""


def plot_shot_correlations(
    small_data: str | Path, png: str | Path, svg: str | Path, columns: list[str] | None = None
) -> None:
    """Draw correlations of columns; None: of monitors and detector sums. Raises UserError."""
    save(shot_correlations_figure(open_small_data(small_data), columns), png, svg)


def correlated_columns(data: SmallData) -> list[str]:
    """Monitors, then sums of detectors, at most `MOST`, of each kind some."""
    monitors = data.monitors()
    sums = [name for det in detector_names(data) for name in results_of(data, det, "sum")]
    sums = [name for name in sums if name in data.scalars]
    kept = 3 if sums else MOST
    return (monitors[:kept] + sums)[:MOST]


@house_style()
def shot_correlations_figure(data: SmallData, columns: list[str] | None = None) -> Figure:
    """Lower triangle of panels: histograms on the diagonal, pairs below it, with Pearson's r."""
    names = correlated_columns(data) if columns is None else columns
    size = max(len(names), 1)
    figure = Figure(figsize=(WIDTH, 1.2 + WIDTH * (0.5 if size == 1 else 0.92)))
    panels = figure.subplots(size, size, squeeze=False)
    lit = status(data, "xray") != 0
    title(
        figure,
        heading(data),
        f"correlations of {int(lit.sum())} shots with X-rays, of {data.shots}",
    )
    laser = status(data, "laser") > 0
    values = {name: np.where(lit, column(data, name), np.nan) for name in names}
    if not names:
        no_data_note(panels[0, 0], "no monitor and no sum of a detector")
    for row, below in enumerate(names):
        for place, across in enumerate(names):
            axes = panels[row, place]
            if place > row:
                axes.set_visible(False)
            elif place == row:
                edges = histogram_edges(values[below], 40)
                axes.hist(values[below][np.isfinite(values[below])], edges, color=BLUE)
            else:
                _draw_pair(axes, values[across], values[below], laser)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
            if place == row:
                axes.set_yticks([])
            axes.tick_params(labelbottom=row == size - 1, labelleft=0 == place < row)
            if row == size - 1:
                axes.set_xlabel(_short_label(data, across))
            if place == 0 and row:
                axes.set_ylabel(_short_label(data, below))
    if names and np.unique(laser[lit]).size > 1:
        handles = [
            figure.axes[0].plot([], [], "o", color=colour, label=f"laser {state}", markersize=5)[0]
            for colour, state in ((ORANGE, "on"), (BLUE, "off"))
        ]
        figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(0.98, 0.9))
    return figure


def _short_label(data: SmallData, name: str) -> str:
    """The name in two lines where it is long."""
    label = axis_label(name, unit_of(data, name))
    return label.replace("/", "/\n", 1) if len(label) > 16 else label


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation coefficient of values known in both; NaN where one is constant or there are too few."""
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 2 or np.ptp(x[both]) == 0 or np.ptp(y[both]) == 0:
        return float("nan")
    return float(np.corrcoef(x[both], y[both])[0, 1])


def _draw_pair(axes: Axes, x: np.ndarray, y: np.ndarray, laser: np.ndarray) -> None:
    both = np.isfinite(x) & np.isfinite(y)
    if not both.any():
        no_data_note(axes, "no shot has both")
        return
    if both.sum() > MANY_SHOTS:
        axes.hexbin(x[both], y[both], gridsize=50, bins="log", mincnt=1, linewidths=0)
    else:
        for state, colour in ((False, BLUE), (True, ORANGE)):
            chosen = both & (laser == state)
            axes.plot(
                x[chosen], y[chosen], ".", color=colour, alpha=0.5, markersize=3, rasterized=True
            )
    coefficient = pearson(x, y)
    axes.set_title(f"r = {coefficient:.3f}", fontsize=9.5, color=GREY, pad=2)
