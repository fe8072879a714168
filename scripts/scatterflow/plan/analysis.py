"""Fits and figures of merit of one reduction of one run, as its jobs take them: plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scatterflow.config.analysis import Calculated, ProfilePart
from scatterflow.config.expressions import ExpressionError, compile_expression
from scatterflow.errors import UserError, suggestion


@dataclass(frozen=True)
class PlannedAnalysis:
    """What is computed from the profiles of a run.

    fits, figures: settings with `name`, and `task`, the name of the integration of one detector that the
    profile is; figures of type `expression` have none and stand last, each after those that it uses.
    notes: what is left out for this run.
    """

    fits: tuple[dict[str, Any], ...] = ()
    figures: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fits or self.figures)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the result of the analysis depends on."""
        return {"fits": list(self.fits), "figures": list(self.figures)}

    def viewed_tasks(self) -> list[str]:
        """Profiles with a Guinier or a Porod analysis: these are drawn in the plots of small-angle work."""
        names = [item["task"] for item in self.figures if item["type"] in ("guinier", "porod")]
        return list(dict.fromkeys(names))


def plan_analysis(
    reduction: Any,
    tasks: Iterable[Any],
    scalars: Iterable[str],
    where: str,
    run: str,
) -> PlannedAnalysis:
    """Bind fits and figures to the profiles of a run.

    tasks: the run's `IntegrationTask`s; scalars: names of its per-frame scalars; where: key of the
    reduction, for errors. What needs a detector that the run's source lacks is left out, with a note.
    Raises UserError for a detector that cannot be told, and for expressions that cannot be evaluated.
    """
    tasks = list(tasks)
    notes: list[str] = []
    fits: list[dict[str, Any]] = []
    figures: list[dict[str, Any]] = []
    known = {"frame_number", *scalars}
    taken = set(known)
    for kind, parts, found in (
        ("fits", reduction.fits, fits),
        ("figures", reduction.figures, figures),
    ):
        for name, part in parts.items():
            key = f"{where}.{kind}.{name}"
            _check_values(name, part, taken, f"{key}, run {run}")
            if not isinstance(part, ProfilePart):
                continue
            task = _task_of(part, tasks, f"{key}.detector, run {run}")
            if task is None:
                notes.append(
                    f"run {run}: {key} is left out: its source has no detector {part.detector!r}"
                )
                continue
            found.append(_settings(name, part, task))
            known.update(part.value_names(name))
    expressions = {
        name: part for name, part in reduction.figures.items() if isinstance(part, Calculated)
    }
    ordered, left_out = _in_order(expressions, known, taken, f"{where}.figures", run)
    return PlannedAnalysis(tuple(fits), tuple([*figures, *ordered]), tuple([*notes, *left_out]))


def _check_values(name: str, part: Any, taken: set[str], where: str) -> None:
    for value in part.value_names(name):
        if value in taken:
            raise UserError(f"the run has a scalar {value!r} as well", where, "rename one of them")
    taken.update(part.value_names(name))


def _task_of(part: ProfilePart, tasks: list[Any], where: str) -> Any:
    """The task that a fit or figure is made from; None if the run lacks the detector."""
    found = [task for task in tasks if task.integration == part.integration]
    if part.detector is not None:
        return next((task for task in found if task.detector == part.detector), None)
    if len(found) > 1:
        names = ", ".join(task.detector for task in found)
        raise UserError(
            f"integration {part.integration!r} is done on several detectors",
            where,
            f"name one: {names}",
        )
    return found[0] if found else None


def _settings(name: str, part: Any, task: Any) -> dict[str, Any]:
    settings = {"name": name, "task": task.name, **part.model_dump(exclude={"detector"})}
    if "components" in settings:
        for component, title in zip(settings["components"], part.component_names(), strict=True):
            component["name"] = title
    return settings


def _in_order(
    expressions: Mapping[str, Calculated], known: set[str], taken: set[str], where: str, run: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Expressions in an order in which they can be evaluated, and notes of those that cannot for this run.

    known: names of values that the run has; taken: names of all that are configured.
    """
    uses = {name: _names_used(name, part, where) for name, part in expressions.items()}
    for name, used in uses.items():
        for other in sorted(used - taken):
            raise UserError(
                f"the expression uses {other!r}, which is no scalar, fit value or figure",
                f"{where}.{name}.expression, run {run}",
                suggestion(other, taken - {name}),
            )
    ordered: list[dict[str, Any]] = []
    done = set(known)
    waiting = dict(uses)
    while ready := [name for name, used in waiting.items() if used <= done]:
        for name in ready:
            del waiting[name]
            done.add(name)
            ordered.append({"name": name, **expressions[name].model_dump()})
    notes = []
    for name, used in waiting.items():
        missing = sorted(used - done - set(waiting))
        if not missing and not _reaches_missing(name, waiting, done):
            raise UserError(
                f"the expression {name!r} uses its own value",
                f"{where}.{name}.expression",
                "an expression uses other values, and none that is computed from it",
            )
        notes.append(f"run {run}: {where}.{name} is left out, as is what it is computed from")
    return ordered, notes


def _reaches_missing(name: str, waiting: Mapping[str, set[str]], done: set[str]) -> bool:
    """Whether an expression waits, in the end, for a value that the run does not have."""
    reached: set[str] = set()
    ahead = [name]
    while ahead:
        for used in waiting[ahead.pop()] - done:
            if used not in waiting:
                return True
            if used not in reached:
                reached.add(used)
                ahead.append(used)
    return False


def _names_used(name: str, part: Calculated, where: str) -> set[str]:
    try:
        return set(compile_expression(part.expression).names)
    except ExpressionError as error:
        raise UserError(
            f"bad expression {part.expression!r}: {error}",
            f"{where}.{name}.expression",
            "correct it",
        ) from None
