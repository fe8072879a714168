"""What was scattered: the mean pattern beside the q-map, and I(q) with static and dynamic bins."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator

from scatterflow.plots.frames import draw_mean_frame
from scatterflow.plots.style import (
    BLUE,
    MASKED,
    ORANGE,
    WIDTH,
    axis_label,
    house_style,
    is_log,
    save,
    title,
)
from scatterflow.xpcs.correlation import Correlation
from scatterflow.xpcs.result import read_result


def plot_scattering(result_path: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw the mean frame, the dynamic bins, and I over the first coordinate."""
    save(scattering_figure(read_result(result_path, maps=False)), png, svg)


@house_style()
def scattering_figure(correlation: Correlation) -> Figure:
    """Mean image (log) and dynamic bins on top, both cut to the used pixels; I(q) below."""
    frames, qmap = correlation.frames, correlation.qmap
    rows, columns = _used(qmap.mask)
    tall = (rows.stop - rows.start) / (columns.stop - columns.start)
    figure = Figure(figsize=(WIDTH, 4.3 + float(np.clip(3.6 * tall, 1.6, 6.0))))
    grid = figure.add_gridspec(2, 2, height_ratios=[float(np.clip(3.6 * tall, 1.6, 6.0)), 3.0])
    mean, bins = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    count = f"{int(np.count_nonzero(frames.valid))} frames"
    title(figure, correlation.heading, f"mean of {count}, {qmap.pixels.size} pixels used")
    image, extend = draw_mean_frame(mean, np.where(qmap.mask, frames.mean, np.nan))
    label = "mean (counts per pixel)"
    bar = figure.colorbar(image, ax=mean, label=label, extend=extend, location="bottom")
    if isinstance(image.norm, LogNorm):
        # Few and plain: the bar is half as wide as the figure.
        bar.set_ticks(LogLocator(subs=(1.0, 2.0, 5.0)), minor=False)
        bar.formatter = FormatStrFormatter("%g")
        bar.ax.minorticks_off()
    _draw_bins(figure, bins, correlation)
    for axes in (mean, bins):
        axes.set_xlim(columns.start - 0.5, columns.stop - 0.5)
        axes.set_ylim(rows.stop - 0.5, rows.start - 0.5)
        axes.set_xlabel("column (pixels)")
    mean.set_ylabel("row (pixels)")
    _draw_profile(figure.add_subplot(grid[1, :]), correlation)
    return figure


def _used(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold all used pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _draw_bins(figure: Figure, axes: Axes, correlation: Correlation) -> None:
    qmap = correlation.qmap
    axes.grid(False)
    colours = matplotlib.colormaps["viridis"].with_extremes(bad=MASKED)
    numbers = np.ma.masked_equal(qmap.dynamic, 0)
    image = axes.imshow(
        numbers,
        cmap=colours,
        interpolation="nearest",
        interpolation_stage="rgba",
        vmin=1,
        vmax=max(2, qmap.dynamic_bins),
    )
    label = f"dynamic bin ({qmap.dynamic_bins}, in {qmap.static_bins} static ones)"
    ticks = MaxNLocator(nbins=6, integer=True)
    figure.colorbar(image, ax=axes, label=label, location="bottom", ticks=ticks)


def _draw_profile(axes: Axes, correlation: Correlation) -> None:
    frames, qmap = correlation.frames, correlation.qmap
    pixels = np.bincount(qmap.static_of_position, minlength=qmap.static_bins)
    # Weighted by pixels: the mean over all pixels of a dynamic bin.
    weight = np.bincount(qmap.parent, weights=pixels, minlength=qmap.dynamic_bins)
    dynamic = np.bincount(qmap.parent, weights=pixels * frames.static_mean) / weight
    axes.errorbar(
        qmap.static_values[:, 0],
        frames.static_mean,
        yerr=frames.static_error,
        fmt=".",
        color=BLUE,
        markersize=4,
        linewidth=0.8,
        label=f"static bins ({qmap.static_bins})",
    )
    axes.plot(
        qmap.dynamic_values[:, 0],
        dynamic,
        "o",
        markersize=8,
        markerfacecolor="none",
        color=ORANGE,
        markeredgewidth=1.5,
        label=f"dynamic bins ({qmap.dynamic_bins})",
    )
    if is_log(frames.static_mean):
        axes.set_yscale("log")
        positive = frames.static_mean[frames.static_mean > 0]
        axes.set_ylim(positive.min() / 1.5, positive.max() * 1.5)
    first = qmap.static_values[:, 0]
    if qmap.names[0] == "q" and first.min() > 0 and first.max() > 10 * first.min():
        axes.set_xscale("log")
    axes.set_xlabel(axis_label(qmap.names[0], qmap.units[0]))
    axes.set_ylabel("mean counts\nper pixel and frame")
    axes.legend()
