"""What the check of a result needs from the plan: its verdict's file, limits, and the sample's history."""

from __future__ import annotations

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
    order = list(plan.rows)
    earlier = set(order[: order.index(planned.row.run)])
    same = [
        other
        for other in delivered(plan).values()
        if other.row.run in earlier
        and other.name == planned.name
        and other.row.sample == planned.row.sample
    ]
    return [result_path(other) for other in same[-LONGEST_HISTORY:]]
