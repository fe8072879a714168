"""A dark run: pedestal, noise and status of each gain mode, and what changed since the previous one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from scatterflow.plots.image_panels import draw_image, label_few
from scatterflow.plots.shot_file import histogram_edges, index_of
from scatterflow.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    house_style,
    no_data_note,
    save,
    title,
)
from scatterflow.shots.dark_file import read_dark
from scatterflow.shots.darks import STATUS, Dark, compare_darks, status_counts
from scatterflow.shots.images import ImageIndex, stacked_index
from scatterflow.shots.small_data import open_small_data


def plot_dark(
    dark_path: str | Path,
    detector: str,
    png: str | Path,
    svg: str | Path,
    small_data: str | Path | None = None,
    previous: str | Path | None = None,
) -> None:
    """Draw a dark run.

    small_data: a run's file that says where the detector's pixels are, None: tiles are stacked; previous:
    the dark run before. Raises UserError.
    """
    dark = read_dark(dark_path)
    shape = dark.pedestal.shape[1:]
    index, unit = stacked_index(shape), "pixels"
    if small_data is not None:
        index, unit = index_of(open_small_data(small_data), detector, shape)
    before = None if previous is None else read_dark(previous)
    name = f"dark {Path(dark_path).stem}"
    save(dark_figure(dark, detector, name, index, unit, before), png, svg)


@house_style()
def dark_figure(
    dark: Dark, detector: str, name: str, index: ImageIndex, unit: str, before: Dark | None = None
) -> Figure:
    """For each gain mode images, histograms and status; below what changed."""
    modes = len(dark.pedestal)
    rows, columns = index.shape
    image = float(np.clip(0.17 * WIDTH * rows / columns, 1.0, 4.0))
    height = image + 3.5 + (2.2 if before is not None else 0.0)
    figure = Figure(figsize=(WIDTH, 0.9 + height * modes))
    frames = int(dark.frames.max(initial=0))
    bad = int((~dark.good).sum())
    title(
        figure,
        f"{name} · detector {detector}",
        f"{frames} frames, {bad} of {dark.good.size} pixels bad",
    )
    for mode, part in enumerate(np.atleast_1d(figure.subfigures(modes, 1))):
        if modes > 1:
            part.suptitle(f"gain mode {mode}", fontsize=11, x=0.01, ha="left")
        _draw_mode(part, dark, mode, index, unit, before, image)
    return figure


def _draw_mode(
    part: SubFigure,
    dark: Dark,
    mode: int,
    index: ImageIndex,
    unit: str,
    before: Dark | None,
    image: float,
) -> None:
    heights = [image + 1.0, 2.1] + ([1.9] if before is not None else [])
    grid = part.add_gridspec(len(heights), 6, height_ratios=heights)
    good = dark.status[mode] == 0
    shown = (
        ("pedestal (ADU)", dark.pedestal[mode]),
        ("noise, rms (ADU)", dark.rms[mode]),
        ("bad pixels", np.where(good, 0.0, 1.0)),
    )
    for place, (label, values) in enumerate(shown):
        axes = part.add_subplot(grid[0, 2 * place : 2 * place + 2])
        bad = place == 2
        drawn, extend = draw_image(axes, values, index, unit, Normalize(0, 1) if bad else None)
        axes.set_title(label, loc="left", fontsize=10.5)
        axes.tick_params(labelsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        if place:
            axes.set_ylabel("")
        bar = part.colorbar(drawn, ax=axes, extend=extend, location="bottom", aspect=25, pad=0.02)
        label_few(bar)
        bar.ax.tick_params(labelsize=8.5)
        if bad:
            bar.set_ticks([0, 1], labels=["good", "bad"])
    for place, (label, values) in enumerate(shown[:2]):
        axes = part.add_subplot(grid[1, 2 * place : 2 * place + 2])
        _draw_histogram(axes, values, good, label)
    _draw_status(part.add_subplot(grid[1, 4:]), dark, mode)
    if before is not None:
        _draw_changes(part, grid[2, :], dark, before, mode)


def _draw_histogram(axes: Axes, values: np.ndarray, good: np.ndarray, label: str) -> None:
    finite = np.isfinite(values)
    if not finite.any():
        no_data_note(axes, "no value")
        return
    edges = histogram_edges(values[finite])
    axes.hist(values[finite], edges, color=ORANGE, label="all pixels")
    axes.hist(values[finite & good], edges, color=BLUE, label="good")
    axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.set_ylabel("pixels")
    axes.set_ylim(bottom=0.7, top=8 * axes.get_ylim()[1])
    axes.legend(fontsize=8.5, loc="upper right", ncols=2, columnspacing=1.0, handlelength=1.2)
    middle, spread = np.median(values[finite]), np.std(values[finite])
    axes.set_title(f"median {middle:.4g}, spread {spread:.3g}", fontsize=9, color=GREY)


def _draw_status(axes: Axes, dark: Dark, mode: int) -> None:
    counts = status_counts(dark)[mode]
    rows = range(len(counts))
    axes.barh(rows, list(counts.values()), color=RED, height=0.65)
    for row, number in enumerate(counts.values()):
        axes.annotate(
            str(number), (number, row), xytext=(3, 0), textcoords="offset points", va="center",
            fontsize=8.5,
        )  # fmt: skip
    names = [f"{name} (0x{STATUS[name]:02X})" for name in counts]
    axes.set_yticks(rows, names, fontsize=8.5)
    axes.set_ylim(len(counts) - 0.5, -0.5)
    axes.set_xlim(0, 1.25 * max([*counts.values(), 1]))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("pixels")


def _draw_changes(part: SubFigure, place, dark: Dark, before: Dark, mode: int) -> None:
    changes = compare_darks(dark, before)[mode]
    both = (dark.status[mode] == 0) & (before.status[mode] == 0)
    panels = place.subgridspec(1, 2)
    for number, name in enumerate(("pedestal", "rms")):
        axes = part.add_subplot(panels[0, number])
        change = (getattr(dark, name)[mode] - getattr(before, name)[mode])[both]
        axes.set_xlabel(f"change of {name} since the last dark (ADU)")
        axes.set_ylabel("good pixels")
        if change.size == 0:
            no_data_note(axes, "no pixel is good in both")
            continue
        axes.hist(change, histogram_edges(change), color=BLUE)
        axes.set_yscale("log")
        axes.axvline(0, color=GREY, linewidth=1.0)
        median, largest = changes[f"{name}_median_change"], changes[f"{name}_largest_change"]
        told = f"median {median:+.3g}, 99 % within ±{largest:.3g}"
        if number == 0:
            told += f"; {changes['turned_bad']} turned bad, {changes['turned_good']} good"
        axes.set_title(told, fontsize=9, color=GREY)
