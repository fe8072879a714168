"""A cube: each quantity along its axis for every kind of shot, what the laser changes, slices of images.

Scalars of one axis are curves with their standard errors; of two axes, and arrays such as azimuthal
averages, maps of the first and last dimension; images are shown in some bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure, SubFigure

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, text_of
from scatterflow.plots.axes import bin_edges
from scatterflow.plots.correlation_panels import curve_colours
from scatterflow.plots.image_panels import draw_image
from scatterflow.plots.shot_file import index_of
from scatterflow.plots.style import (
    BLUE,
    GREEN,
    MASKED,
    ORANGE,
    WIDTH,
    axis_label,
    colour_norm,
    house_style,
    intensity_colours,
    no_data_note,
    plain_text,
    pretty_unit,
    save,
    title,
)
from scatterflow.shots.images import ImageIndex
from scatterflow.shots.small_data import open_small_data

MOST_QUANTITIES = 6
SLICES = 3
DIVERGING = "RdBu_r"
Index = Callable[[str, tuple[int, ...]], tuple[ImageIndex, str]]


@dataclass(frozen=True)
class CubeAxis:
    """Centres and edges of an axis' bins, (bins,) and (bins + 1,); its name and unit."""

    name: str
    unit: str
    centres: np.ndarray
    edges: np.ndarray

    @property
    def label(self) -> str:
        """Name with unit."""
        return axis_label(self.name, self.unit)


@dataclass(frozen=True)
class Quantity:
    """What is drawn of one quantity. labels: kinds of each; axes: of the cube; value: shape of one value;
    value_axis: of the last dimension of one value, None: not known; changed: it has a difference."""

    name: str
    group: h5py.Group
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    axes: tuple[CubeAxis, ...]
    value: tuple[int, ...]
    value_axis: CubeAxis | None
    image: bool
    changed: bool

    @property
    def signal(self) -> str:
        """The array that is drawn: the mean, of what is normalised the ratio of sums."""
        return "ratio" if "ratio" in self.group else "mean"

    @property
    def unit(self) -> str:
        """Unit of what is drawn."""
        return text_of(self.group[self.signal].attrs.get("units", ""))


