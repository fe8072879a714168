"""A q-map: its dynamic and static bins on the detector, and how many pixels each has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator

from scatterflow.detectors.qmap import QMap
from scatterflow.detectors.qmap_files import read_qmap
from scatterflow.plots.style import (
    BLUE,
    GREEN,
    MASKED,
    ORANGE,
    RED,
    WIDTH,
    axis_label,
    house_style,
    save,
    title,
)

# Neighbours differ: two shades along the one coordinate, three colours along the other.
_COLOURS = ("#0072B2", "#7FB8D8", "#E69F00", "#F2CF7F", "#009E73", "#7FCEB9")
_SMALLEST_NUMBERED = 0.002  # of all used pixels
_MOST_NUMBERED = 12


def plot_qmap(qmap_path: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw the q-map of a file: both maps, and pixels per bin over the first coordinate."""
    save(qmap_figure(read_qmap(qmap_path), Path(qmap_path).stem), png, svg)


@house_style()
def qmap_figure(qmap: QMap, name: str) -> Figure:
    """Dynamic bins with their numbers, static bins, pixels per bin."""
    rows, columns = qmap.shape
    image = float(np.clip(0.47 * WIDTH * rows / columns, 1.6, 7.0))
    figure = Figure(figsize=(WIDTH, image + 4.4))
    axes = figure.subplot_mosaic(
        [["dynamic", "static"], ["pixels", "pixels"]], height_ratios=(image, 2.6)
    )
    title(
        figure,
        f"q-map {name}",
        f"{qmap.dynamic_bins} dynamic and {qmap.static_bins} static bins, {len(qmap.pixels)} pixels",
    )
    for part in ("dynamic", "static"):
        _draw_bins(axes[part], qmap, part)
    _number_bins(axes["dynamic"], qmap)
    _draw_pixels(axes["pixels"], qmap)
    return figure


def _draw_bins(axes: Axes, qmap: QMap, part: str) -> None:
    numbers, index = getattr(qmap, part), getattr(qmap, f"{part}_index")
    n0, n1 = getattr(qmap, f"{part}_shape")
    i0, i1 = np.divmod(index, n1)
    colour = (i0 % 6) if n1 == 1 else 2 * (i1 % 3) + i0 % 2
    shown = np.concatenate([[0], colour + 1])[numbers]
    rows, columns = numbers.shape
    axes.grid(False)
    axes.imshow(
        shown,
        cmap=ListedColormap([MASKED, *_COLOURS]),
        vmin=-0.5,
        vmax=6.5,
        # Shrunk on colours: bin numbers have no mean.
        interpolation_stage="rgba",
        aspect="equal" if 0.08 < rows / columns < 12 else "auto",
    )
    _mark_beam(axes, qmap)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xlabel("column (pixels)")
    axes.set_ylabel("row (pixels)")
    shape = f"{n0} × {n1}" if n1 > 1 else f"{n0}"
    axes.set_title(f"{part}: {len(index)} of {shape} bins", loc="left")


def _mark_beam(axes: Axes, qmap: QMap) -> None:
    centre = [qmap.attributes.get(key) for key in ("beam_center_x", "beam_center_y")]
    if None not in centre:
        axes.plot(*centre, "+", color=RED, markersize=9, mew=1.6)


def _number_bins(axes: Axes, qmap: QMap) -> None:
    """The number of dynamic bins, or of some of them, at one of their pixels, where they are large enough."""
    starts = np.searchsorted(qmap.dynamic_of_position, np.arange(qmap.dynamic_bins + 1))
    large = np.flatnonzero(np.diff(starts) >= _SMALLEST_NUMBERED * len(qmap.pixels))
    # Rings are numbered along a line; more numbers lie over each other.
    for number in large[:: -(-len(large) // _MOST_NUMBERED) or 1]:
        pixels = np.sort(qmap.pixels[starts[number] : starts[number + 1]])
        row, column = np.divmod(pixels[len(pixels) // 2], qmap.shape[1])
        axes.text(
            column,
            row,
            str(number + 1),
            fontsize=7,
            ha="center",
            va="center",
            clip_on=True,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )


def _draw_pixels(axes: Axes, qmap: QMap) -> None:
    markers = (("static", BLUE, "."), ("dynamic", ORANGE, "o"))
    for part, colour, marker in markers:
        counts = np.bincount(
            getattr(qmap, f"{part}_of_position"), minlength=getattr(qmap, f"{part}_bins")
        )
        values = getattr(qmap, f"{part}_values")[:, 0]
        axes.plot(values, counts, marker, color=colour, label=f"{part} bins", markersize=5)
    for edge in {float(edge) for span in qmap.dynamic_spans[:1] for edge in span.reshape(-1)}:
        axes.axvline(edge, color=GREEN, lw=0.6, alpha=0.6, zorder=0.5)
    positive = qmap.static_values[:, 0]
    if qmap.names[0] == "q" and positive.min() > 0 and positive.max() > 10 * positive.min():
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.set_yscale("log")
    axes.set_xlabel(axis_label(_SYMBOLS.get(qmap.names[0], qmap.names[0]), qmap.units[0]))
    axes.set_ylabel("pixels per bin")
    axes.legend(loc="best")


_SYMBOLS = {"phi": "φ"}
