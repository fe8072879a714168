"""Axes of a cube: a scanned variable, cut into bins; and labels, such as laser on and off.

    edges      given: e0 <= x < e1, e1 <= x < e2, ..., the last edge included
    linear     `bins` equal bins from `minimum` to `maximum`, where not given those of the data
    quantiles  `bins` bins with as many shots each; bins that equal values make empty are left out
    steps      a bin for each step of a step scan (`steps`), both limits included

Bins ascend. Those that are found in the data need the values of the whole run; an axis once made is the same
for all chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.shots.calculators import checked_edges
from scatterflow.shots.steps import LEAST_SHOTS, find_steps


@dataclass(frozen=True)
class Axis:
    """Bins of a variable: lower, upper, centres (bins,) float64; closed (bins,) bool, upper limit
    included."""

    name: str
    lower: np.ndarray
    upper: np.ndarray
    centres: np.ndarray
    closed: np.ndarray

    @property
    def bins(self) -> int:
        """How many."""
        return len(self.lower)

    def places(self, values: np.ndarray) -> np.ndarray:
        """(n,) int64 bin of each value, -1: in none (or NaN)."""
        values = np.asarray(values, dtype=np.float64)
        bin_ = np.searchsorted(self.lower, values, side="right") - 1
        upper, closed = self.upper[bin_], self.closed[bin_]
        inside = (bin_ >= 0) & ((values < upper) | (closed & (values == upper)))
        return np.where(inside, bin_, -1)


@dataclass(frozen=True)
class Label:
    """Kinds of shots that are binned apart. values: the number that marks each kind; names: what it means."""

    name: str
    values: tuple[float, ...]
    names: tuple[str, ...]

    def places(self, values: np.ndarray) -> np.ndarray:
        """(n,) int64 kind of each shot, -1: of none (or NaN)."""
        found = np.full(len(values), -1, dtype=np.int64)
        for place, value in enumerate(self.values):
            found[np.asarray(values) == value] = place
        return found


def axis_from_edges(name: str, edges: np.ndarray) -> Axis:
    """Bins between edges. Raises UserError unless these ascend."""
    edges = checked_edges(edges, f"axis {name}")
    closed = np.zeros(len(edges) - 1, dtype=bool)
    closed[-1] = True
    return Axis(name, edges[:-1], edges[1:], (edges[:-1] + edges[1:]) / 2, closed)


def make_axis(name: str, settings: Mapping[str, Any], values: np.ndarray, where: str = "") -> Axis:
    """An axis by its settings.

    settings: `type` as above, with `edges`; `bins`, `minimum`, `maximum`; `bins`; or `tolerance`,
    `least_shots`. values: (n,) the variable in all shots of the run that pass the filters, NaN where not
    known. Raises UserError: nothing known of the variable, it is constant, settings that make no bins.
    """
    place = where or f"axis {name}"
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not known.size:
        raise UserError(
            f"{name} has no value in any of {np.size(values)} shots",
            place,
            "choose another scan variable, or loosen the filters",
        )
    match settings.get("type"):
        case "edges":
            axis = axis_from_edges(name, np.asarray(settings.get("edges", ()), dtype=np.float64))
            if axis.bins > 1:
                _check_varies(name, known, place)
        case "linear":
            axis = _linear(name, settings, known, place)
        case "quantiles":
            _check_varies(name, known, place)
            fractions = np.linspace(0, 1, _bins(settings, place) + 1)
            axis = axis_from_edges(name, np.unique(np.quantile(known, fractions)))
        case "steps":
            axis = _steps(name, settings, values, place)
        case other:
            kinds = ["edges", "linear", "quantiles", "steps"]
            raise UserError(f"no bins of type {other!r}", place, suggestion(str(other), kinds))
    return axis


def _linear(name: str, settings: Mapping[str, Any], known: np.ndarray, where: str) -> Axis:
    _check_varies(name, known, where)
    low, high = settings.get("minimum"), settings.get("maximum")
    low = known.min() if low is None else float(low)
    high = known.max() if high is None else float(high)
    if not low < high:
        raise UserError(
            f"no bins lie between {low:g} and {high:g}", where, "give minimum < maximum"
        )
    return axis_from_edges(name, np.linspace(low, high, _bins(settings, where) + 1))


def _bins(settings: Mapping[str, Any], where: str) -> int:
    bins = int(settings.get("bins", 0))
    if bins < 1:
        raise UserError(f"{bins} bins", where, "give the number of bins, 1 or more")
    return bins


def _steps(name: str, settings: Mapping[str, Any], values: np.ndarray, where: str) -> Axis:
    least = int(settings.get("least_shots") or LEAST_SHOTS)
    steps = find_steps(values, settings.get("tolerance"), least, where)
    if len(steps.position) < 2:
        raise _constant(name, float(steps.position[0]), where)
    closed = np.ones(len(steps.position), dtype=bool)
    return Axis(name, steps.lower, steps.upper, steps.position, closed)


def _check_varies(name: str, known: np.ndarray, where: str) -> None:
    if known.min() == known.max():
        raise _constant(name, float(known[0]), where)


def _constant(name: str, value: float, where: str) -> UserError:
    return UserError(
        f"the scan variable {name} is constant ({value:g}): nothing was scanned",
        where,
        "choose the variable that was scanned, or give one bin by its two edges",
    )
