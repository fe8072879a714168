"""What the check of a result needs from the plan: its verdict's file, limits, and the sample's history."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Any

from scatterflow.plan.build import Plan
from scatterflow.plan.planned import Planned
from scatterflow.plan.targets import delivered, quality_path, result_path

LONGEST_HISTORY = 10
"""Earlier runs of the sample that a result is compared with, the nearest in the run table."""


def quality_files(plan: Plan) -> list[str]:
    """Verdicts of all results, in the order of the run table."""
    return [quality_path(planned) for planned in delivered(plan).values()]


def quality_settings(planned: Planned) -> dict[str, Any]:
    """Checks of a planned reduction as plain values, and which of them stop publication."""
    quality, technique = planned.configuration.quality, planned.reduction.technique
    return {
        "technique": technique,
        "checks": getattr(quality, technique).model_dump(),
        "stops_publication": quality.stops_publication,
    }


def history_of(plan: Plan, planned: Planned) -> list[str]:
    """Results of the runs that stand before one in the run table, of the same sample and reduction.

    Earlier ones only: a run that is added later outdates no verdict.
    """
    if not planned.row.sample:
        return []
    same = _of_samples(plan).get((planned.name, planned.row.sample), [])
    earlier = same[: bisect_left(same, (plan.order[planned.row.run], ""))]
    return [path for _, path in earlier[-LONGEST_HISTORY:]]


def _of_samples(plan: Plan) -> dict[tuple[str, str], list[tuple[int, str]]]:
    """(place in the run table, result) by reduction and sample, ascending."""
    if ("samples",) not in plan.once:
        found = defaultdict(list)
        for other in delivered(plan).values():
            place = plan.order[other.row.run]
            found[other.name, other.row.sample].append((place, result_path(other)))
        plan.once[("samples",)] = found
    return plan.once[("samples",)]
