"""Speckle statistics: how often a pixel holds K photons, and how the contrast falls with the exposure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scatterflow.errors import UserError
from scatterflow.plots.axes import few_log_labels
from scatterflow.plots.correlation_panels import bin_label, ramp
from scatterflow.plots.style import BLUE, RED, WIDTH, house_style, no_data_note, save, title
from scatterflow.xpcs.correlation import Correlation
from scatterflow.xpcs.result import read_result
from scatterflow.xpcs.speckle_statistics import SpeckleStatistics, speckle_statistics

MOST_BINS = 3
MOST_CURVES = 12
RAREST = 1e-7
"""Probabilities below this are not shown."""


def plot_speckle_statistics(result_path: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw P(K) with its negative-binomial fit, and the contrast over the exposure.

    Raises UserError for a result without speckle statistics.
    """
    save(speckle_statistics_figure(read_result(result_path, maps=False)), png, svg)


@house_style()
def speckle_statistics_figure(correlation: Correlation) -> Figure:
    """P(K) of a few dynamic bins at the shortest exposure on top; contrast of all bins below."""
    if correlation.photons is None:
        raise UserError(
            "the result holds no speckle statistics",
            correlation.heading,
            "set speckle_statistics in the reduction",
        )
    qmap = correlation.qmap
    found = speckle_statistics(correlation.photons, qmap.parent)
    figure = Figure(figsize=(WIDTH, 7.2))
    shown = _spread(qmap.dynamic_bins, MOST_BINS)
    grid = figure.add_gridspec(2, len(shown), height_ratios=[1.0, 1.2])
    step = correlation.frame_step_s
    shortest = found.exposures[0] * step
    title(
        figure,
        correlation.heading,
        f"photons per pixel in {shortest:.3g} s, and contrast over the exposure",
    )
    for place, number in enumerate(shown):
        axes = figure.add_subplot(grid[0, place])
        _draw_probabilities(axes, found, number)
        axes.set_title(bin_label(qmap, number).replace(", ", "\n"), loc="left", fontsize=10)
        if place == 0:
            axes.set_ylabel("probability P(K)")
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    _draw_contrast(figure.add_subplot(grid[1, :]), found, correlation)
    return figure


def _spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` numbers from 0, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def _draw_probabilities(axes: Axes, found: SpeckleStatistics, number: int) -> None:
    probability, expected = found.probability[0, number], found.expected[0, number]
    photons = np.arange(probability.size)
    if not np.isfinite(probability).any():
        no_data_note(axes, "no photons")
        return
    last = int(np.flatnonzero(np.maximum(probability, expected) > RAREST).max(initial=1))
    axes.bar(photons[: last + 1], probability[: last + 1], color=BLUE, alpha=0.75, label="measured")
    axes.plot(
        photons[: last + 1],
        expected[: last + 1],
        "o-",
        color=RED,
        markersize=3,
        linewidth=1.0,
        label="negative binomial of the likeliest contrast",
    )
    axes.set_yscale("log")
    axes.set_ylim(max(RAREST, probability[probability > 0].min() / 3), 2.0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.set_xlabel("photons K")


def _draw_contrast(axes: Axes, found: SpeckleStatistics, correlation: Correlation) -> None:
    exposure = found.exposures * correlation.frame_step_s
    shown = _spread(found.contrast.shape[1], MOST_CURVES)
    for number, colour in zip(shown, ramp(len(shown)), strict=True):
        axes.errorbar(
            exposure,
            found.contrast[:, number],
            yerr=np.nan_to_num(found.contrast_error[:, number]),
            fmt="o-",
            markersize=4,
            linewidth=1.0,
            color=colour,
            label=bin_label(correlation.qmap, number),
        )
    axes.set_xscale("log")
    few_log_labels(axes.xaxis, exposure)
    axes.set_ylim(bottom=min(0.0, float(np.nanmin(found.contrast, initial=0.0)) * 1.1))
    axes.set_xlabel("exposure (s)")
    axes.set_ylabel("contrast")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
