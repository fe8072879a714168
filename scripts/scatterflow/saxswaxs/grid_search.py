"""Scan axes found from their readings alone: which readings are one position.

Readings of one axis are sorted and cut into groups wherever two neighbours lie far apart; a group's
grid value is the middle between its lowest and highest reading. A cut is trusted if the narrowest
step between groups is `CLEAR` times the widest group. If several cuts or several axes leave a
choice, the grid is taken that the frames fill best; where nothing is clear the user is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError

CLEAR = 4.0
"""Narrowest step between groups over widest group, at least, for a cut that is trusted."""
CERTAIN = 20.0
"""From here on readings are taken as one position even if a finer grid were possible."""
MOST_CUTS = 3
FLOAT_NOISE = 1e-9
"""Readings closer than this part of their size are equal: motors written with a few digits."""
UNCLEAR = 0.3
"""Weight of a grid without any repeated reading against a clear one."""
NOISE = 0.3
"""Ratio of von Neumann (mean squared step in time over twice the variance) from which readings
scatter about one position: 1 for noise, 0 for a motor that moves."""
FEWEST_TO_SCATTER = 8
REPEATED_WEIGHT = 0.25
"""Exponent by which grids lose that put many frames on one point."""

Placed = tuple[np.ndarray, np.ndarray, float]
"""Grid values (n,), index per frame (frames,) with -1 for none, tolerance."""


def groups(readings: np.ndarray, largest_gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Middles of groups of readings, and the group of each; gaps wider than `largest_gap` divide.

    Groups descend where the readings do: the first grid value is that of the end visited first.
    """
    known = np.isfinite(readings)
    order = np.argsort(np.where(known, readings, np.inf), kind="stable")[: int(known.sum())]
    ascending = readings[order]
    first = np.concatenate([[True], np.diff(ascending) > largest_gap])
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], ascending.size) - 1
    middles = 0.5 * (ascending[starts] + ascending[ends])
    # A single-valued group is that value, not what rounding makes of it.
    middles = np.where(ascending[starts] == ascending[ends], ascending[starts], middles)
    index = np.zeros(readings.size, dtype=np.int64)
    index[order] = np.cumsum(first) - 1
    if middles.size > 1 and _descends(index[known]):
        return middles[::-1], np.where(known, middles.size - 1 - index, index)
    return middles, index


def _descends(index: np.ndarray) -> bool:
    """Whether an axis runs down: its last group is visited before its first."""
    return bool(np.argmax(index == index.max()) < np.argmax(index == 0))


def without_unknown(index: np.ndarray, readings: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(readings), index, -1)


@dataclass(frozen=True)
class _Cut:
    """A way to group the readings of an axis. weight: how much it is trusted."""

    values: np.ndarray
    index: np.ndarray
    tolerance: float
    weight: float


def find_axes(
    axes: Sequence[Mapping[str, Any]],
    given: Sequence[Placed | None],
    readings: Mapping[str, np.ndarray],
    where: str,
) -> list[Placed]:
    """All axes, those that are given None found: the combination that the frames fill best.

    Raises UserError for readings that form no clear grid.
    """
    names = [axis["scalar"] for axis in axes]
    if all(found is not None for found in given):
        return [found for found in given if found is not None]
    choices = [
        [_Cut(*found, 1.0)] if found is not None else _cuts(readings[name], alone=len(axes) == 1)
        for name, found in zip(names, given, strict=True)
    ]
    for name, cuts in zip(names, choices, strict=True):
        if not cuts:
            raise _no_clear_grid(name, where)
    best = max(itertools.product(*choices), key=_fit)
    for number, found in enumerate(given):
        if found is None and _crowded(best, number, readings[names[number]]):
            raise _no_clear_grid(names[number], where)
    return [(cut.values, cut.index, cut.tolerance) for cut in best]


