"""The mean profile of a run before and after its corrections, with the subtracted background."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.plots.axes import draw_x_axis
from scatterflow.plots.drawn import Drawn, select_bins
from scatterflow.plots.results import (
    Integration,
    read_integration,
    read_mean,
    read_norm,
    read_stages,
)
from scatterflow.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    WIDTH,
    house_style,
    is_log,
    no_data_note,
    robust_limits,
    save,
    significant,
    title,
    wrapped,
)

COLOURS = {"uncorrected": ORANGE, "normalised": ORANGE, "background": GREY, "mean": BLUE}
NAMES = {
    "uncorrected": "uncorrected",
    "normalised": "sample with background",
    "background": "background",
    "mean": "corrected",
}


@dataclass(frozen=True)
class Stage:
    """A mean profile at one stage of the corrections: intensity and errors (bins,), label with unit."""

    intensity: np.ndarray
    errors: np.ndarray
    label: str


def plot_corrections(
    result_path: str | Path, detector: str, integration: str, png: str | Path, svg: str | Path
) -> None:
    """Draw the stages of the corrections; raises UserError if the integration is not there, or a cake."""
    shown = read_integration(result_path, detector, integration, ("azimuthal", "radial"))
    shape = (shown.axes[0].values.size,)
    stages = {
        name: Stage(*read_mean(result_path, detector, integration, shape, name), label)
        for name, label in read_stages(result_path, detector, integration).items()
    }
    norm = read_norm(result_path, detector, integration, shape)
    save(corrections_figure(shown, stages, norm, f"{detector}, {integration}"), png, svg)


@house_style()
def corrections_figure(
    shown: Integration, stages: dict[str, Stage], norm: np.ndarray | None, what: str
) -> Figure:
    """Above: what the background is subtracted from, with the background; below: the corrected
    profile. Without a background, the uncorrected profile is above."""
    before = ["normalised", "background"] if "background" in stages else ["uncorrected"]
    panels = [[name for name in before if name in stages], ["mean"]]
    panels = [names for names in panels if names]
    figure = Figure(figsize=(WIDTH, 1.6 + 3.4 * len(panels)))
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, names in zip(rows, panels, strict=True):
        x = _draw_panel(axes, shown, {name: stages[name] for name in names}, norm)
    draw_x_axis(rows[-1], x.x)
    title(figure, shown.heading, f"{what}: corrections")
    return figure


def _draw_panel(
    axes: Axes, shown: Integration, stages: dict[str, Stage], norm: np.ndarray | None
) -> Drawn:
    profiles = np.array([stage.intensity for stage in stages.values()])
    errors = np.array([stage.errors for stage in stages.values()])
    drawn = select_bins(shown, profiles, norm, errors)
    assert drawn.errors is not None  # given above
    steady = drawn.profiles[:, drawn.steady]
    logarithmic = is_log(steady)
    axes.set_yscale("log" if logarithmic else "linear")
    spread = drawn.errors[:, drawn.steady]
    limits = significant(steady, spread) if logarithmic else steady
    robust_limits(axes, limits.ravel(), logarithmic)
    for name, intensity, error in zip(stages, drawn.profiles, drawn.errors, strict=True):
        axes.plot(drawn.x.values, intensity, color=COLOURS[name], label=NAMES[name], zorder=3)
        if np.isfinite(error).any():
            axes.fill_between(
                drawn.x.values,
                intensity - error,
                intensity + error,
                color=COLOURS[name],
                alpha=0.3,
                linewidth=0,
                zorder=2,
            )
    if not np.isfinite(steady).any():
        no_data_note(axes, "no valid data in any frame")
    axes.set_ylabel(wrapped(next(iter(stages.values())).label))
    axes.legend(loc="best")
    return drawn
