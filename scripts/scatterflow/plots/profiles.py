"""Profiles of all frames of a run: a few as lines, many as a heat map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from scatterflow.errors import UserError
from scatterflow.plots.axes import bin_edges, draw_x_axis, shade_bins
from scatterflow.plots.drawn import LEFT_OUT, Drawn, select_bins
from scatterflow.plots.results import Integration, read_grouped_frames, read_integration, read_norm
from scatterflow.plots.scalars import read_scalars, scanned
from scatterflow.plots.style import (
    GREY,
    MASKED,
    WIDTH,
    axis_label,
    colour_norm,
    house_style,
    intensity_colours,
    is_log,
    no_data_note,
    plain_text,
    robust_limits,
    save,
    title,
    wrapped,
)

MOST_LINES = 12
"""Up to this many frames are drawn as lines, more as a heat map."""
MOST_ROWS = 1000
"""Rows of a heat map at most: more frames than a screen has lines are averaged in groups."""


@dataclass(frozen=True)
class Series:
    """Profiles in the order in which they are drawn.

    profiles: (rows, bins). positions: (rows,) value of the scanned axis, NaN where unknown.
    label: of that axis, with unit. frames_per_row: frames averaged in each row (1: none).
    """

    profiles: np.ndarray
    positions: np.ndarray
    label: str
    frames_per_row: int


def plot_profiles(
    result_path: str | Path,
    detector: str,
    integration: str,
    png: str | Path,
    svg: str | Path,
    axis: str | None = None,
) -> None:
    """Draw the profiles of all frames over the frame number, or over the scalar named `axis`.

    Up to `MOST_LINES` frames as lines with their ratio to the mean, more as a heat map.
    Raises UserError if the integration or the scalar is not in the result, or for a cake.
    """
    shown = read_integration(result_path, detector, integration, ("azimuthal", "radial"))
    _, scalars = read_scalars(result_path)
    scalar = scanned(scalars, axis, result_path)
    if scalar.values.size != shown.frames:
        raise UserError(
            f"{shown.frames} profiles, but {scalar.values.size} values of {scalar.name!r}",
            f"{result_path}, {detector}, {integration}",
            "delete the result and run snakemake again",
        )
    groups = group_frames(scalar.values)
    profiles = read_grouped_frames(result_path, detector, integration, groups)
    series = Series(
        profiles,
        _group_means(scalar.values, groups, len(profiles)),
        axis_label(scalar.name.replace("_", " "), scalar.unit),
        -(-shown.frames // max(1, len(profiles))),
    )
    norm = read_norm(result_path, detector, integration, (shown.axes[0].values.size,))
    draw = lines_figure if shown.frames <= MOST_LINES else heat_map_figure
    save(draw(shown, series, f"{detector}, {integration}", norm), png, svg)


def group_frames(values: np.ndarray, most: int = MOST_ROWS) -> np.ndarray:
    """(frames,) row that each frame is drawn in: in order of `values`, unknown ones last.

    Every frame is in one row, all rows have the same number of frames but for one more or less.
    """
    order = np.argsort(values, kind="stable")  # NaN sorts last
    rows = min(values.size, most)
    row_of_frame = np.empty(values.size, dtype=np.intp)
    row_of_frame[order] = np.arange(values.size) * rows // max(1, values.size)
    return row_of_frame


def _group_means(values: np.ndarray, groups: np.ndarray, rows: int) -> np.ndarray:
    known = np.isfinite(values)
    count = np.bincount(groups[known], minlength=rows)
    total = np.bincount(groups[known], weights=values[known], minlength=rows)
    return np.divide(total, count, out=np.full(rows, np.nan), where=count > 0)


@house_style()
def lines_figure(
    shown: Integration, series: Series, what: str, norm: np.ndarray | None = None
) -> Figure:
    """A few profiles as lines; below, each divided by the mean of all.

    norm: (bins,) effective number of pixels, None if not known.
    """
    rows = len(series.profiles)
    drawn = select_bins(shown, series.profiles, norm)
    legend_height = 0.6 if drawn.left_out.any() else 0.0
    figure = Figure(figsize=(WIDTH, legend_height + (6.0 if rows > 1 else 4.6)))
    panels = figure.subplots(
        2 if rows > 1 else 1,
        1,
        sharex=True,
        squeeze=False,
        gridspec_kw={"height_ratios": [3, 1.2]} if rows > 1 else None,
    )[:, 0]
    title(figure, shown.heading, f"{what}: {rows} frame{'s' if rows != 1 else ''}")
    colours = line_colours(rows)
    names = position_texts(series.positions)
    for profile, colour, name in zip(drawn.profiles, colours, names, strict=True):
        panels[0].plot(drawn.x.values, profile, color=colour, label=name)
    panels[0].set_ylabel(wrapped(shown.intensity_label))
    limits = drawn.profiles[:, drawn.steady]
    logarithmic = is_log(limits)
    panels[0].set_yscale("log" if logarithmic else "linear")
    robust_limits(panels[0], limits, logarithmic)
    if rows > 1:
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            title=series.label.replace(" (", "\n("),
            loc="outside right center",
        )
    if not np.isfinite(drawn.profiles).any():
        no_data_note(panels[0], "no valid data in any frame")
    draw_x_axis(panels[-1], drawn.x)
    if rows > 1:
        _draw_ratios(panels[1], drawn, colours)
    if drawn.left_out.any():
        for axes in panels:
            shade_bins(axes, drawn.x, drawn.left_out)
        left_out = Patch(color=MASKED, alpha=0.5, linewidth=0, label=LEFT_OUT)
        figure.legend(handles=[left_out], loc="outside lower center")
    return figure


def line_colours(rows: int) -> np.ndarray:
    """(rows, 4) colours from dark to light; closer at the light end, where they differ most."""
    places = 0.93 * np.linspace(0, 1, max(rows, 2)) ** 0.75
    return matplotlib.colormaps["viridis"](places)[:rows]


def _draw_ratios(axes: Axes, drawn: Drawn, colours: np.ndarray) -> None:
    """Each profile over the mean of all: drifts and damage that a log scale hides."""
    profiles, x = drawn.profiles, drawn.x.values
    known = np.isfinite(profiles)
    total = np.where(known, profiles, 0.0).sum(axis=0)
    mean = np.divide(total, known.sum(axis=0), out=np.full(x.size, np.nan), where=known.any(axis=0))
    ratios = np.divide(profiles, mean, out=np.full(profiles.shape, np.nan), where=mean > 0)
    axes.axhline(1.0, color=GREY, linewidth=0.8)
    for ratio, colour in zip(ratios, colours, strict=True):
        axes.plot(x, ratio, color=colour, linewidth=1.0)
    steady = np.where(drawn.steady, ratios, np.nan)
    finite = np.abs(steady[np.isfinite(steady)] - 1)
    reach = max(0.01, 1.3 * float(np.percentile(finite, 98))) if finite.size else 0.01
    low, high = max(1 - reach, 0.0), 1 + reach
    axes.set_ylim(low, high)
    axes.set_ylabel("frame / mean")
    for ratio, colour in zip(steady, colours, strict=True):
        for beyond, height, marker in ((ratio > high, 1.0, "^"), (ratio < low, 0.0, "v")):
            if (place := _where_cut(beyond)) is not None:
                axes.plot(
                    [x[place]],
                    [height],
                    marker,
                    color=colour,
                    markersize=6,
                    transform=axes.get_xaxis_transform(),
                    clip_on=False,
                    zorder=4,
                )


def _where_cut(beyond: np.ndarray) -> int | None:
    """The bin to mark where a curve leaves the panel: the inner end of its longest absence."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], beyond, [False]]).astype(int)))
    if steps.size == 0:
        return None
    start, stop = max(steps.reshape(-1, 2), key=lambda run: run[1] - run[0])
    if start == 0 and stop < beyond.size:
        return int(stop) - 1
    return int(start) if stop == beyond.size else int(start + stop) // 2


