"""Maps: a number per grid point as an image over the true positions, or as a line.

Axes of one grid value are no axes of the figure; their value stands above it. Of maps with more
than two axes slices are drawn, evenly chosen along the slower axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import reading
from scatterflow.plots.axes import bin_edges
from scatterflow.plots.monitors import readable
from scatterflow.plots.style import (
    BLUE,
    GREY,
    MASKED,
    WIDTH,
    axis_label,
    house_style,
    no_data_note,
    plain_text,
    pretty_unit,
    save,
    title,
)

MOST_SLICES = 9
CUT = (1.0, 99.0)
"""Percentiles that colours span."""
LOG_RATIO = 100.0
"""From this ratio of the limits on, colours are logarithmic."""
STEEPEST = 5.0
"""Axes of one unit are to scale unless one is this many times as long as the other."""
LENGTHS = ("m", "cm", "mm", "um", "µm", "μm", "nm", "angstrom")
HATCH = "////"


@dataclass(frozen=True)
class MapAxisValues:
    """Grid values of one axis, with name and unit."""

    name: str
    unit: str
    values: np.ndarray


@dataclass(frozen=True)
class MapQuantity:
    """One quantity on the grid.

    values: (grid...) float64, NaN where there is none; errors: the same or None; axes: slowest first;
    fixed: axes of one value, in words.
    """

    name: str
    unit: str
    values: np.ndarray
    errors: np.ndarray | None
    axes: tuple[MapAxisValues, ...]
    fixed: str = ""


def plot_map(
    map_path: str | Path, quantities: Sequence[str], png: str | Path, svg: str | Path
) -> None:
    """Draw quantities of a map, each in a panel of its own; one alone in all its slices."""
    heading, unplaced, found = read_map(map_path, quantities)
    save(map_figure(heading, unplaced, found), png, svg)


def read_map(map_path: str | Path, quantities: Sequence[str]) -> tuple[str, int, list[MapQuantity]]:
    """Heading, number of frames on no grid point, and quantities of a map file.

    Raises UserError for a quantity that is not there.
    """
    with reading(map_path) as file:
        entry = file["entry"]
        heading = entry["title"][()].decode()
        unplaced = int(entry["unplaced_frames"].attrs["count"])
        return heading, unplaced, [_read_quantity(entry, name) for name in quantities]


def _read_quantity(entry: h5py.Group, name: str) -> MapQuantity:
    known = [key for key, item in entry.items() if isinstance(item, h5py.Group) and "data" in item]
    if name not in known:
        raise UserError(
            f"no quantity {name!r} in the map", entry.file.filename, suggestion(name, known)
        )
    group = entry[name]
    axes = tuple(
        MapAxisValues(axis, str(group[axis].attrs["units"]), group[axis][()])
        for axis in group.attrs["axes"]
    )
    errors = group["data_errors"][()] if "data_errors" in group else None
    unit = str(group["data"].attrs["units"])
    return _in_order(_squeezed(MapQuantity(name, unit, group["data"][()], errors, axes)))


def _in_order(quantity: MapQuantity) -> MapQuantity:
    """With ascending grid values where they neither ascend nor descend: edges lie between neighbours."""
    for place, axis in enumerate(quantity.axes):
        steps = np.diff(axis.values)
        if (steps > 0).all() or (steps < 0).all():
            continue
        order = np.argsort(axis.values)
        axes = list(quantity.axes)
        axes[place] = replace(axis, values=axis.values[order])
        quantity = replace(
            quantity,
            values=np.take(quantity.values, order, axis=place),
            errors=None if quantity.errors is None else np.take(quantity.errors, order, axis=place),
            axes=tuple(axes),
        )
    return quantity


def _squeezed(quantity: MapQuantity) -> MapQuantity:
    """Without the axes of one value, but for one axis at least."""
    kept = [i for i, axis in enumerate(quantity.axes) if axis.values.size > 1]
    kept = kept or [len(quantity.axes) - 1]
    shape = [quantity.axes[i].values.size for i in kept]
    fixed = [axis for i, axis in enumerate(quantity.axes) if i not in kept]
    return replace(
        quantity,
        values=quantity.values.reshape(shape),
        errors=None if quantity.errors is None else quantity.errors.reshape(shape),
        axes=tuple(quantity.axes[i] for i in kept),
        fixed=", ".join(_place(axis, 0) for axis in fixed),
    )


def _place(axis: MapAxisValues, index: int) -> str:
    return f"{axis.name} = {axis.values[index]:.6g} {pretty_unit(axis.unit)}".strip()


@house_style()
def map_figure(heading: str, unplaced: int, quantities: Sequence[MapQuantity]) -> Figure:
    """A panel for each quantity; of one quantity with more than two axes a panel for each slice."""
    panels = [item for quantity in quantities for item in _slices(quantity, len(quantities) == 1)]
    columns = 1 if len(panels) == 1 else 2 if len(panels) <= 4 else 3
    rows = -(-len(panels) // columns)
    each = WIDTH / columns
    figure = Figure(figsize=(WIDTH, 1.3 + rows * _panel_height(panels[0], each)))
    grid = figure.subplots(rows, columns, squeeze=False)
    title(figure, heading, _subtitle(quantities, unplaced))
    handles = [_draw(axes, item) for axes, item in zip(grid.flat, panels, strict=False)]
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    if hatched := [handle for handle in handles if handle is not None]:
        figure.legend(handles=hatched[:1], loc="outside lower center")
    return figure


def _subtitle(quantities: Sequence[MapQuantity], unplaced: int) -> str:
    first = quantities[0]
    size = " × ".join(str(axis.values.size) for axis in first.axes)
    parts = [f"{size} point{'' if size == '1' else 's'}"]
    if first.fixed:
        parts.append(first.fixed)
    if unplaced:
        parts.append(f"{unplaced} frame{'s' if unplaced > 1 else ''} on no grid point")
    if len(first.axes) > 1:
        parts.append(f"colours: {CUT[0]:g} to {CUT[1]:g} % of the values")
    return ", ".join(parts)


def _slices(quantity: MapQuantity, all_slices: bool) -> list[MapQuantity]:
    """Images or lines that show a quantity: itself, or slices along the slower axes."""
    if len(quantity.axes) <= 2:
        return [quantity]
    slow = quantity.axes[:-2]
    indices = list(itertools.product(*(range(axis.values.size) for axis in slow)))
    count = min(MOST_SLICES, len(indices)) if all_slices else 1
    middle = len(indices) // 2
    chosen = np.linspace(0, len(indices) - 1, count).round().astype(int) if count > 1 else [middle]
    return [
        replace(
            quantity,
            values=quantity.values[indices[i]],
            errors=None,
            axes=quantity.axes[-2:],
            fixed=", ".join(_place(*pair) for pair in zip(slow, indices[i], strict=True)),
        )
        for i in chosen
    ]


def _panel_height(panel: MapQuantity, width: float) -> float:
    if len(panel.axes) == 1:
        return 0.62 * width if width > 4 else 0.75 * width
    ratio = 0.75
    if to_scale(*panel.axes):
        slow, fast = (float(np.ptp(bin_edges(axis.values))) for axis in panel.axes)
        ratio = slow / fast
    return float(np.clip(0.72 * width * ratio, 0.35 * width, 1.1 * width)) + 0.7


def to_scale(slow: MapAxisValues, fast: MapAxisValues) -> bool:
    """Whether two axes are lengths in one unit, and not too different."""
    if slow.unit != fast.unit or slow.unit not in LENGTHS:
        return False
    ratio = np.ptp(bin_edges(slow.values)) / np.ptp(bin_edges(fast.values))
    return bool(1 / STEEPEST <= ratio <= STEEPEST)


def _draw(axes: Axes, panel: MapQuantity) -> Patch | None:
    """One panel; returns the legend entry of points without a value, None if there is none."""
    axes.set_title(plain_text(panel.name, 40), loc="left")
    if len(panel.axes) == 1:
        _draw_line(axes, panel)
        return None
    if panel.fixed:
        axes.set_title(plain_text(panel.fixed, 40), loc="right", fontsize=9, color=GREY)
    return _draw_image(axes, panel)


def _draw_line(axes: Axes, panel: MapQuantity) -> None:
    (axis,) = panel.axes
    order = np.argsort(axis.values)
    known = np.isfinite(panel.values[order])
    errors = None if panel.errors is None else np.nan_to_num(panel.errors[order])
    many = axis.values.size > 100
    axes.errorbar(
        axis.values[order],
        panel.values[order],
        errors,
        color=BLUE,
        marker="" if many else "o",
        markersize=4,
        capsize=0 if many else 2,
        linewidth=1.2,
        elinewidth=0.9,
    )
    if not known.any():
        no_data_note(axes, "no value")
    elif not known.all():
        missing = axis.values[order][~known]
        axes.plot(
            missing,
            np.full(missing.size, 0.03),
            "x",
            color=GREY,
            transform=axes.get_xaxis_transform(),
        )
        axes.set_title(f"× {missing.size} without a value", loc="right", fontsize=9, color=GREY)
    axes.set_xlabel(axis_label(axis.name, axis.unit))
    axes.set_ylabel(axis_label(panel.name, panel.unit))


def _draw_image(axes: Axes, panel: MapQuantity) -> Patch | None:
    slow, fast = panel.axes
    axes.grid(False)
    x, y = bin_edges(fast.values), bin_edges(slow.values)
    # Powers of ten go into the label: beside a colour bar they would lie on its tip.
    values, unit, _ = readable(panel.values, panel.unit)
    norm, extend = map_norm(values)
    image = axes.pcolormesh(
        x,
        y,
        np.ma.masked_invalid(values),
        norm=norm,
        cmap=colormaps["viridis"],
        rasterized=True,
        zorder=2,
    )
    axes.set_xlim(x.min(), x.max())
    axes.set_ylim(y.min(), y.max())
    if to_scale(slow, fast):
        axes.set_aspect("equal")
    axes.set_xlabel(axis_label(fast.name, fast.unit))
    axes.set_ylabel(axis_label(slow.name, slow.unit))
    label = plain_text(panel.name, 40) + unit
    axes.figure.colorbar(image, ax=axes, label=label, extend=extend, pad=0.02, aspect=25)
    missing = int((~np.isfinite(panel.values)).sum())
    if missing == 0:
        return None
    if missing == panel.values.size:
        no_data_note(axes, "no value")
    axes.fill_between(
        axes.get_xlim(),
        *axes.get_ylim(),
        facecolor="white",
        edgecolor=MASKED,
        hatch=HATCH,
        linewidth=0,
        zorder=1,
    )
    return Patch(
        facecolor="white", edgecolor=MASKED, hatch=HATCH, label="no frame, or no value, here"
    )


def map_norm(values: np.ndarray) -> tuple[Normalize, str]:
    """Colour scale of a map and where it is cut: (norm, `neither` | `min` | `max` | `both`)."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Normalize(0, 1), "neither"
    low, high = np.percentile(finite, CUT)
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
    if not high > low:
        room = abs(low) * 0.01 or 1.0
        return Normalize(low - room, high + room), "neither"
    cut = ("min" if finite.min() < low else "", "max" if finite.max() > high else "")
    extend = "both" if all(cut) else "".join(cut) or "neither"
    logarithmic = low > 0 and high > LOG_RATIO * low
    return (LogNorm if logarithmic else Normalize)(low, high, clip=True), extend
