"""Per-frame scalars of a run: monitors, motors, temperatures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scatterflow.plots.scalars import Scalar, read_scalars
from scatterflow.plots.style import (
    BLUE,
    RED,
    WIDTH,
    house_style,
    no_data_note,
    plain_text,
    pretty_unit,
    save,
    title,
)

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

TITLE_LENGTH = 46
"""Characters that fit above a panel."""
MANY_FRAMES = 100
"""From here on points are drawn without markers."""


def plot_monitors(result_path: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw every per-frame scalar over the frame number; missing and zero values are flagged."""
    heading, scalars = read_scalars(result_path)
    save(monitors_figure(heading, scalars), png, svg)


@house_style()
def monitors_figure(heading: str, scalars: list[Scalar]) -> Figure:
    """Small multiples of all scalars but the frame number, which must come first."""
    frame, *shown = scalars
    columns = 1 if len(shown) <= 2 else 2
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(WIDTH, 1.5 + 1.75 * rows))
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    frames = f"{frame.values.size} frame{'s' if frame.values.size != 1 else ''}"
    title(figure, heading, f"scalars, {frames}")
    if not shown:
        no_data_note(panels[0, 0], "the source has no scalars besides the frame number")
    for axes, scalar in zip(panels.flat, shown, strict=False):
        _draw_scalar(axes, frame.values, scalar)
    for axes in panels.flat[len(shown) or 1 :]:
        axes.set_visible(False)
    if len(shown) % columns:
        # A panel above the empty place needs numbers; on one row alone they would widen its gap.
        for axes in panels.flat:
            axes.tick_params(labelbottom=True)
    figure.supxlabel("frame number", fontsize=11)
    panels[0, 0].xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    return figure


def _draw_scalar(axes: Axes, frame: np.ndarray, scalar: Scalar) -> None:
    many = frame.size > MANY_FRAMES
    known = np.isfinite(scalar.values)
    zero = suspicious_zeros(scalar.values)
    values, unit, _ = readable(scalar.values, scalar.unit)
    axes.plot(
        frame,
        values,
        color=BLUE,
        marker="" if many else "o",
        markersize=4,
        linewidth=1.0,
        rasterized=frame.size > 5000,
    )
    flags = []
    if zero.any():
        axes.plot(frame[zero], values[zero], "o", color=RED, markersize=5, zorder=4)
        flags.append(f"● {zero.sum()} zero")
    if not known.all():
        missing = frame[~known]
        foot = np.full(missing.size, 0.05)
        axes.plot(missing, foot, "x", color=RED, transform=axes.get_xaxis_transform(), zorder=4)
        flags.append(f"× {missing.size} missing")
    if not known.any():
        no_data_note(axes, "no value")
        axes.set_yticks([])
    # In the title's line: inside the panel the text would lie on the curve.
    flag = "  ".join(flags)
    name = plain_text(scalar.name, max(8, TITLE_LENGTH - len(unit) - len(flag)))
    axes.set_title(f"{name}{unit}", loc="left", fontsize=10)
    axes.set_title(flag, loc="right", fontsize=9.5, color=RED)
    if known.any() and np.ptp(values[known]) == 0:
        room = 0.05 * abs(values[known][0]) or 1.0
        axes.set_ylim(values[known][0] - room, values[known][0] + room)
    axes.ticklabel_format(axis="y", style="plain")


def readable(values: np.ndarray, unit: str) -> tuple[np.ndarray, str, float]:
    """Values with a power of 1000 or a large start value (a clock) taken out, and the unit.

    Returns (values to draw, text such as ` (10⁶ counts)` or ` (s) − 1763735000`, what errors of the values
    are multiplied by to be drawn beside them).
    """
    pretty = pretty_unit(unit)
    plain = f" ({pretty})" if pretty else ""
    finite = values[np.isfinite(values)]
    largest = float(np.max(np.abs(finite), initial=0.0))
    if largest == 0:
        return values, plain, 1.0
    spread = float(np.ptp(finite))
    if largest >= 1e6 and 0 < spread < 1e-3 * largest:
        start = np.floor(finite.min())
        return values - start, f"{plain} − {start:.0f}", 1.0
    if 1e-2 <= largest < 1e5:
        return values, plain, 1.0
    power = 3 * int(np.floor(np.log10(largest) / 3))
    text = f" (10{str(power).translate(_SUPERSCRIPTS)} {pretty}".rstrip() + ")"
    return values / 10.0**power, text, 10.0**-power


def suspicious_zeros(values: np.ndarray) -> np.ndarray:
    """(frames,) bool: zeros in a series that is otherwise all above or all below 0 (a lost beam).

    Not in a counter, stepped motor or shutter (levels evenly spaced, or 0 and 1), and not where
    every value is 0 (a channel that is not connected).
    """
    zero = values == 0
    levels = np.unique(values[np.isfinite(values)])
    others = levels[levels != 0]
    steps = np.diff(levels)
    stepped = levels.size > 2 and np.allclose(steps, steps[0], rtol=1e-3, atol=0)
    shutter = np.array_equal(levels, [0, 1])
    one_sign = others.size > 0 and (np.all(others > 0) or np.all(others < 0))
    return zero if one_sign and not stepped and not shutter else np.zeros(values.shape, dtype=bool)