@house_style()
def heat_map_figure(
    shown: Integration, series: Series, what: str, norm: np.ndarray | None = None
) -> Figure:
    """Many profiles as a heat map: bins across, scanned axis upwards.

    norm: (bins,) effective number of pixels, None if not known.
    """
    figure = Figure(figsize=(WIDTH, 6.0))
    axes = figure.subplots()
    axes.grid(False)
    averaged = series.frames_per_row
    note = f", about {averaged} per row" if averaged > 1 else ""
    title(figure, shown.heading, f"{what}: {shown.frames} frames{note}")
    drawn = select_bins(shown, series.profiles, norm)
    edges, scale = row_edges(series.positions)
    rows = np.arange(len(series.positions) + 1) - 0.5 if edges is None else edges
    axes.set_yscale(scale)
    axes.set_ylim(rows[0], rows[-1])
    colours, extend = colour_norm(drawn.profiles[:, drawn.steady])
    mesh = axes.pcolormesh(
        bin_edges(drawn.x.values),
        rows,
        np.ma.masked_invalid(drawn.profiles),
        norm=colours,
        cmap=intensity_colours(),
        rasterized=True,
    )
    axes.set_facecolor(MASKED)
    axes.set_ylabel(series.label if edges is not None else f"{series.label}, in order of value")
    if edges is None:
        _value_ticks(axes, series.positions)
    if not np.isfinite(drawn.profiles).any():
        no_data_note(axes, "no valid data in any frame")
    label = plain_text(shown.intensity_label)
    figure.colorbar(mesh, ax=axes, label=label, extend=extend, pad=0.02, aspect=30)
    draw_x_axis(axes, drawn.x)
    if drawn.left_out.any():
        left_out = Patch(facecolor=MASKED, label=f"no data or {LEFT_OUT}")
        figure.legend(handles=[left_out], loc="outside lower center")
    return figure


def row_edges(positions: np.ndarray) -> tuple[np.ndarray | None, str]:
    """Edges halfway between positions, (rows + 1,), and the scale of the axis: `linear` or `log`.

    Edges are None where rows would be invisible or their place is unknown: for repeated or unknown
    positions, and for steps too uneven to show to scale, linear or logarithmic.
    """
    if positions.size < 2 or not np.isfinite(positions).all():
        return None, "linear"
    if _rows_visible(positions):
        return bin_edges(positions), "linear"
    if positions[0] > 0 and _rows_visible(np.log(positions)):
        return np.exp(bin_edges(np.log(positions))), "log"
    return None, "linear"


def _rows_visible(positions: np.ndarray) -> bool:
    """Whether no row is thinner than a third of the mean row, or than a pixel."""
    least = (positions[-1] - positions[0]) / max(3 * positions.size, 400)
    return bool(np.diff(positions).min() > least)


def _value_ticks(axes: Axes, positions: np.ndarray) -> None:
    """Ticks that give the value of every so manieth row."""
    rows = np.unique(np.linspace(0, positions.size - 1, min(9, positions.size)).astype(int))
    axes.set_yticks(rows, position_texts(positions[rows]))


def position_texts(positions: np.ndarray) -> list[str]:
    """Values with as many digits (4 at least) as tell them apart."""
    for digits in range(4, 17):
        texts = [f"{value:.{digits}g}" if np.isfinite(value) else "unknown" for value in positions]
        if len(set(texts)) >= len(np.unique(positions)):
            break
    return texts
