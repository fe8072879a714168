"""g2 of windows of time: whether the dynamics stay the same during a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from scatterflow.errors import UserError
from scatterflow.plots.correlation_panels import (
    bin_label,
    chosen_panels,
    delay_axis,
    g2_limits,
    panel_grid,
    ramp,
)
from scatterflow.plots.starved import curve_colour, shown_starved, starved_note
from scatterflow.plots.style import GREY, house_style, save, title
from scatterflow.xpcs.correlation import Correlation
from scatterflow.xpcs.result import read_result

MOST_WINDOWS = 10


def plot_partial_g2(
    result_path: str | Path,
    png: str | Path,
    svg: str | Path,
    panels: Sequence[int] | None = None,
    noise_limit: float | None = None,
) -> None:
    """Draw g2 of each window of time over that of the whole run; panels, noise_limit: as for `plot_g2`.

    Raises UserError for a result without partial g2.
    """
    save(partial_g2_figure(read_result(result_path, maps=False), panels, noise_limit), png, svg)


@house_style()
def partial_g2_figure(
    correlation: Correlation,
    chosen: Sequence[int] | None = None,
    noise_limit: float | None = None,
) -> Figure:
    """A panel for each interval of the first coordinate, of its first bin; early windows dark."""
    g2 = correlation.g2
    if g2 is None or g2.partial is None or g2.partial_labels is None:
        raise UserError(
            "the result holds no partial g2", correlation.heading, "set multitau.partial"
        )
    panels, note = chosen_panels(correlation.qmap, chosen)
    figure, axes = panel_grid(len(panels))
    windows = len(g2.partial)
    title(figure, correlation.heading, f"g₂ in {windows} windows of time{note}")
    shown = np.unique(np.linspace(0, windows - 1, min(windows, MOST_WINDOWS)).round().astype(int))
    colours = ramp(len(shown))
    delay, starved = correlation.delay_s, shown_starved(correlation, noise_limit)
    for panel, on in zip(panels, axes, strict=True):
        bin_ = panel.bins[0]
        on.plot(delay, g2.g2[:, bin_], color=GREY, linewidth=3, alpha=0.5, label="whole run")
        for window, colour in zip(shown, colours, strict=True):
            on.plot(
                delay,
                g2.partial[window, :, bin_],
                "o-",
                markersize=2.5,
                linewidth=0.8,
                color=curve_colour(colour, starved[bin_]),
                label=f"frames {g2.partial_labels[window]}",
            )
        delay_axis(on, delay)
        g2_limits(on, g2.partial[:, :, bin_], None)
        on.set_title(bin_label(correlation.qmap, bin_), loc="left", fontsize=10)
        starved_note(on, starved[[bin_]])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
