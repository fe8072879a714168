"""Bins with too few photons, in figures of g2: grey, and said so."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from scatterflow.plots.style import GREY, MASKED
from scatterflow.quality.photons import starved_bins
from scatterflow.xpcs.correlation import Correlation


def shown_starved(correlation: Correlation, noise_limit: float | None) -> np.ndarray:
    """Dynamic bins to be drawn grey, (Nd,) bool. noise_limit: see `quality.photons`; None: none is."""
    if noise_limit is None:
        return np.zeros(correlation.qmap.dynamic_bins, bool)
    return starved_bins(correlation, noise_limit)


def curve_colour(colour: Any, is_starved: bool) -> Any:
    """The colour of a curve."""
    return MASKED if is_starved else colour


def starved_note(axes: Axes, starved: np.ndarray) -> None:
    """Say in a panel that some or all of its curves are of too few photons."""
    number = int(np.count_nonzero(starved))
    if number:
        some = "" if number == len(starved) else f"{number} of {len(starved)}: "
        axes.set_title(f"{some}too few photons", loc="right", fontsize=9, color=GREY)
