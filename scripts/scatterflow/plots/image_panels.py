"""Images of detectors with tiles: drawn where pixels are, with regions of interest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm, Normalize
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from scatterflow.plots.style import colour_norm, intensity_colours, plain_text
from scatterflow.shots.images import ImageIndex, assemble

ROI_COLOURS = ("white", "#F0A3C8", "#FFC34D", "#7FD3FF")


def draw_image(
    axes: Axes,
    frame: np.ndarray,
    index: ImageIndex,
    unit: str,
    norm: Normalize | None = None,
    good: np.ndarray | None = None,
) -> tuple[AxesImage, str]:
    """Draw a frame, (*shape of the index), where its pixels are: the image, and how a colour bar extends.

    unit: of the axes, mm or pixels; of tiles that are stacked the first row is on top.
    """
    axes.grid(False)
    image = assemble(frame, index, good)
    extend = "neither"
    if norm is None:
        norm, extend = colour_norm(image)
    left, right, bottom, top = index.extent
    stacked = unit == "pixels"
    drawn = axes.imshow(
        np.ma.masked_invalid(image),
        norm=norm,
        cmap=intensity_colours(),
        extent=(left, right, top, bottom) if stacked else (left, right, bottom, top),
        origin="upper" if stacked else "lower",
        interpolation_stage="rgba",
        aspect="equal" if 0.08 < image.shape[0] / image.shape[1] < 12 else "auto",
    )
    axes.set_xlabel("column (pixels)" if stacked else "x (mm)")
    axes.set_ylabel("row (pixels)" if stacked else "y (mm)")
    return drawn, extend


def label_few(bar: Colorbar) -> None:
    """Labels of a short colour bar that do not run into each other."""
    if isinstance(bar.norm, LogNorm):
        decades = bar.vmax > 15 * bar.vmin
        bar.long_axis.set_major_locator(LogLocator(subs=(1,) if decades else (1, 2, 5)))
        bar.long_axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.long_axis.set_minor_formatter(NullFormatter())
    else:
        bar.locator = MaxNLocator(nbins=4)
        bar.update_ticks()


def regions(parameters: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Regions of interest among the parameters of a detector's functions, (2 or 3, 2) each, by function."""
    found = {}
    for key, value in sorted(parameters.items()):
        if key.endswith("__roi") and np.ndim(value) == 2:
            found[key.removesuffix("__roi")] = np.asarray(value, dtype=np.int64)
    return found


def draw_regions(axes: Axes, found: Mapping[str, np.ndarray], index: ImageIndex) -> None:
    """Outlines of regions on each of their tiles, named at the first one's corner."""
    outline = [withStroke(linewidth=2.6, foreground="black")]
    upwards = axes.get_ylim()[0] < axes.get_ylim()[1]
    wide = 0.3 * abs(np.ptp(axes.get_xlim()))
    for number, (name, region) in enumerate(found.items()):
        colour = ROI_COLOURS[number % len(ROI_COLOURS)]
        corners = region_corners(region, index)
        for corner in corners:
            axes.add_patch(
                Polygon(corner, fill=False, edgecolor=colour, linewidth=1.6, path_effects=outline)
            )
        if not corners:
            continue
        left = corners[0][:, 0].min()
        top = corners[0][:, 1].max() if upwards else corners[0][:, 1].min()
        # A name wider than its region stands above it.
        inside = bool(np.ptp(corners[0][:, 0]) > wide)
        axes.annotate(
            plain_text(name, 20),
            (left, top),
            xytext=(4, -3) if inside else (0, 2),
            textcoords="offset points",
            va="top" if inside else "bottom",
            color=colour,
            fontsize=9,
            path_effects=outline,
        )


def region_corners(region: np.ndarray, index: ImageIndex) -> list[np.ndarray]:
    """(4, 2) x and y of a region's corners, at the outer edges of its pixels, for each tile it covers."""
    place = index.place.reshape(-1, *index.place.shape[-2:])
    if len(region) == 2:
        # Of a camera with tiles a region of rows and columns has no place.
        tiles = (0, 1) if len(place) == 1 else (0, 0)
        region = np.concatenate([[tiles], region])
    (first, last), (top, bottom), (left, right) = region.tolist()
    found = []
    for tile in range(first, last):
        rows, columns = [top, top, bottom - 1, bottom - 1], [left, right - 1, right - 1, left]
        places = place[tile][rows, columns]
        if (places < 0).any():
            continue
        row, column = np.divmod(places, index.shape[1])
        centres = np.stack([index.x + column * index.size, index.y + row * index.size], axis=1)
        middle = centres.mean(axis=0)
        found.append(centres + 0.5 * index.size * np.sign(centres - middle))
    return found
