"""Intervals of one coordinate of a q-map, from what the configuration says about them.

A coordinate is divided evenly (`spacing`, `range`, `bins`), at `edges`, or into spans of `widths`
round `centres`, which may leave room between them. Each interval is cut into static ones, evenly or,
where the spacing is logarithmic, in equal ratios; so static intervals nest by construction. The
centre of an interval is its middle, of a logarithmic one the geometric mean of its edges.

Shared by the configuration, which refuses what is wrong before anything runs, and by the jobs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

Span = tuple[float, float]

_TOUCHING = 1e-9  # of a width: edges nearer than this are one edge, apart by rounding only


def is_logarithmic(division: dict[str, Any]) -> bool:
    """Whether intervals are equal in ratio instead of in width."""
    return division.get("spacing") == "log"


def dynamic_spans(division: dict[str, Any], automatic: Span) -> list[Span]:
    """Intervals (low, high) of a `dynamic:` block, ascending; touching ones share their edge exactly.

    automatic: the range to take where the block gives none. Raises ValueError for intervals that do
    not ascend or overlap, and for a logarithmic range that does not begin above 0.
    """
    if division.get("edges") is not None:
        edges = [float(edge) for edge in division["edges"]]
        if any(high <= low for low, high in pairwise(edges)):
            raise ValueError("edges: each must be larger than the one before")
        return list(pairwise(edges))
    if division.get("centres") is not None:
        return _apart(_round_centres(division["centres"], division["widths"]))
    low, high = division.get("range") or automatic
    if not low < high:
        raise ValueError(f"range: {low:g} is not below {high:g}")
    if is_logarithmic(division) and low <= 0:
        raise ValueError(f"range: logarithmic spacing begins above 0, not at {low:g}")
    edges = cut((low, high), division["bins"], is_logarithmic(division))
    if any(second <= first for first, second in pairwise(edges)):
        raise ValueError(f"bins: {division['bins']} do not fit between {low:g} and {high:g}")
    return list(pairwise(edges))


def static_spans(spans: Sequence[Span], parts: int, logarithmic: bool) -> list[Span]:
    """Each interval cut into `parts`; the first low and last high edges are those of the interval."""
    found: list[Span] = []
    for span in spans:
        found += pairwise(cut(span, parts, logarithmic))
    return found


def cut(span: Span, parts: int, logarithmic: bool) -> list[float]:
    """The parts + 1 edges between and at the ends of a span."""
    low, high = span
    if logarithmic:
        inner = [low * (high / low) ** (number / parts) for number in range(1, parts)]
    else:
        inner = [low + (high - low) * (number / parts) for number in range(1, parts)]
    return [low, *inner, high]


def centres(spans: Sequence[Span], logarithmic: bool) -> list[float]:
    """The centre of each interval."""
    if logarithmic:
        return [math.sqrt(low * high) for low, high in spans]
    return [0.5 * (low + high) for low, high in spans]


def check_period(spans: Sequence[Span], symmetry: int) -> None:
    """Raise ValueError if intervals of phi reach further than one period, 360/symmetry degrees."""
    period = 360.0 / symmetry
    reach = spans[-1][1] - spans[0][0]
    if reach > period * (1 + _TOUCHING):
        fold = f" of a {symmetry}-fold symmetry" if symmetry > 1 else ""
        raise ValueError(
            f"phi from {spans[0][0]:g} to {spans[-1][1]:g} degrees reaches beyond "
            f"the period of {period:g} degrees{fold}"
        )


def _round_centres(middles: Sequence[float], widths: float | Sequence[float]) -> list[Span]:
    every = [widths] * len(middles) if isinstance(widths, int | float) else list(widths)
    if len(every) != len(middles):
        raise ValueError(f"widths: {len(every)} numbers for {len(middles)} centres")
    return [
        (middle - 0.5 * width, middle + 0.5 * width)
        for middle, width in zip(middles, every, strict=True)
    ]


def _apart(spans: list[Span]) -> list[Span]:
    found = spans[:1]
    for low, high in spans[1:]:
        before, end = found[-1]
        if low <= before:
            raise ValueError("centres: each interval must lie above the one before")
        if abs(low - end) <= _TOUCHING * (high - low):
            found[-1] = (before, low)
        elif low < end:
            raise ValueError(
                f"centres: the intervals {before:g} to {end:g} and {low:g} to {high:g} overlap"
            )
        found.append((low, high))
    return found
