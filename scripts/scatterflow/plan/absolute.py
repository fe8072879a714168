"""What an absolute scale asks of the plan: a standard that is corrected alike, a factor for each detector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scatterflow.config.base import MERGED
from scatterflow.errors import UserError
from scatterflow.plan.companions import applied_corrections

if TYPE_CHECKING:
    from scatterflow.plan.build import Plan, PlannedReduction


def check_absolute(plan: Plan) -> None:
    """Raise UserError where intensities would be on a scale that is called absolute and is not."""
    for planned in plan.reductions.values():
        settings = applied_corrections(planned)["settings"]
        absolute = settings["absolute"]
        if absolute is None:
            continue
        if isinstance(absolute["factor"], Mapping):
            _check_factors(planned, absolute["factor"])
        if absolute["run"] is not None and planned.delivers:
            _check_standard(plan, planned, settings)
            _check_compared(planned, absolute["integration"])


def _check_standard(plan: Plan, planned: PlannedReduction, settings: Mapping[str, Any]) -> None:
    """The standard is corrected in every step that the run is: C would hold what it lacks."""
    run = settings["absolute"]["run"]
    standard = plan.reductions[run, planned.name]
    theirs = applied_corrections(standard)["settings"]
    for step in ("absorption", "background", "thickness"):
        if (settings[step] is None) == (theirs[step] is None):
            continue
        with_step, without = (planned, standard) if settings[step] else (standard, planned)
        where = f"run table {planned.configuration.runs}, run {without.row.run}, column background"
        how = "name the background of this run; without one only `dark` and `flux` apply to it"
        if without.reduction.corrections.model_dump()[step] is None:
            where = f"key reductions.{planned.name}.corrections.{step}, run {without.row.run}"
            how = "correct both runs by it, or none (`overrides`)"
        raise UserError(
            f"run {with_step.row.run} is corrected by `{step}`, run {without.row.run} is not, and one of "
            "them is the standard of the other's absolute scale",
            where,
            how,
        )


def _check_compared(planned: PlannedReduction, integration: str) -> None:
    """Every detector, or what is merged of several, is compared with the standard."""
    compared = {task.detector for task in planned.shown if task.integration == integration}
    for task in planned.shown:
        if task.detector in compared:
            continue
        what = "merges detectors" if task.merged else f"is done on detector {task.detector!r}"
        raise UserError(
            f"integration {task.integration!r} {what}, and there is no absolute scale for that: the "
            f"standard is compared in {integration!r} of {', '.join(sorted(compared)) or 'none'}",
            f"key reductions.{planned.name}.corrections.absolute.integration, run {planned.row.run}",
            "give it a reduction of its own, or use `absolute.factor`",
        )


def _check_factors(planned: PlannedReduction, factors: Mapping[str, float]) -> None:
    for name in dict.fromkeys(task.detector for task in planned.shown):
        if name not in factors:
            what = "merged detectors" if name == MERGED else f"detector {name!r}"
            raise UserError(
                f"no absolute factor for {what}",
                f"key reductions.{planned.name}.corrections.absolute.factor, run {planned.row.run}",
                f"add `{name}`; there are factors for {', '.join(factors)}",
            )
