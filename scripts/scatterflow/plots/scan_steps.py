"""What was scanned: scan variables over the shots, delays, what the time tool found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scatterflow.plots.shot_file import (
    block_means,
    column,
    heading,
    histogram_edges,
    scalar_names,
    short_name,
    status,
    unit_of,
)
from scatterflow.plots.shot_monitors import running_block
from scatterflow.plots.style import (
    BLUE,
    GREEN,
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

MOST_SCANNED = 3


def plot_scan_steps(small_data: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw scan variables, delays and time tool of a run; raises UserError."""
    save(scan_steps_figure(open_small_data(small_data)), png, svg)


def scanned_columns(data: SmallData) -> list[str]:
    """Scan variables that vary, else all; encoders where the run has no scan variable. Equal ones once."""
    names = scalar_names(data)
    for group in ("scan/", "enc/"):
        found: list[str] = []
        for name in (name for name in names if name.startswith(group)):
            values = column(data, name)
            if not any(
                np.array_equal(values, column(data, other), equal_nan=True) for other in found
            ):
                found.append(name)
        varying = [name for name in found if np.unique(_known(column(data, name))).size > 1]
        if found:
            return (varying or found)[:MOST_SCANNED]
    return []


def _known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


@house_style()
def scan_steps_figure(data: SmallData) -> Figure:
    """Scan variables on top; histogram of delays; correction of the time tool and how often it is valid."""
    names = scanned_columns(data)
    rows = max(1, len(names))
    figure = Figure(figsize=(WIDTH, 5.6 + 1.9 * rows))
    grid = figure.add_gridspec(rows + 2, 2, height_ratios=(*([1.5] * rows), 1.8, 1.6))
    title(figure, heading(data), f"scan and delay, {data.shots} shots")
    for row in range(rows):
        axes = figure.add_subplot(grid[row, :])
        if names:
            _draw_scan(axes, data, names[row])
        else:
            no_data_note(axes, "no scan variable and no encoder in this run")
    axes.set_xlabel("shot")
    _draw_delays(figure.add_subplot(grid[rows, 0]), data)
    _draw_corrections(figure.add_subplot(grid[rows, 1]), data)
    _draw_validity(figure.add_subplot(grid[rows + 1, :]), data)
    return figure


def _draw_scan(axes: Axes, data: SmallData, name: str) -> None:
    values = column(data, name)
    axes.plot(
        values, ".", color=BLUE, markersize=3, rasterized=values.size > 5000, drawstyle="steps-mid"
    )
    levels = np.unique(_known(values))
    told = f"{levels.size} values" if levels.size > 1 else "constant"
    axes.set_title(told, loc="right", fontsize=10, color=GREY)
    axes.set_ylabel(axis_label(name, unit_of(data, name)))
    axes.set_xlim(-0.5, max(values.size, 1) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))


def delay_name(data: SmallData) -> str | None:
    """The delay that was computed, else the first scan variable that is called so."""
    named = [name for name in scalar_names(data) if "delay" in name.split("/")[-1].lower()]
    computed = [name for name in named if name.startswith("variables/")]
    return next(iter(computed + named), None)


def _draw_delays(axes: Axes, data: SmallData) -> None:
    name = delay_name(data)
    axes.set_title("delays", loc="left")
    if name is None:
        no_data_note(axes, "no delay in this run")
        return
    values, laser = column(data, name), status(data, "laser") > 0
    edges = histogram_edges(values, 80)
    parts = [_known(values[laser]), _known(values[~laser])]
    axes.hist(
        parts,
        edges,
        stacked=True,
        color=[ORANGE, BLUE],
        label=["laser on", "laser off"],
        linewidth=0,
    )
    missing = int(np.isnan(values).sum())
    axes.set_title(f"{missing} unknown" if missing else "", loc="right", fontsize=10, color=GREY)
    axes.set_xlabel(axis_label(short_name(name), unit_of(data, name)))
    axes.set_ylabel("shots per bin")
    axes.set_ylim(top=1.25 * axes.get_ylim()[1])
    axes.legend(loc="upper right", fontsize=9, ncols=2)


def time_tool_validity(data: SmallData) -> np.ndarray | None:
    """(n,) bool: shots in which the time tool found a good edge; None without one."""
    if "tt/valid" in data.scalars:
        return column(data, "tt/valid") > 0
    for name in ("tt/FLTPOS", "tt/fltpos"):
        if name in data.scalars:
            position = column(data, name)
            return np.isfinite(position) & (position != 0)
    return None


def _draw_corrections(axes: Axes, data: SmallData) -> None:
    axes.set_title("correction by the time tool", loc="left")
    valid = time_tool_validity(data)
    name = next((name for name in ("tt/ttCorr", "tt/FLTPOS") if name in data.scalars), None)
    if valid is None or name is None:
        no_data_note(axes, "no time tool in this run")
        return
    values = column(data, name)[valid]
    axes.hist(_known(values), histogram_edges(values), color=GREEN)
    axes.set_xlabel(axis_label(name, unit_of(data, name)))
    axes.set_ylabel("shots per bin")


def _draw_validity(axes: Axes, data: SmallData) -> None:
    axes.set_title("shots with a good edge, of those with X-rays and laser", loc="left")
    valid = time_tool_validity(data)
    axes.set_xlabel("shot")
    if valid is None:
        no_data_note(axes, "no time tool in this run")
        return
    lit = (status(data, "xray") != 0) & (status(data, "laser") > 0)
    block = running_block(valid.size)
    share = 100 * block_means(np.where(lit, valid, np.nan), block)
    centres = np.arange(share.size) * block + 0.5 * (block - 1)
    axes.plot(centres, share, "o-", color=GREEN, markersize=3)
    axes.set_ylim(-4, 104)
    axes.set_xlim(-0.5, max(valid.size, 1) - 0.5)
    axes.set_ylabel(f"valid (% of {block} shots)" if block > 1 else "valid (%)")
    told = f"{int((valid & lit).sum())} of {int(lit.sum())}"
    axes.set_title(told, loc="right", fontsize=10, color=GREY)
