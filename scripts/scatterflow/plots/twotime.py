"""Two-time maps, and beside each what it says: g2 with its windows and ages, the variance over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scatterflow.errors import UserError
from scatterflow.plots.correlation_panels import bin_label, g2_limits, ramp
from scatterflow.plots.style import (
    BLUE,
    GREY,
    MASKED,
    ORANGE,
    WIDTH,
    house_style,
    no_data_note,
    save,
    title,
)
from scatterflow.xpcs.correlation import Correlation, bin_number
from scatterflow.xpcs.result import read_result
from scatterflow.xpcs.twotime_result import TwoTimeResult

MOST_BINS = 4
"""Dynamic bins that are drawn."""
LEVELS = (1, 99)
"""Percentiles of C2 between which colours run."""
_SIDE = 1000
_PER_DECADE = 12


def plot_twotime(
    result_path: str | Path,
    png: str | Path,
    svg: str | Path,
    bins: Sequence[int] | None = None,
) -> None:
    """Draw the maps of some dynamic bins (from 1); None: all, or a few evenly spread.

    Raises UserError for a result without two-time correlation and for a bin that has none.
    """
    save(twotime_figure(read_result(result_path), bins), png, svg)


@house_style()
def twotime_figure(correlation: Correlation, bins: Sequence[int] | None = None) -> Figure:
    """A row for each bin: map, g2, variance."""
    shown = _chosen(correlation, bins)
    figure = Figure(figsize=(WIDTH, 1.1 + 2.55 * len(shown)))
    panels = figure.subplots(len(shown), 3, squeeze=False, width_ratios=(1.15, 1, 1))
    total = len(correlation.twotime)
    number = f"{total} dynamic bins" if total == len(shown) else f"{len(shown)} of {total} bins"
    title(figure, correlation.heading, f"two-time correlation, {number}")
    for row, item in zip(panels, shown, strict=True):
        seconds = correlation.frame_step_s
        assert item.bin is not None
        _draw_map(figure, row[0], item, seconds)
        row[0].set_title(bin_label(correlation.qmap, item.bin), loc="left", fontsize=10)
        _draw_g2(row[1], item, seconds)
        _draw_variance(row[2], item, seconds)
    handles, labels = panels[0, 1].get_legend_handles_labels()
    more, names = panels[0, 2].get_legend_handles_labels()
    figure.legend(handles + more, labels + names, loc="outside lower center", ncols=4)
    return figure


def _chosen(correlation: Correlation, bins: Sequence[int] | None) -> list[TwoTimeResult]:
    known = {bin_number(item): item for item in correlation.twotime}
    if not known:
        raise UserError(
            "the result holds no two-time correlation", correlation.heading, "add twotime: {}"
        )
    if bins is None:
        every = list(known.values())
        places = np.linspace(0, len(every) - 1, min(MOST_BINS, len(every))).round().astype(int)
        return [every[place] for place in places]
    for number in bins:
        if number not in known:
            raise UserError(
                f"there is no two-time map of dynamic bin {number}",
                "bins to plot",
                f"known: {', '.join(map(str, known))}",
            )
    return [known[number] for number in bins]


def shown_map(c2: np.ndarray) -> np.ndarray:
    """The whole map of a stored upper triangle, for the eye: the diagonal, which holds the shot noise, is
    replaced by the mean of its neighbours; long maps are thinned out by means over squares."""
    whole = np.triu(c2, 1).astype(np.float64)
    whole += whole.T
    beside = np.diagonal(whole, 1)
    diagonal = np.full(len(whole), np.nan)
    if beside.size:
        both = np.stack([np.append(beside, np.nan), np.append(np.nan, beside)])
        known = np.isfinite(both)
        number = known.sum(axis=0)
        np.divide(np.where(known, both, 0).sum(axis=0), number, out=diagonal, where=number > 0)
    # A frame without C2 stays without.
    np.fill_diagonal(whole, np.where(np.isfinite(np.diagonal(c2)), diagonal, np.nan))
    step = -(-len(whole) // _SIDE)
    if step == 1:
        return whole
    side = -(-len(whole) // step)
    padded = np.full((side * step, side * step), np.nan)
    padded[: len(whole), : len(whole)] = whole
    cells = padded.reshape(side, step, side, step)
    number = np.isfinite(cells).sum(axis=(1, 3))
    total = np.nansum(cells, axis=(1, 3))
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def _draw_map(figure: Figure, axes: Axes, item: TwoTimeResult, seconds: float) -> None:
    axes.grid(False)
    axes.set_facecolor(MASKED)
    values = shown_map(item.c2)
    finite = values[np.isfinite(values)]
    axes.set_xlabel("t₁ (s)")
    axes.set_ylabel("t₂ (s)")
    if finite.size == 0:
        no_data_note(axes, "no value")
        return
    low, high = np.percentile(finite, LEVELS)
    # The last cell may reach beyond the last frame.
    thinned = -(-len(item.c2) // len(values))
    end = len(values) * thinned * item.step * seconds
    image = axes.imshow(
        np.ma.masked_invalid(values),
        origin="lower",
        extent=(0, end, 0, end),
        vmin=low,
        vmax=high if high > low else low + 1e-6,
        cmap="viridis",
        interpolation="nearest",
        aspect="equal",
    )
    axes.set_xlim(0, item.frames * seconds)
    axes.set_ylim(0, item.frames * seconds)
    # The labels of short times are long: more than three run into each other.
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=2))
    bar = figure.colorbar(image, ax=axes, extend="both", pad=0.03, aspect=18, label="C₂")
    bar.locator = MaxNLocator(nbins=5)
    bar.update_ticks()


def log_bins(lags: int) -> np.ndarray:
    """Edges of bins of lags from 1 upwards, equally wide on a log axis, (n + 1,) int64."""
    most = max(2, lags)
    number = max(2, round(_PER_DECADE * np.log10(most)))
    return np.unique(np.geomspace(1, most, number).round().astype(np.int64))


def binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Means over bins of lags of what is not NaN."""
    found = np.full(len(edges) - 1, np.nan)
    for number, (first, last) in enumerate(pairwise(edges)):
        known = values[first:last][np.isfinite(values[first:last])]
        if known.size:
            found[number] = known.mean()
    return found


