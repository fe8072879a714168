"""The axis that bins are drawn over: edges, labels, limits, and which part of it is worth drawing.

An azimuthal axis is a circle that is cut somewhere, at +-180 degrees as a rule. A detector at that
side of the beam shows as two strips at the ends with nothing between; `continued` cuts the circle
in the empty part instead.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from scatterflow.plots.results import PlotAxis
from scatterflow.plots.style import MASKED, axis_label, is_log_radial

MARGIN = 3
"""Empty bins that are drawn around the bins with data."""
WIDEST_SEAM = 20 / 360
"""Data reach both ends of the azimuth if no more than this part of a turn is empty across them."""
LEAST_GAP = 90 / 360
"""The azimuth is cut elsewhere if more than this part of a turn is empty there."""
FEWEST_PIXELS, FEWEST_NEARBY = 0.5, 0.7
"""Bins of I(chi) with fewer pixels than this part of the median bin, or of the median bin nearby,
are not drawn: beside gaps and masks they have only some of the radial range, and their mean is that
of another range."""
FULL, SLOPE = 0.95, 1.03
"""Nor are the bins beside them, one at least, and on up to this part of the median while the next
bin has this times as many pixels: the range is cut there as well, if not by as many pixels."""
MOST_LABELLED = 1e3
"""Of a log axis that spans more than this, only powers of ten are labelled."""
NEARBY = 5
"""Bins on either side that count as nearby."""


def too_few_pixels(norm: np.ndarray) -> np.ndarray:
    """(bins,) bool: bins of I(chi) that have too little of the radial range to be compared.

    norm: (bins,) effective number of pixels of each bin, 0 or NaN where there is none.
    """
    norm = np.nan_to_num(norm)
    if not (norm > 0).any():
        return np.ones(norm.shape, dtype=bool)
    median = np.median(norm[norm > 0])
    nearby = _median_nearby(norm)
    fewest = (norm < FEWEST_PIXELS * median) | (norm < FEWEST_NEARBY * nearby)
    few = fewest.copy()
    few[1:] |= fewest[:-1]
    few[:-1] |= fewest[1:]
    cut = norm < FULL * np.maximum(median, nearby)
    for outwards in (slice(None), slice(None, None, -1)):
        rising = np.append(norm[outwards][1:] > SLOPE * norm[outwards][:-1], False)
        slope = cut[outwards] & rising
        beside = few[outwards]  # a view: the bins are marked in place
        for place in range(1, norm.size):
            beside[place] |= beside[place - 1] and slope[place]
    return few


def _median_nearby(norm: np.ndarray) -> np.ndarray:
    """(bins,) median over the bins nearby that have pixels, 0 where there is none."""
    padded = np.pad(np.where(norm > 0, norm, np.nan), NEARBY, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEARBY + 1)
    median = np.zeros(norm.size)
    filled = np.isfinite(windows).any(axis=1)
    median[filled] = np.nanmedian(windows[filled], axis=1)
    return median


def around_data(valid: np.ndarray) -> slice:
    """The bins from the first to the last valid one, with a margin; all if none is valid."""
    places = np.flatnonzero(valid)
    if places.size == 0:
        return slice(0, valid.size)
    return slice(max(0, int(places[0]) - MARGIN), int(places[-1]) + 1 + MARGIN)


def continued(axis: PlotAxis, valid: np.ndarray) -> tuple[PlotAxis, np.ndarray]:
    """An azimuthal axis without a cut through the data: (axis, order).

    axis: bin centres, increasing, in degrees or radians. valid: (bins,) bool, bins with data.
    order: index of the bin that is drawn at each place of the new axis, -1 where none is (the part
    of the circle that the axis does not cover); see `in_order`. Unless data reach both ends of a
    full turn and leave more than a quarter of it empty, the axis is returned as it is.
    """
    unchanged = axis, np.arange(axis.values.size)
    places = np.flatnonzero(valid)
    if places.size < 2:
        return unchanged
    turn = 2 * np.pi if "rad" in (axis.pyfai_unit or axis.unit) else 360.0
    width = float(np.median(np.diff(axis.values)))
    gaps = np.diff(axis.values[places]) - width
    widest = int(np.argmax(gaps))
    seam = turn - (axis.values[places[-1]] - axis.values[places[0]]) - width
    if seam > WIDEST_SEAM * turn or gaps[widest] <= LEAST_GAP * turn:
        return unchanged

    cut = int(places[widest] + places[widest + 1]) // 2 + 1
    after, before = axis.values[cut:], axis.values[:cut] + turn
    uncovered = max(0, round((before[0] - after[-1]) / width) - 1)
    between = np.linspace(after[-1], before[0], uncovered + 2)[1:-1]
    values = np.concatenate([after, between, before])
    order = np.concatenate(
        [np.arange(cut, axis.values.size), np.full(uncovered, -1), np.arange(cut)]
    )
    low, high = axis.values[places[widest + 1]], axis.values[places[widest]] + turn
    if high > turn * (1 + WIDEST_SEAM):
        # Around 0 rather than around 360 degrees.
        values, low, high = values - turn, low - turn, high - turn
    half = "π" if turn < 7 else "180"
    note = f"continued beyond {half}"
    if low >= 0 and high <= turn:
        note = f"from 0 to {'2π' if turn < 7 else '360'}"
    elif low >= -turn / 2 and high <= turn / 2:
        note = f"from −{half} to {half}"
    return replace(axis, values=values, note=note), order


def in_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Values (..., bins) as float64 in the order that `continued` gives; NaN for -1."""
    return np.where(order >= 0, np.asarray(values, dtype=np.float64)[..., order], np.nan)


