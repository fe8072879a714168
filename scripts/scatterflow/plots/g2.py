"""g2 over the delay with its errors, a panel for each q."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.errors import UserError
from scatterflow.plots.correlation_panels import (
    MOST_IN_LEGEND,
    Panel,
    chosen_panels,
    curve_colours,
    delay_axis,
    g2_limits,
    panel_grid,
)
from scatterflow.plots.starved import curve_colour, shown_starved, starved_note
from scatterflow.plots.style import GREY, RED, house_style, no_data_note, save, title
from scatterflow.xpcs.correlation import Correlation, g2_error
from scatterflow.xpcs.result import read_result


def plot_g2(
    result_path: str | Path,
    png: str | Path,
    svg: str | Path,
    panels: Sequence[int] | None = None,
    noise_limit: float | None = None,
) -> None:
    """Draw g2 with error bars; panels: which (from 1), None: all, or a dozen evenly spread. noise_limit: bins
    whose photons leave g2 more uncertain are drawn grey; None: none are.

    Raises UserError for a result without g2 and for a panel that is not there.
    """
    save(g2_figure(read_result(result_path, maps=False), panels, noise_limit), png, svg)


@house_style()
def g2_figure(
    correlation: Correlation,
    chosen: Sequence[int] | None = None,
    noise_limit: float | None = None,
) -> Figure:
    """A panel for each interval of the first coordinate; bins of the second over each other."""
    if correlation.g2 is None:
        raise UserError("the result holds no g2", correlation.heading, "plot its two-time maps")
    panels, note = chosen_panels(correlation.qmap, chosen)
    figure, axes = panel_grid(len(panels))
    count = correlation.qmap.dynamic_bins
    title(figure, correlation.heading, f"g₂ of {count} dynamic bin{'s' * (count > 1)}{note}")
    starved = shown_starved(correlation, noise_limit)
    for panel, on in zip(panels, axes, strict=True):
        _draw_panel(on, correlation, panel, starved[list(panel.bins)])
    _legend(figure, axes, panels)
    return figure


def _draw_panel(axes: Axes, correlation: Correlation, panel: Panel, starved: np.ndarray) -> None:
    assert correlation.g2 is not None
    delay, g2 = correlation.delay_s, correlation.g2.g2[:, panel.bins]
    errors = g2_error(correlation)[:, panel.bins]
    axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    names = panel.names or ("",)
    # By interval: a bin that is missing here must not shift the colours against the other panels.
    colours = curve_colours(correlation.qmap.dynamic_shape[1])
    for number, interval in enumerate(panel.intervals):
        axes.errorbar(
            delay,
            g2[:, number],
            yerr=errors[:, number],
            fmt="o",
            markersize=3,
            linewidth=0.9,
            color=curve_colour(colours[interval], starved[number]),
            zorder=1.9 if starved[number] else 2.0,
            label=names[number],
        )
    delay_axis(axes, delay)
    # What means nothing sets no limits where something else does.
    told = ~starved if (~starved).any() else np.ones_like(starved)
    g2_limits(axes, g2[:, told], errors[:, told])
    axes.set_title(panel.label, loc="left", fontsize=10)
    starved_note(axes, starved)
    missing = int(np.count_nonzero(~np.isfinite(g2)))
    if missing == g2.size:
        no_data_note(axes, "no value")
    elif missing:
        axes.set_title(f"{missing} without value", loc="right", fontsize=9, color=RED)


def _legend(figure: Figure, axes: Sequence[Axes], panels: Sequence[Panel]) -> None:
    """The curves of all panels, each interval of the second coordinate once."""
    entries: dict[int, tuple[Any, str]] = {}
    for on, panel in zip(axes, panels, strict=True):
        handles, labels = on.get_legend_handles_labels()
        for interval, *entry in zip(panel.intervals, handles, labels, strict=False):
            entries.setdefault(interval, (entry[0], entry[1]))
    if len(entries) < 2:
        return
    kept = [entries[interval] for interval in sorted(entries)]
    if len(kept) > MOST_IN_LEGEND:
        places = np.linspace(0, len(kept) - 1, MOST_IN_LEGEND).round().astype(int)
        kept = [kept[place] for place in places]
    figure.legend(*zip(*kept, strict=True), loc="outside lower center", ncols=4)
