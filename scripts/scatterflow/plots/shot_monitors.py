"""Monitors of a run shot by shot: histories with running medians, light, histograms of the intensity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from scatterflow.plots.shot_file import (
    BLOCK,
    block_means,
    block_quantiles,
    column,
    heading,
    histogram_edges,
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

MOST_PANELS = 6
BEAMS = {"xray": ("X-rays", BLUE), "laser": ("laser", ORANGE)}


def plot_shot_monitors(small_data: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw the intensity monitors of a run over its shots; raises UserError."""
    save(shot_monitors_figure(open_small_data(small_data)), png, svg)


@house_style()
def shot_monitors_figure(data: SmallData) -> Figure:
    """Light on top, then a monitor a row: history and histogram."""
    names = data.monitors()[:MOST_PANELS]
    shots = data.shots
    rows = max(1, len(names))
    figure = Figure(figsize=(WIDTH, 1.9 + 1.8 * rows))
    grid = figure.add_gridspec(
        rows + 1, 2, width_ratios=(3.2, 1), height_ratios=(0.42, *([1.8] * rows))
    )
    title(figure, heading(data), f"intensity monitors, {shots} shots")
    light = figure.add_subplot(grid[0, 0])
    draw_light(light, data)
    _count_light(figure.add_subplot(grid[0, 1], sharey=light), data)
    for row in range(rows):
        history = figure.add_subplot(grid[row + 1, 0], sharex=light)
        histogram = figure.add_subplot(grid[row + 1, 1], sharey=history)
        if not names:
            no_data_note(history, "no intensity monitor in this run")
            histogram.set_visible(False)
            break
        _draw_history(history, data, names[row])
        _draw_histogram(histogram, data, names[row])
        history.tick_params(labelbottom=row == rows - 1)
        histogram.tick_params(labelleft=False)
        if row == 0:
            for axes in (history, histogram):
                axes.legend(
                    loc="lower center",
                    bbox_to_anchor=(0.5, 0.99),
                    ncols=2,
                    fontsize=9,
                    columnspacing=1,
                )
    history.set_xlabel("shot")
    histogram.set_xlabel("shots per bin")
    history.set_xlim(-0.5, max(shots, 1) - 0.5)
    return figure


def running_block(shots: int) -> int:
    """Shots that a running median is over: `BLOCK`, fewer in short runs."""
    return max(1, min(BLOCK, shots // 12))


def draw_light(axes: Axes, data: SmallData) -> None:
    """Bands of the part of shots with X-rays and laser."""
    shots = data.shots
    block = max(1, -(-shots // 200))
    edges = np.minimum(np.arange(0, shots + block, block), shots) - 0.5
    for row, (beam, (_, colour)) in enumerate(BEAMS.items()):
        known = status(data, beam)
        share = block_means(np.where(known < 0, np.nan, known), block)
        for start, stop, part in zip(edges[:-1], edges[1:], share, strict=False):
            shown = {"color": colour, "alpha": part} if np.isfinite(part) else {"color": GREY}
            axes.barh(row, stop - start, left=start, height=0.8, linewidth=0, **shown)
    axes.set_yticks(range(len(BEAMS)), [name for name, _ in BEAMS.values()])
    axes.set_ylim(len(BEAMS) - 0.5, -0.5)
    axes.set_xlim(-0.5, max(shots, 1) - 0.5)
    axes.grid(False)
    axes.tick_params(labelbottom=False, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _count_light(axes: Axes, data: SmallData) -> None:
    axes.set_axis_off()
    for row, beam in enumerate(BEAMS):
        known = status(data, beam)
        told = f"on in {int((known == 1).sum())}"
        if (known < 0).any():
            told += f", unknown in {int((known < 0).sum())}"
        axes.text(0.0, row, told, va="center", fontsize=9.5)


def _draw_history(axes: Axes, data: SmallData, name: str) -> None:
    values, shots = column(data, name), data.shots
    lit = status(data, "xray") != 0
    axes.plot(
        np.arange(shots), values, ".", color=BLUE, alpha=0.25, markersize=2.5, rasterized=True
    )
    block = running_block(shots)
    low, middle, high = block_quantiles(np.where(lit, values, np.nan), block, (0.25, 0.5, 0.75))
    centres = np.arange(len(middle)) * block + 0.5 * (block - 1)
    axes.fill_between(centres, low, high, color=ORANGE, alpha=0.35, linewidth=0)
    label = f"median of {block} shots with X-rays, and quartiles"
    axes.plot(centres, middle, color=ORANGE, label=label)
    axes.set_ylabel(axis_label(name, unit_of(data, name)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))


def _draw_histogram(axes: Axes, data: SmallData, name: str) -> None:
    values, lit = column(data, name), status(data, "xray") != 0
    edges = histogram_edges(values)
    axes.hist(values[lit], edges, orientation="horizontal", color=BLUE, label="X-rays on")
    if (~lit).any():
        axes.hist(values[~lit], edges, orientation="horizontal", color=GREY, alpha=0.8, label="off")
    if missing := int(np.isnan(values).sum()):
        axes.set_title(f"{missing} without value", fontsize=9, color=GREY, loc="right")
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(LogLocator(numticks=4))
    axes.set_xlim(0.7, max(axes.get_xlim()[1], 15.0))
