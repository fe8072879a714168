"""Profiles of a run: all frames, and their mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from scatterflow.errors import UserError, suggestion
from scatterflow.plots.results import (
    Integration,
    PlotAxis,
    Scalar,
    read_grouped_frames,
    read_integration,
    read_mean,
    read_scalars,
)
from scatterflow.plots.rings import draw_rings
from scatterflow.plots.style import (
    BLUE,
    GREY,
    WIDTH,
    axis_label,
    colour_norm,
    house_style,
    intensity_colours,
    is_log,
    is_log_radial,
    no_data_note,
    plain_text,
    robust_limits,
    save,
    title,
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
    scalar = _scanned(scalars, axis or "frame_number", result_path)
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
    draw = lines_figure if shown.frames <= MOST_LINES else heat_map_figure
    save(draw(shown, series, f"{detector}, {integration}"), png, svg)


def _scanned(scalars: list[Scalar], name: str, result_path: str | Path) -> Scalar:
    by_name = {scalar.name: scalar for scalar in scalars}
    if name not in by_name:
        raise UserError(
            f"no scalar {name!r} to plot profiles over",
            f"{result_path}, /entry/scalars",
            suggestion(name, by_name),
        )
    return by_name[name]


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
def lines_figure(shown: Integration, series: Series, what: str) -> Figure:
    """A few profiles as lines; below, each divided by the mean of all."""
    rows = len(series.profiles)
    figure = Figure(figsize=(WIDTH, 6.0 if rows > 1 else 4.6))
    panels = figure.subplots(
        2 if rows > 1 else 1,
        1,
        sharex=True,
        squeeze=False,
        gridspec_kw={"height_ratios": [3, 1.2]} if rows > 1 else None,
    )[:, 0]
    title(figure, shown.heading, f"{what}: {rows} frame{'s' if rows != 1 else ''}")
    x = shown.axes[0]
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, max(rows, 2)))
    names = position_texts(series.positions)
    for profile, colour, name in zip(series.profiles, colours, names, strict=False):
        panels[0].plot(x.values, profile, color=colour, label=name)
    panels[0].set_ylabel(plain_text(shown.intensity_label))
    logarithmic = is_log(series.profiles)
    panels[0].set_yscale("log" if logarithmic else "linear")
    robust_limits(panels[0], series.profiles, logarithmic)
    if rows:
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            title=series.label.replace(" (", "\n("),
            loc="outside right center",
        )
    if not np.isfinite(series.profiles).any():
        no_data_note(panels[0], "no valid data in any frame")
    if rows > 1:
        _draw_ratios(panels[1], x.values, series.profiles, colours)
    _x_axis(panels[-1], x)
    return figure


def _draw_ratios(axes: Axes, x: np.ndarray, profiles: np.ndarray, colours: np.ndarray) -> None:
    """Each profile over the mean of all: drifts and damage that a log scale hides."""
    known = np.isfinite(profiles)
    total = np.where(known, profiles, 0.0).sum(axis=0)
    mean = np.divide(total, known.sum(axis=0), out=np.full(x.size, np.nan), where=known.any(axis=0))
    ratios = np.divide(profiles, mean, out=np.full(profiles.shape, np.nan), where=mean > 0)
    axes.axhline(1.0, color=GREY, linewidth=0.8)
    for ratio, colour in zip(ratios, colours, strict=False):
        axes.plot(x, ratio, color=colour, linewidth=1.0)
    finite = np.abs(ratios[np.isfinite(ratios)] - 1)
    reach = max(0.01, 1.3 * float(np.percentile(finite, 98))) if finite.size else 0.01
    axes.set_ylim(max(1 - reach, 0.0), 1 + reach)
    axes.set_ylabel("frame / mean")


@house_style()
def heat_map_figure(shown: Integration, series: Series, what: str) -> Figure:
    """Many profiles as a heat map: bins across, scanned axis upwards."""
    figure = Figure(figsize=(WIDTH, 6.0))
    axes = figure.subplots()
    axes.grid(False)
    averaged = series.frames_per_row
    note = f", about {averaged} per row" if averaged > 1 else ""
    title(figure, shown.heading, f"{what}: {shown.frames} frames{note}")
    x = shown.axes[0]
    edges, scale = row_edges(series.positions)
    rows = np.arange(len(series.positions) + 1) - 0.5 if edges is None else edges
    axes.set_yscale(scale)
    axes.set_ylim(rows[0], rows[-1])
    norm, extend = colour_norm(series.profiles)
    mesh = axes.pcolormesh(
        bin_edges(x.values),
        rows,
        np.ma.masked_invalid(series.profiles),
        norm=norm,
        cmap=intensity_colours(),
        rasterized=True,
    )
    axes.set_facecolor(intensity_colours().get_bad())
    axes.set_ylabel(series.label if edges is not None else f"{series.label}, in order of value")
    if edges is None:
        _value_ticks(axes, series.positions)
    if not np.isfinite(series.profiles).any():
        no_data_note(axes, "no valid data in any frame")
    label = plain_text(shown.intensity_label)
    figure.colorbar(mesh, ax=axes, label=label, extend=extend, pad=0.02, aspect=30)
    _x_axis(axes, x)
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


def bin_edges(centres: np.ndarray) -> np.ndarray:
    """(n + 1,) edges halfway between centres; the outer ones mirror their neighbours."""
    if centres.size == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


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


def _x_axis(axes: Axes, x: PlotAxis) -> None:
    """Label, scale and limits of the axis that profiles are drawn over."""
    axes.set_xlabel(axis_label(x.name, x.unit, x.pyfai_unit))
    if is_log_radial(x.values, x.pyfai_unit):
        axes.set_xscale("log")
        axes.set_xlim(x.values[x.values > 0][0], x.values[-1])
        axes.xaxis.set_minor_formatter(FuncFormatter(_few_minor_labels))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        return
    axes.set_xlim(*(x.values[[0, -1]] if x.values.size > 1 else (None, None)))


def _few_minor_labels(value: float, _: int | None = None) -> str:
    """Labels at 2 and 5 of each decade."""
    leading = round(value / 10 ** np.floor(np.log10(value)))
    return f"{value:g}" if leading in (2, 5) else ""


def plot_mean_profile(
    result_path: str | Path,
    detector: str,
    integration: str,
    png: str | Path,
    svg: str | Path,
    calibrant: str | None = None,
    wavelength_m: float | None = None,
) -> None:
    """Draw the mean profile with its error band, and the ring positions of a calibrant.

    calibrant: pyFAI's name. wavelength_m: needed for rings on a 2theta axis.
    Raises UserError if the integration is not in the result, or for a cake.
    """
    shown = read_integration(result_path, detector, integration, ("azimuthal", "radial"))
    intensity, errors = read_mean(result_path, detector, integration, (shown.axes[0].values.size,))
    figure = mean_profile_figure(
        shown, intensity, errors, f"{detector}, {integration}", calibrant, wavelength_m
    )
    save(figure, png, svg)


@house_style()
def mean_profile_figure(
    shown: Integration,
    intensity: np.ndarray,
    errors: np.ndarray,
    what: str,
    calibrant: str | None = None,
    wavelength_m: float | None = None,
) -> Figure:
    """Mean profile, band of one standard error, calibrant lines."""
    figure = Figure(figsize=(WIDTH, 5.4))
    axes = figure.subplots()
    frames = f"mean of {shown.frames} frames" if shown.frames != 1 else "1 frame"
    x = shown.axes[0]
    logarithmic = is_log(intensity)
    axes.set_yscale("log" if logarithmic else "linear")
    known_errors = np.nan_to_num(errors, nan=0.0, posinf=0.0)
    lowest = intensity if logarithmic else intensity - known_errors
    robust_limits(axes, np.concatenate([lowest, intensity + known_errors]), logarithmic)
    axes.plot(x.values, intensity, color=BLUE, label=frames, zorder=3)
    if np.isfinite(errors).any():
        axes.fill_between(
            x.values,
            intensity - errors,
            intensity + errors,
            color=BLUE,
            alpha=0.3,
            linewidth=0,
            label="± 1 standard error",
            zorder=2,
        )
    if not np.isfinite(intensity).any():
        no_data_note(axes, "no valid data in any frame")
    axes.set_ylabel(plain_text(shown.intensity_label))
    _x_axis(axes, x)
    if calibrant is not None and shown.kind == "azimuthal":
        draw_rings(axes, x, calibrant, wavelength_m)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    title(figure, shown.heading, f"{what}: mean profile")
    return figure