def _cuts(readings: np.ndarray, alone: bool) -> list[_Cut]:
    """Ways to group the readings of one axis that are worth a look."""
    known = readings[np.isfinite(readings)]
    noise = FLOAT_NOISE * float(np.abs(known).max())
    ascending = np.sort(known)
    gaps = np.diff(ascending)
    cuts = clear_cuts(readings, ascending, noise)
    certain = [cut for cut, ratio in cuts if ratio >= CERTAIN]
    if certain:
        return certain
    found = [cut for cut, _ in cuts]
    # Readings that repeat exactly, or are few, are no scatter about one position.
    repeated = bool((gaps <= noise).any())
    one_position = not alone and not repeated and known.size >= FEWEST_TO_SCATTER
    if gaps.size == 0 or gaps.max() <= noise or (one_position and _scatters(known)):
        values, index = groups(readings, np.inf)
        spread = float(ascending[-1] - ascending[0])
        weight = 1.0 if spread <= noise else UNCLEAR
        index = without_unknown(index, readings)
        found.append(_Cut(values, index, max(spread, noise), weight))
    if gaps.size and gaps.max() > noise:
        steps = gaps[gaps > noise]
        values, index = groups(readings, noise)
        # Where none repeats, each reading is its own grid value: nothing tells the jitter.
        index = without_unknown(index, readings)
        found.append(_Cut(values, index, float(steps.min()) / 4, 1.0 if repeated else UNCLEAR))
    return found


def clear_cuts(
    readings: np.ndarray, ascending: np.ndarray, noise: float
) -> list[tuple[_Cut, float]]:
    """Cuts whose narrowest step is much wider than their widest group, clearest first."""
    gaps = np.diff(ascending)
    found = []
    for largest in _largest_inner_gaps(gaps, noise):
        between = gaps[gaps > largest]
        edges = np.flatnonzero(gaps > largest)
        starts = np.concatenate([[0], edges + 1])
        ends = np.append(edges, ascending.size - 1)
        widths = ascending[ends] - ascending[starts]
        # Groups of one reading tell no jitter; the last row of a stopped scan may be one.
        if np.mean(ends == starts) > 1 / 3:
            continue
        ratio = float(between.min() / max(widths.max(), noise, np.finfo(float).tiny))
        if ratio < CLEAR:
            continue
        values, index = groups(readings, largest)
        tolerance = max(float(widths.max()), noise)
        found.append((_Cut(values, without_unknown(index, readings), tolerance, 1.0), ratio))
    found.sort(key=lambda item: -item[1])
    return found[:MOST_CUTS]


def _largest_inner_gaps(gaps: np.ndarray, noise: float) -> list[float]:
    """Gaps that may be the largest within a group: those that a much wider one follows."""
    ascending = np.unique(np.append(gaps, 0.0))
    ascending = np.append(noise, ascending[ascending > noise])
    jumps = np.flatnonzero(ascending[1:] >= CLEAR * np.maximum(ascending[:-1], noise))
    return [float(ascending[jump]) for jump in jumps]


def _scatters(known: np.ndarray) -> bool:
    """Whether readings in order of acquisition scatter about one position."""
    variance = float(np.mean((known - known.mean()) ** 2))
    if variance == 0:
        return True
    return bool(np.mean(np.diff(known) ** 2) / (2 * variance) > NOISE) if known.size > 1 else True


def _fit(cuts: tuple[_Cut, ...]) -> tuple[float, float]:
    """How well frames fill the grid of these axes; of equal ones the coarser grid wins."""
    indices = np.stack([cut.index for cut in cuts])
    there = indices[:, (indices >= 0).all(axis=0)]
    cells = float(np.prod([float(cut.values.size) for cut in cuts]))
    if there.shape[1] == 0:
        return 0.0, -cells
    occupied = np.unique(there, axis=1).shape[1]
    weight = float(np.prod([cut.weight for cut in cuts]))
    score = weight * occupied / cells * (occupied / there.shape[1]) ** REPEATED_WEIGHT
    return score, -cells


def _crowded(cuts: tuple[_Cut, ...], number: int, readings: np.ndarray) -> bool:
    """Whether an axis of several was given up: every reading is its own grid value, and so it is on
    another axis, or the readings scatter as they do on another one that was taken for one position."""
    others = [cut for i, cut in enumerate(cuts) if i != number]
    if not others or not _single(cuts[number]):
        return False
    if any(_single(cut) for cut in others):
        return True
    collapsed = any(cut.values.size == 1 and cut.weight < 1 for cut in others)
    return collapsed and _scatters(readings[np.isfinite(readings)])


def _single(cut: _Cut) -> bool:
    """Whether nearly every reading is its own grid value."""
    return cut.values.size > max(1.0, 0.9 * float((cut.index >= 0).sum()))


def _no_clear_grid(name: str, where: str) -> UserError:
    return UserError(
        f"the readings of {name!r} form no clear grid",
        f"{where}, axis {name}",
        "give a tolerance or the values of this axis, or the `shape` of the map",
    )