def _delays(edges: np.ndarray, seconds: float) -> np.ndarray:
    return seconds * (edges[:-1] + edges[1:] - 1) / 2


def _draw_g2(axes: Axes, item: TwoTimeResult, seconds: float) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("delay (s)")
    axes.set_ylabel("g₂")
    edges = log_bins(item.frames)
    delays, g2 = _delays(edges, seconds), binned(item.g2, edges)
    errors = binned(item.error, edges)
    if not np.isfinite(g2).any():
        no_data_note(axes, "no value")
        return
    axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    for curves, style, what in (
        (item.age_g2, "-", "age"),
        (item.partial, ":", "window of time"),
    ):
        for number, (curve, colour) in enumerate(zip(curves, ramp(len(curves)), strict=True)):
            label = f"{what}, early to late" if number == len(curves) // 2 else None
            own = binned(curve, edges)
            axes.plot(delays, own, style, color=colour, linewidth=1.0, label=label)
    axes.errorbar(
        delays,
        g2,
        yerr=errors,
        fmt="o",
        color="black",
        markersize=2.5,
        linewidth=0.8,
        label="all times",
        zorder=3,
    )
    g2_limits(axes, g2, errors)


def _draw_variance(axes: Axes, item: TwoTimeResult, seconds: float) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("delay (s)")
    axes.set_ylabel("variance over time")
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    edges = log_bins(max(2, item.frames // 2))
    delays = _delays(edges, seconds)
    if not np.isfinite(item.variance).any():
        no_data_note(axes, "no value")
        return
    axes.axhline(0.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    variance = binned(item.variance, edges)
    axes.plot(delays, variance, color=ORANGE, label="variance, with noise")
    if item.chi4 is not None:
        axes.plot(delays, binned(item.chi4, edges), color=BLUE, label="χ₄, without noise")
