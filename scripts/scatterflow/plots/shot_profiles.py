"""Azimuthal averages of single shots: with and without laser, their difference, and over the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.plots.axes import bin_edges
from scatterflow.plots.shot_file import (
    block_means,
    column,
    fixed_beside,
    heading,
    mean_and_error,
    results_of,
    status,
    unit_of,
)
from scatterflow.plots.style import (
    BLUE,
    GREEN,
    MASKED,
    ORANGE,
    WIDTH,
    axis_label,
    colour_norm,
    empty_figure,
    house_style,
    intensity_colours,
    no_data_note,
    save,
    title,
)
from scatterflow.shots.small_data import SmallData, open_small_data

MOST_ROWS = 240
"""Rows of the map over the run."""


def plot_shot_profiles(
    small_data: str | Path, detector: str, png: str | Path, svg: str | Path
) -> None:
    """Draw azimuthal averages of a detector; raises UserError."""
    save(shot_profiles_figure(open_small_data(small_data), detector), png, svg)


@house_style()
def shot_profiles_figure(data: SmallData, detector: str) -> Figure:
    """Means with error bands and their difference; deviation of blocks of shots from the mean of the run."""
    names = results_of(data, detector, "azav")
    if not names:
        return empty_figure(
            heading(data),
            f"detector {detector}: azimuthal averages",
            "no function `azimuthal` of this detector",
        )
    name = names[0]
    every = column(data, name)
    lit = status(data, "xray") != 0
    profiles = np.where(lit[:, None], _over_sectors(every), np.nan)
    q = fixed_beside(data, name, "q")
    assert q is not None
    sectors = every.shape[1] if every.ndim == 3 else 1
    figure = Figure(figsize=(WIDTH, 9.0))
    grid = figure.add_gridspec(3, 2, height_ratios=(1.2, 0.9, 1.2), width_ratios=(1, 0.03))
    over = figure.add_subplot(grid[2, 0])
    means, change = (figure.add_subplot(grid[row, 0], sharex=over) for row in (0, 1))
    told = f", mean of {sectors} sectors" if sectors > 1 else ""
    title(figure, heading(data), f"{name}: {int(lit.sum())} shots with X-rays{told}")
    unit = unit_of(data, name)
    laser = status(data, "laser")
    _draw_means(means, q, profiles, laser, unit)
    _draw_change(change, q, profiles, laser)
    _draw_map(figure, over, figure.add_subplot(grid[2, 1]), q, profiles, unit)
    for axes in (means, change):
        axes.tick_params(labelbottom=False)
    over.set_xlabel(axis_label("q", "1/angstrom"))
    return figure


def _over_sectors(values: np.ndarray) -> np.ndarray:
    """(n, q) mean over sectors that have a value."""
    if values.ndim == 2:
        return values
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def band(
    axes: Axes, x: np.ndarray, mean: np.ndarray, error: np.ndarray, colour, label: str
) -> None:
    """A curve with a band of one standard error."""
    axes.plot(x, mean, color=colour, label=label)
    error = np.nan_to_num(error)
    axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.35, linewidth=0)


def _draw_means(
    axes: Axes, q: np.ndarray, profiles: np.ndarray, laser: np.ndarray, unit: str
) -> None:
    for state, colour, name in ((1, ORANGE, "on"), (0, BLUE, "off")):
        chosen = (laser == state) & np.isfinite(profiles).any(axis=1)
        if chosen.any():
            mean, error = mean_and_error(profiles[chosen])
            band(axes, q, mean, error, colour, f"laser {name}, {int(chosen.sum())} shots")
    if not np.isfinite(profiles).any():
        no_data_note(axes, "no shot with X-rays")
        return
    axes.set_ylabel(f"mean intensity ({unit})" if unit else "mean intensity")
    axes.legend(loc="best")


def _draw_change(axes: Axes, q: np.ndarray, profiles: np.ndarray, laser: np.ndarray) -> None:
    on, off = (mean_and_error(profiles[laser == state]) for state in (1, 0))
    axes.set_ylabel("(on − off) / off (%)")
    if not (np.isfinite(on[1]).any() and np.isfinite(off[1]).any()):
        no_data_note(axes, "no shots with and without laser")
        return
    base = np.where(off[0] != 0, off[0], np.nan)
    ratio = on[0] / base
    error = np.hypot(on[1], ratio * off[1]) / np.abs(base)
    band(axes, q, 100 * (ratio - 1), 100 * error, GREEN, "")
    axes.axhline(0, color="black", linewidth=0.8)
    # Bins of few pixels, at the rim, set no limits.
    known = np.isfinite(error)
    sure = known & (error <= 4 * np.median(error[known]))
    ends = 100 * np.stack([(ratio - 1 - error)[sure], (ratio - 1 + error)[sure]])
    room = 0.1 * np.ptp(ends)
    axes.set_ylim(min(ends.min(), 0.0) - room, max(ends.max(), 0.0) + room)


def _draw_map(
    figure: Figure, axes: Axes, bar: Axes, q: np.ndarray, profiles: np.ndarray, unit: str
) -> None:
    block = max(1, -(-len(profiles) // MOST_ROWS))
    rows = block_means(profiles, block)
    axes.grid(False)
    axes.set_facecolor(MASKED)
    axes.set_ylabel(f"shot, means of {block}" if block > 1 else "shot")
    if not np.isfinite(rows).any():
        no_data_note(axes, "no shot with X-rays")
        bar.set_visible(False)
        return
    norm, extend = colour_norm(rows)
    edges = np.minimum(np.arange(len(rows) + 1) * block, len(profiles)) - 0.5
    image = axes.pcolormesh(
        bin_edges(q), edges, np.ma.masked_invalid(rows), cmap=intensity_colours(), norm=norm,
        rasterized=True,
    )  # fmt: skip
    axes.set_ylim(edges[-1], edges[0])
    figure.colorbar(
        image, cax=bar, extend=extend, label=f"intensity ({unit})" if unit else "intensity"
    )
