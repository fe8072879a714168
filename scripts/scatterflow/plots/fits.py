"""Fits and figures of merit of a run: curves of some frames, values of all."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scatterflow.plots.analyses import (
    FitCurves,
    FrameValue,
    read_curves,
    read_status,
    read_values,
)
from scatterflow.plots.axes import label_of
from scatterflow.plots.monitors import MANY_FRAMES, readable
from scatterflow.plots.scalars import Scalar, read_scalars, scanned
from scatterflow.plots.style import (
    BLUE,
    GREY,
    RED,
    WIDTH,
    axis_label,
    house_style,
    is_log,
    no_data_note,
    plain_text,
    save,
    title,
)

MOST_CURVES = 3
"""Frames of which data and fit are drawn."""
MOST_VALUES = 8
"""Values that are drawn over the scanned axis."""
ORDER = ("centre", "area", "width", "reduced_chi_square", "amplitude", "fraction")
"""Which values are drawn first, by the ending of their names."""
DECADES = 50
"""Ratio of highest to lowest intensity from which curves are drawn on a log scale."""
TITLE_LENGTH = 44
"""Characters that fit above a panel."""


def plot_fit(
    analysis: str | Path,
    fit: str,
    names: list[str],
    png: str | Path,
    svg: str | Path,
    axis: str | None = None,
) -> None:
    """Draw a fit: some frames with data, best fit and residual, and the values of all frames.

    names: of the fit's values per frame. axis: name of the scalar to draw them over, None: frame number.
    """
    heading, scalars = read_scalars(analysis)
    failures = read_status(analysis, fit)
    success = np.array([not failure for failure in failures])
    curves = read_curves(analysis, fit, chosen_frames(success))
    values = read_values(analysis, names)
    over = scanned(scalars, axis, analysis)
    save(fit_figure(heading, fit, curves, values, over, failures), png, svg)


def chosen_frames(success: np.ndarray, most: int = MOST_CURVES) -> np.ndarray:
    """Frames to show, in order: the first, the last and those between that succeeded, evenly spaced.

    If none did, frames are taken from all.
    """
    frames = np.flatnonzero(success) if success.any() else np.arange(success.size)
    places = np.linspace(0, frames.size - 1, min(most, frames.size)).round().astype(int)
    return frames[np.unique(places)]


@house_style()
def fit_figure(
    heading: str,
    fit: str,
    curves: FitCurves,
    values: list[FrameValue],
    over: Scalar,
    failures: list[str],
) -> Figure:
    """Curves above, values per frame below; failures: why each frame failed, empty where it did not."""
    shown = important(values)
    rows = -(-len(shown) // 2)
    figure = Figure(figsize=(WIDTH, 4.4 + 1.6 * rows + 0.5))
    above, below = figure.subfigures(2, 1, height_ratios=[4.4, 1.6 * rows + 0.5])
    _draw_curves(above, curves, failures)
    left_out = len(values) - len(shown)
    note = f", {left_out} more values in the file" if left_out else ""
    succeeded = failures.count("")
    title(figure, heading, f"fit {fit}: {succeeded} of {len(failures)} frames succeeded{note}")
    _draw_values(below, shown, over)
    return figure


def important(values: list[FrameValue], most: int = MOST_VALUES) -> list[FrameValue]:
    """At most so many values, in their order; those that people look at first are kept."""

    def rank(value: FrameValue) -> int:
        return next((k for k, word in enumerate(ORDER) if value.name.endswith(word)), len(ORDER))

    kept = {value.name for value in sorted(values, key=rank)[:most]}
    return [value for value in values if value.name in kept]


def _draw_curves(figure: Figure, curves: FitCurves, failures: list[str]) -> None:
    columns = max(1, len(curves.frames))
    panels = figure.subplots(
        2, columns, sharex=True, sharey="row", squeeze=False, height_ratios=[3, 1]
    )
    logarithmic = _over_decades(curves.data)
    for column, frame in enumerate(curves.frames):
        curve, residual = panels[:, column]
        errors = None if curves.data_errors is None else curves.data_errors[column]
        curve.set_yscale("log" if logarithmic else "linear")
        curve.errorbar(
            curves.x.values,
            curves.data[column],
            yerr=errors,
            fmt="o",
            color=BLUE,
            markersize=3,
            linewidth=0.8,
            label="data",
        )
        curve.plot(curves.x.values, curves.best_fit[column], color=RED, zorder=3, label="best fit")
        curve.set_title(f"frame {frame}", loc="left", fontsize=10)
        if not np.isfinite(curves.best_fit[column]).any():
            no_data_note(residual, fill(f"failed: {failures[frame]}", 26))
            residual.set_yticks([])
        difference = curves.data[column] - curves.best_fit[column]
        if errors is not None:
            known = errors > 0
            difference = np.divide(
                difference, errors, out=np.full(errors.shape, np.nan), where=known
            )
        residual.axhline(0.0, color=GREY, linewidth=0.8)
        residual.plot(curves.x.values, difference, ".", color=BLUE, markersize=3.5)
        residual.xaxis.set_major_locator(MaxNLocator(nbins=4))
        residual.set_xlabel(label_of(curves.x))
    label = plain_text(curves.intensity_label)
    panels[0, 0].set_ylabel("intensity" if len(label) > 32 else label)
    panels[1, 0].set_ylabel("residual" if curves.data_errors is None else "residual\n/ error")
    panels[0, -1].legend(loc="best")


def _over_decades(data: np.ndarray) -> bool:
    """Whether a log scale helps: peaks on a ground are read more easily on a linear one."""
    if not is_log(data):
        return False
    return bool(np.nanmax(data) > DECADES * np.nanpercentile(data, 1))


@house_style()
def figures_figure(heading: str, values: list[FrameValue], over: Scalar) -> Figure:
    """Figures of merit of all frames as small multiples."""
    columns = 1 if len(values) == 1 else 2
    rows = max(1, -(-len(values) // columns))
    figure = Figure(figsize=(WIDTH, 1.4 + 1.75 * rows))
    frames = f"{over.values.size} frame{'s' if over.values.size != 1 else ''}"
    title(figure, heading, f"figures of merit, {frames}")
    _draw_values(figure, values, over)
    return figure


def plot_figures(
    analysis: str | Path,
    names: list[str],
    png: str | Path,
    svg: str | Path,
    axis: str | None = None,
) -> None:
    """Draw figures of merit over the frame number, or over the scalar named `axis`."""
    heading, scalars = read_scalars(analysis)
    values = read_values(analysis, names)
    save(figures_figure(heading, values, scanned(scalars, axis, analysis)), png, svg)


def _draw_values(figure: Figure, values: list[FrameValue], over: Scalar) -> None:
    columns = 1 if len(values) == 1 else 2
    rows = max(1, -(-len(values) // columns))
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for axes, value in zip(panels.flat, values, strict=False):
        _draw_value(axes, value, over.values)
    for axes in panels.flat[len(values) :]:
        axes.set_visible(False)
    if len(values) % columns and rows > 1:
        panels[-2, -1].tick_params(labelbottom=True)
    figure.supxlabel(axis_label(over.name.replace("_", " "), over.unit), fontsize=11)


def _draw_value(axes: Axes, value: FrameValue, positions: np.ndarray) -> None:
    known = np.isfinite(value.values)
    unit = "" if value.unit == "arbitrary units" else value.unit
    values, unit, factor = readable(value.values, unit)
    errors = None if value.errors is None else np.where(known, value.errors, np.nan) * factor
    many = positions.size > MANY_FRAMES
    axes.errorbar(
        positions,
        values,
        yerr=errors,
        fmt="." if many else "o",
        color=BLUE,
        markersize=2 if many else 3.5,
        linewidth=0.9,
        rasterized=positions.size > 5000,
    )
    _limit(axes, values, errors)
    flag = ""
    if not known.all():
        foot = np.full(int((~known).sum()), 0.05)
        axes.plot(
            positions[~known], foot, "x", color=RED, transform=axes.get_xaxis_transform(), zorder=4
        )
        flag = f"× {foot.size} failed"
    if not known.any():
        no_data_note(axes, "no value")
        axes.set_yticks([])
    name = plain_text(value.name.replace("_", " "), max(8, TITLE_LENGTH - len(unit) - len(flag)))
    axes.set_title(f"{name}{unit}", loc="left", fontsize=10)
    axes.set_title(flag, loc="right", fontsize=9.5, color=RED)
    if known.any():
        axes.ticklabel_format(axis="y", style="plain")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))


def _limit(axes: Axes, values: np.ndarray, errors: np.ndarray | None) -> None:
    """Limits of the values, with the error bars of those that are known well: one wild frame is cut."""
    known = np.isfinite(values)
    if not known.any():
        return
    reach = np.zeros(values.size) if errors is None else np.nan_to_num(errors)
    usual = np.median(reach[known])
    reach = np.minimum(reach, 5 * usual)
    low, high = np.min((values - reach)[known]), np.max((values + reach)[known])
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(low - room, high + room)
