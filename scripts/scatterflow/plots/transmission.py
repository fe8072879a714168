"""What corrections take per frame: monitors before and behind the sample, transmission, thickness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scatterflow.plots.monitors import MANY_FRAMES, readable
from scatterflow.plots.scalars import Factor, read_factors
from scatterflow.plots.style import (
    BLUE,
    GREY,
    WIDTH,
    house_style,
    no_data_note,
    plain_text,
    save,
    title,
)


def plot_transmission(result_path: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw monitors, transmission and thickness over the frame number."""
    heading, factors = read_factors(result_path)
    save(transmission_figure(heading, factors), png, svg)


@house_style()
def transmission_figure(heading: str, factors: list[Factor]) -> Figure:
    """A panel for each."""
    rows = max(1, len(factors))
    figure = Figure(figsize=(WIDTH, 1.5 + 1.75 * rows))
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    if not factors:
        no_data_note(panels[0], "no correction uses a monitor")
    for axes, factor in zip(panels, factors, strict=False):
        _draw_factor(axes, factor)
    panels[-1].set_xlabel("frame number")
    panels[-1].xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
    title(figure, heading, "monitors and transmission")
    return figure


def _draw_factor(axes: Axes, factor: Factor) -> None:
    frames = np.arange(factor.values.size)
    values, unit, scale = readable(factor.values, factor.unit)
    many = frames.size > MANY_FRAMES
    marker = "" if many else "o"
    axes.plot(frames, values, color=BLUE, marker=marker, markersize=4, linewidth=1.0)
    known = np.isfinite(values)
    if factor.errors is not None and np.any(factor.errors[known] > 0):
        errors = scale * factor.errors
        axes.fill_between(
            frames, values - errors, values + errors, color=BLUE, alpha=0.3, linewidth=0
        )
    if factor.name == "transmission" and known.any() and np.nanmax(factor.values) > 0.97:
        axes.axhline(1.0, color=GREY, linewidth=1.0, linestyle="--")
    if not known.any():
        no_data_note(axes, "no value")
    elif np.ptp(values[known]) < 1e-6 * abs(values[known][0]):
        room = 0.05 * abs(values[known][0]) or 1.0
        axes.set_ylim(values[known][0] - room, values[known][0] + room)
    meaning = f", {factor.meaning}" if factor.meaning else ""
    axes.set_title(f"{plain_text(factor.name, 40)}{unit}{meaning}", loc="left", fontsize=10)
    axes.ticklabel_format(axis="y", style="plain")