def bin_edges(centres: np.ndarray) -> np.ndarray:
    """(n + 1,) edges halfway between centres; the outer ones mirror their neighbours."""
    if centres.size == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def label_of(axis: PlotAxis) -> str:
    """Label of an axis of a result: name, unit and note."""
    label = axis_label(axis.name, axis.unit, axis.pyfai_unit)
    return f"{label}, {axis.note}" if axis.note else label


def shade_bins(axes: Axes, x: PlotAxis, left_out: np.ndarray) -> None:
    """Grey bands over bins that are left out. left_out: (bins,) bool."""
    edges = bin_edges(x.values)
    steps = np.flatnonzero(np.diff(np.concatenate([[False], left_out, [False]]).astype(int)))
    for start, stop in steps.reshape(-1, 2):
        axes.axvspan(
            edges[start], edges[stop], color=MASKED, alpha=0.5, linewidth=0, zorder=0.5, label="_"
        )


def draw_x_axis(axes: Axes, x: PlotAxis) -> None:
    """Label, scale and limits of the axis that profiles are drawn over."""
    axes.set_xlabel(label_of(x))
    if is_log_radial(x.values, x.pyfai_unit):
        axes.set_xscale("log")
        axes.set_xlim(x.values[x.values > 0][0], x.values[-1])
        axes.xaxis.set_minor_formatter(FuncFormatter(_few_minor_labels))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        return
    axes.set_xlim(*(x.values[[0, -1]] if x.values.size > 1 else (None, None)))


def few_log_labels(axis: Axis, values: np.ndarray) -> None:
    """Labels at 1, 2 and 5 of each decade of a log axis, at 1 alone where the values span many."""
    positive = values[values > 0]
    many = positive.size == 0 or positive.max() > MOST_LABELLED * positive.min()
    axis.set_major_locator(LogLocator(subs=(1,) if many else (1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _few_minor_labels(value: float, _: int | None = None) -> str:
    """Labels at 2 and 5 of each decade."""
    leading = round(value / 10 ** np.floor(np.log10(value)))
    return f"{value:g}" if leading in (2, 5) else ""
