"""The mean frame of a run: what the detector saw, what is masked, where the beam is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from scatterflow.plots.results import FrameSum, read_frame_sum
from scatterflow.plots.style import (
    MASKED,
    RED,
    WIDTH,
    colour_norm,
    house_style,
    intensity_colours,
    no_data_note,
    save,
    title,
)

NEVER_VALID = "#FF2FA0"
"""Pixels that no mask names and that yet have no value in any frame."""


def plot_frame_sum(
    result_path: str | Path, detector: str, png: str | Path, svg: str | Path
) -> None:
    """Draw the mean frame of a detector (sum over frames / number of valid frames, per pixel)."""
    save(frame_sum_figure(read_frame_sum(result_path, detector), detector), png, svg)


@house_style()
def frame_sum_figure(frame: FrameSum, detector: str) -> Figure:
    """Mean frame in detector orientation, row 0 on top, logarithmic colours."""
    rows, columns = frame.mean.shape
    wide = rows < 0.6 * columns
    to_scale = 0.08 < rows / columns < 12
    figure = Figure(figsize=(WIDTH, _height(rows, columns, wide)))
    axes = figure.subplots()
    frames = "1 frame" if frame.frames == 1 else f"mean of {frame.frames} frames"
    title(figure, frame.heading, f"detector {detector}: {frames}")

    image, extend = draw_mean_frame(axes, frame.mean, "equal" if to_scale else "auto")
    if not np.isfinite(frame.mean).any():
        no_data_note(axes, "no valid pixel in any frame")
    label = f"mean ({frame.unit} per pixel and frame)" if frame.unit else "mean per pixel and frame"
    place = {"location": "bottom", "aspect": 45} if wide else {"pad": 0.02, "aspect": 30}
    figure.colorbar(image, ax=axes, label=label, extend=extend, **place)

    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xlabel("column (pixels)")
    axes.set_ylabel("row (pixels)" if to_scale else "row (pixels),\nnot to scale")
    handles = [*_mark_masked(axes, frame), _mark_beam(axes, frame.beam, rows, columns)]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def draw_mean_frame(
    axes: Axes, mean: np.ndarray, aspect: Literal["equal", "auto"] = "equal"
) -> tuple[AxesImage, str]:
    """Draw a mean frame, (rows, columns), on axes of pixels; the image, and how its colour bar extends."""
    axes.grid(False)
    rows, columns = mean.shape
    norm, extend = colour_norm(mean)
    # Shrinking happens on colours, after the log scale: averaged counts would drown single pixels.
    image = axes.imshow(
        np.ma.masked_invalid(mean),
        norm=norm,
        cmap=intensity_colours(),
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
        interpolation_stage="rgba",
        aspect=aspect,
    )
    return image, extend


def _height(rows: int, columns: int, wide: bool) -> float:
    """Figure height, inches, for pixels that are square; a strip or a tower stays readable."""
    image = (0.88 if wide else 0.78) * WIDTH * rows / columns
    return float(np.clip(image + (2.6 if wide else 1.7), 3.6, 9.5))


def _mark_masked(axes: Axes, frame: FrameSum) -> list[Patch]:
    """Show the pixels without a value; returns their legend entries."""
    handles = []
    if masked := int(frame.masked.sum()):
        share = f"{masked / frame.masked.size:.1%}"
        handles.append(Patch(facecolor=MASKED, label=f"masked ({masked} pixels, {share})"))
    if never := int(frame.never_valid.sum()):
        # Markers, not image pixels: a single pixel of a large detector could not be seen.
        row, column = np.nonzero(frame.never_valid)
        rows, columns = frame.mean.shape
        size = max(4.0, 60 * WIDTH * min(1 / columns, 1 / rows))  # of a pixel, points
        axes.plot(column, row, "s", color=NEVER_VALID, markersize=size, mew=0, rasterized=True)
        count = "1 pixel" if never == 1 else f"{never} pixels"
        handles.append(Patch(facecolor=NEVER_VALID, label=f"not masked, never valid ({count})"))
    return handles


def _mark_beam(
    axes: Axes, beam: tuple[float, float] | None, rows: int, columns: int
) -> Line2D | Patch:
    """Cross at the direct beam, or an arrow towards it at the edge; returns the legend entry."""
    if beam is None:
        return Line2D([], [], linestyle="", label="beam centre: not in the result")
    column, row = beam
    where = f"column {column:.1f}, row {row:.1f}"
    outline = [withStroke(linewidth=4, foreground="white")]
    if -0.5 <= column <= columns - 0.5 and -0.5 <= row <= rows - 0.5:
        marker = {"marker": "+", "markersize": 15, "markeredgewidth": 2, "linestyle": ""}
        axes.plot([column], [row], color=RED, path_effects=outline, **marker)
        return Line2D([], [], color=RED, label=f"beam centre ({where})", **marker)
    edge_column = float(np.clip(column, 0.02 * columns, 0.98 * columns))
    edge_row = float(np.clip(row, 0.02 * rows, 0.98 * rows))
    direction = np.array([column - edge_column, edge_row - row])  # rows count downwards
    tail = -45 * direction / np.hypot(*direction)  # points
    arrow = axes.annotate(
        "",
        xy=(edge_column, edge_row),
        xytext=tuple(tail),
        textcoords="offset points",
        arrowprops={"arrowstyle": "-|>", "color": RED, "linewidth": 2.5, "mutation_scale": 18},
    )
    arrow.arrow_patch.set_path_effects(outline)
    arrow_marker = {"marker": r"$\rightarrow$", "markersize": 13, "linestyle": ""}
    return Line2D([], [], color=RED, label=f"beam centre outside ({where})", **arrow_marker)