def plot_cube(cube: str | Path, small_data: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw a cube; small_data: of its run, where the pixels of detectors are. Raises UserError."""
    data = open_small_data(small_data)
    with reading(cube) as file:
        if "entry/left_out" not in file:
            raise UserError("not a cube", str(cube), "give a file called cube_NAME.nxs")

        def index(detector: str, shape: tuple[int, ...]) -> tuple[ImageIndex, str]:
            return index_of(data, detector, shape)

        save(cube_figure(file["entry"], Path(cube).stem, index), png, svg)


def read_quantities(entry: h5py.Group) -> list[Quantity]:
    """All quantities of a cube, in the order of their names, images last."""
    groups = [
        group
        for group in entry.values()
        if isinstance(group, h5py.Group)
        and "quantity" in group.attrs
        and group.attrs["signal"] == "mean"
    ]
    found = [_quantity(group) for group in groups]
    return sorted(found, key=lambda quantity: (quantity.image, quantity.name))


def _quantity(group: h5py.Group) -> Quantity:
    names = [text_of(name) for name in group.attrs["axes"]]
    dimensions = int(group.attrs["value_dimensions"])
    cells = names[: len(names) - dimensions]
    labels = [name for name in cells if "kinds" in group[name].attrs]
    last = names[-1] if dimensions and names[-1] != "." else None
    return Quantity(
        text_of(group.attrs["quantity"]),
        group,
        tuple((name, tuple(map(text_of, group[name].attrs["kinds"]))) for name in labels),
        tuple(_axis(group, name) for name in cells if name not in labels),
        tuple(group["mean"].shape[len(cells) :]),
        None if last is None else _axis(group, last),
        text_of(group.attrs.get("interpretation", "")) == "image",
        "difference" in group,
    )


def _axis(group: h5py.Group, name: str) -> CubeAxis:
    centres = group[name][()].astype(np.float64)
    unit = text_of(group[name].attrs.get("units", ""))
    if f"{name}_lower" not in group:
        return CubeAxis(name, unit, centres, bin_edges(centres))
    lower, upper = group[f"{name}_lower"][()], group[f"{name}_upper"][()]
    # Steps of a scan have gaps between them: bins are drawn halfway.
    gaps = not np.allclose(lower[1:], upper[:-1], rtol=0, atol=1e-9 * (np.ptp(centres) or 1.0))
    return CubeAxis(
        name, unit, centres, bin_edges(centres) if gaps else np.append(lower, upper[-1])
    )


@house_style()
def cube_figure(entry: h5py.Group, name: str, index: Index) -> Figure:
    """A row of panels for each quantity."""
    quantities = read_quantities(entry)[:MOST_QUANTITIES]
    heights = [_height(quantity, index) for quantity in quantities] or [2.0]
    figure = Figure(figsize=(WIDTH, 0.9 + sum(heights)))
    run = entry["entry_identifier"].asstr()[()] if "entry_identifier" in entry else ""
    left = {key: int(item[()]) for key, item in entry["left_out"].items()}
    told = ", ".join(f"{number} by {key}" for key, number in left.items() if number)
    counted = int(entry["shots/shots"][()].sum())
    out = f"; left out: {told}" if told else ""
    title(figure, f"run {run} · {name}", f"{counted} shots in bins{out}")
    rows = np.atleast_1d(figure.subfigures(len(heights), 1, height_ratios=heights))
    if not quantities:
        no_data_note(rows[0].subplots(), "the cube holds no quantity")
    for part, quantity in zip(rows, quantities, strict=False):
        if quantity.image:
            _draw_slices(part, quantity, index)
        elif not quantity.value and len(quantity.axes) == 1:
            _draw_curves(part, quantity)
        else:
            _draw_maps(part, quantity)
    return figure


def _height(quantity: Quantity, index: Index) -> float:
    """Of the panels of a quantity, inches; those of images by what they show."""
    if not quantity.image:
        return 2.6
    rows, columns = index(quantity.name.split("/")[0], quantity.value)[0].shape
    return float(np.clip((WIDTH / SLICES - 1.1) * rows / columns, 1.2, 5.0)) + 1.2


def _draw_curves(part: SubFigure, quantity: Quantity) -> None:
    """A scalar along the one axis: mean of each kind, and the relative difference."""
    (axis,) = quantity.axes
    panels = part.subplots(1, 2 if quantity.changed else 1, squeeze=False)[0]
    mean = quantity.group[quantity.signal][()].reshape(-1, axis.centres.size)
    errors = quantity.group[f"{quantity.signal}_errors"][()].reshape(mean.shape)
    kinds = _kinds(quantity)
    colours = [BLUE, ORANGE] if len(kinds) == 2 else curve_colours(len(kinds))
    for row, (kind, colour) in enumerate(zip(kinds, colours, strict=True)):
        _points(panels[0], axis.centres, mean[row], errors[row], colour, kind)
    panels[0].set_ylabel(axis_label(quantity.name, quantity.unit))
    if any(kinds):
        panels[0].legend(
            fontsize=9, ncols=min(3, len(kinds)), loc="lower left", bbox_to_anchor=(0, 1)
        )
    if quantity.changed:
        change = 100 * quantity.group["relative"][()].reshape(-1, axis.centres.size)
        spread = 100 * quantity.group["relative_errors"][()].reshape(change.shape)
        for row, colour in enumerate(curve_colours(len(change)) if len(change) > 1 else [GREEN]):
            _points(panels[1], axis.centres, change[row], spread[row], colour, "")
        panels[1].axhline(0, color="black", linewidth=0.8)
        panels[1].set_ylabel("(on − off) / off (%)")
    for axes in panels:
        axes.set_xlabel(axis.label)


def _points(
    axes: Axes, x: np.ndarray, y: np.ndarray, errors: np.ndarray, colour, label: str
) -> None:
    axes.errorbar(
        x, y, yerr=np.nan_to_num(errors), fmt="o-", color=colour, markersize=3.5, linewidth=1.0,
        label=label or "_",
    )  # fmt: skip


def _kinds(quantity: Quantity) -> list[str]:
    """Name of every combination of kinds, in the order of the arrays; one empty name without labels."""
    names = [""]
    for label, kinds in quantity.labels:
        names = [f"{name} {label} {kind}".strip() for name in names for kind in kinds]
    return names


def _over_cells(quantity: Quantity, name: str, keep: int) -> np.ndarray:
    """An array (..., axes..., value...) with its kinds and all but `keep` axes and one value averaged away;
    NaN left out."""
    values = quantity.group[name][()].astype(np.float64)
    lead = values.ndim - len(quantity.axes) - len(quantity.value)
    if lead:
        values = _mean(values.reshape(-1, *values.shape[lead:]))
    for _ in range(len(quantity.axes) - keep):
        values = _mean(np.moveaxis(values, keep, 0))
    while values.ndim > 2:
        values = _mean(np.moveaxis(values, 1, 0))
    return values


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _draw_maps(part: SubFigure, quantity: Quantity) -> None:
    """Maps of two axes, or of an axis and a value's last dimension: mean, relative difference."""
    panels = part.subplots(1, 2 if quantity.changed else 1, squeeze=False)[0]
    keep = 1 if quantity.value else 2
    down = quantity.axes[0]
    if quantity.value:
        bins = np.arange(quantity.value[-1], dtype=np.float64)
        across = quantity.value_axis or CubeAxis("bin", "", bins, bin_edges(bins))
    else:
        across = quantity.axes[1]
    mean = _over_cells(quantity, quantity.signal, keep)
    norm, extend = colour_norm(mean)
    _draw_map(part, panels[0], mean, down, across, norm, extend, pretty_unit(quantity.unit))
    panels[0].set_title(quantity.name, loc="left")
    if not quantity.changed:
        return
    change = 100 * _over_cells(quantity, "relative", keep)
    limit = _robust_limit(change)
    _draw_map(part, panels[1], change, down, across, TwoSlopeNorm(0, -limit, limit), "both", "%")
    panels[1].set_title("(on − off) / off", loc="left")


def _robust_limit(values: np.ndarray) -> float:
    """A limit that cuts off the outermost values, such as those of bins with hardly a pixel."""
    finite = np.abs(values[np.isfinite(values)])
    return float(np.quantile(finite, 0.95)) or 1.0 if finite.size else 1.0


def _draw_map(
    part: SubFigure,
    axes: Axes,
    values: np.ndarray,
    down: CubeAxis,
    across: CubeAxis,
    norm: Normalize,
    extend: str,
    label: str,
) -> None:
    axes.grid(False)
    axes.set_facecolor(MASKED)
    cmap = DIVERGING if isinstance(norm, TwoSlopeNorm) else intensity_colours()
    image = axes.pcolormesh(
        across.edges,
        down.edges,
        np.ma.masked_invalid(values),
        norm=norm,
        cmap=cmap,
        rasterized=True,
    )
    axes.set_xlabel(across.label)
    axes.set_ylabel(down.label)
    part.colorbar(image, ax=axes, extend=extend, label=label, pad=0.02)


def _draw_slices(part: SubFigure, quantity: Quantity, index: Index) -> None:
    """Images in some bins of the first axis: the difference where there is one, else the mean."""
    name = "difference" if quantity.changed else quantity.signal
    axis = quantity.axes[0]
    shown = np.unique(np.linspace(0, axis.centres.size - 1, SLICES).round().astype(int))
    panels = part.subplots(1, len(shown), squeeze=False)[0]
    images = [_slice(quantity, name, int(place)) for place in shown]
    detector = quantity.name.split("/")[0]
    places, unit = index(detector, quantity.value)
    together = np.stack(images)
    if quantity.changed:
        limit = _robust_limit(together)
        norm, extend = TwoSlopeNorm(0, -limit, limit), "both"
    else:
        norm, extend = colour_norm(together)
    for number, (axes, image, place) in enumerate(zip(panels, images, shown, strict=True)):
        drawn, _ = draw_image(axes, image, places, unit, norm)
        if quantity.changed:
            drawn.set_cmap(DIVERGING)
            axes.set_facecolor(MASKED)
        centre = f"{axis.name} = {axis.centres[place]:.4g} {axis.unit}".strip()
        axes.set_title(plain_text(centre, 30), loc="left", fontsize=10)
        if number:
            axes.set_ylabel("")
    what = f"{quantity.name}: {'on − off' if quantity.changed else 'mean'}"
    part.colorbar(
        drawn, ax=list(panels), extend=extend, label=axis_label(what, quantity.unit), pad=0.01
    )


def _slice(quantity: Quantity, name: str, place: int) -> np.ndarray:
    """The image of one bin of the first axis, averaged over kinds and other axes; read alone."""
    dataset = quantity.group[name]
    lead = dataset.ndim - len(quantity.axes) - len(quantity.value)
    cut = dataset[(*(slice(None) for _ in range(lead)), place)].astype(np.float64)
    return _mean(cut.reshape(-1, *quantity.value))
