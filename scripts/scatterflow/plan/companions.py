"""Runs that a reduction is corrected with: dark, background and standard, and what they must share with it.

The run table's columns `dark` and `background` name runs, comma-separated; the standard is named by the
configuration. They are integrated as the run itself is, even where their rows do not ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scatterflow.config.runs import RunRow, named_runs
from scatterflow.errors import UserError, suggestion

if TYPE_CHECKING:
    from scatterflow.plan.build import Plan, PlannedReduction


def applied_corrections(planned: PlannedReduction) -> dict[str, Any]:
    """The corrections as they apply to a run: settings by step (None: left out), dark and background runs."""
    settings = planned.reduction.corrections.model_dump()
    dark = named_runs(planned.row, "dark")
    background = named_runs(planned.row, "background")
    if not dark:
        settings["dark"] = None
    if not background and _asks_for_background(settings):
        for step in ("absorption", "background", "thickness", "absolute"):
            settings[step] = None
    return {
        "settings": settings,
        "dark": list(dark) if settings["dark"] else [],
        "background": list(background) if _asks_for_background(settings) else [],
    }


def _asks_for_background(settings: dict[str, Any]) -> bool:
    absorption = settings["absorption"]
    return settings["background"] is not None or (
        absorption is not None and absorption["reference"] == "background"
    )


def companion_names(plan: Plan, planned: PlannedReduction) -> list[str]:
    """All runs that a run is corrected with, those of its background and standard included."""
    found: dict[str, None] = {}
    waiting = _direct(planned)
    while waiting:
        name = waiting.pop(0)
        if name != planned.row.run and name not in found:
            found[name] = None
            waiting += _direct(plan.reductions[name, planned.name])
    return list(found)


def _direct(planned: PlannedReduction) -> list[str]:
    applied = applied_corrections(planned)
    absolute = applied["settings"]["absolute"]
    standard = [absolute["run"]] if absolute and absolute["run"] else []
    return [*applied["dark"], *applied["background"], *standard]


def add_companions(plan: Plan, integrate: Callable[[RunRow, str], PlannedReduction]) -> None:
    """Plan the integration of companion runs that do not ask for it, and check that they fit.

    integrate: plans one reduction of a run that delivers no result. Raises UserError naming the key in
    which a companion differs.
    """
    waiting = list(plan.reductions.values())
    while waiting:
        planned = waiting.pop(0)
        for name in _direct(planned):
            if name not in plan.rows:
                raise UserError(
                    f"the standard {name!r} is no run of the run table",
                    f"key reductions.{planned.name}.corrections.absolute.run, run {planned.row.run}",
                    suggestion(name, plan.rows),
                )
            if (name, planned.name) not in plan.reductions:
                added = integrate(plan.rows[name], planned.name)
                plan.reductions[name, planned.name] = added
                waiting.append(added)
    for planned in plan.reductions.values():
        for name in companion_names(plan, planned):
            _check_companion(plan, planned, plan.reductions[name, planned.name])
    plan.notes += _notes(plan)


def _notes(plan: Plan) -> list[str]:
    """What is left out although the configuration has it, or the run table."""
    used = {
        (name, planned.name)
        for planned in plan.reductions.values()
        for name in companion_names(plan, planned)
    }
    notes = []
    for (run, name), planned in plan.reductions.items():
        wanted = planned.reduction.corrections.model_dump()
        background = named_runs(planned.row, "background")
        if background and not _asks_for_background(wanted):
            notes.append(
                f"run {run} names a background, but reductions.{name}.corrections has no `background`"
            )
        if not background and _asks_for_background(wanted) and (run, name) not in used:
            notes.append(
                f"run {run} names no background: of reductions.{name}.corrections only dark and flux apply"
            )
    return notes


def _check_companion(plan: Plan, planned: PlannedReduction, other: PlannedReduction) -> None:
    """Both must be integrated and normalised alike; raises UserError naming the key that differs."""
    _check_integrations(plan, planned, other)
    for detector, calibration in planned.calibrations.items():
        _refuse_difference(
            planned, other, calibration, other.calibrations[detector], f"detectors.{detector}"
        )
    kept = {"dark", "flux"}
    own, others = (item.reduction.corrections.model_dump(include=kept) for item in (planned, other))
    _refuse_difference(planned, other, own, others, f"reductions.{planned.name}.corrections")
    _check_dark(plan, planned, other)


def _check_integrations(plan: Plan, planned: PlannedReduction, other: PlannedReduction) -> None:
    theirs = {task.name: task for task in other.tasks}
    for task in planned.tasks:
        if task.name not in theirs:
            raise UserError(
                f"run {other.row.run} has no integration {task.integration!r} of detector "
                f"{task.detector!r}, which run {planned.row.run} is to be corrected with",
                f"run table {planned.configuration.runs}, run {other.row.run}, column source",
                "name a run that has this detector, or restrict `integrations` to the detectors of both",
            )
        own, their = (plan.weights[item.weights] for item in (task, theirs[task.name]))
        key = f"detectors.{task.detector}"
        own_mask, their_mask = (plan.masks[item["mask"]] for item in (own, their))
        _refuse_difference(planned, other, own_mask, their_mask, key)
        own_pixels, their_pixels = (
            {**item, "mask": None, "integration": None} for item in (own, their)
        )
        _refuse_difference(planned, other, own_pixels, their_pixels, key)
        key = f"reductions.{planned.name}.integrations.{task.integration}"
        _refuse_difference(planned, other, own["integration"], their["integration"], key)
        own_frames, their_frames = (
            {"robust": item.frame_settings(task)["robust"]} for item in (planned, other)
        )
        _refuse_difference(planned, other, own_frames, their_frames, key)
        own_model, their_model = (
            item.reduction.integrations[task.integration].error_model for item in (planned, other)
        )
        if own_model != "none" and their_model == "none":
            raise UserError(
                f"run {other.row.run}, which run {planned.row.run} is corrected with, has no uncertainties",
                f"key {key}.error_model",
                "choose another error model for it",
            )


def _check_dark(plan: Plan, planned: PlannedReduction, other: PlannedReduction) -> None:
    """Dark counts are taken off all or none."""
    applied = [applied_corrections(planned)]
    applied += [
        applied_corrections(plan.reductions[name, planned.name])
        for name in companion_names(plan, planned)
    ]
    if any(other.row.run in item["dark"] for item in applied):
        return
    own, theirs = (bool(applied_corrections(item)["dark"]) for item in (planned, other))
    if own != theirs:
        with_dark, without = (planned, other) if own else (other, planned)
        raise UserError(
            f"run {with_dark.row.run} names a dark run, run {without.row.run} none, and one is corrected "
            "with the other",
            f"run table {planned.configuration.runs}, run {without.row.run}, column dark",
            "name a dark run for both, or for none",
        )


def _refuse_difference(
    planned: PlannedReduction, other: PlannedReduction, own: Any, theirs: Any, key: str
) -> None:
    different = _difference(own, theirs)
    if different is not None:
        raise UserError(
            f"run {planned.row.run} and run {other.row.run}, which it is corrected with, have different "
            f"values of this key",
            f"key {key}.{different}".rstrip("."),
            "give both runs the same value (`overrides`), or use another run",
        )


def _difference(own: Any, theirs: Any, path: str = "") -> str | None:
    """Dotted path of the first value in which two plain structures differ, None if they are equal."""
    if not (isinstance(own, dict) and isinstance(theirs, dict)):
        return None if own == theirs else path
    for name in [*own, *(key for key in theirs if key not in own)]:
        found = _difference(own.get(name), theirs.get(name), f"{path}.{name}".lstrip("."))
        if found is not None:
            return found
    return None
