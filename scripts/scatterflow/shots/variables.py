"""Values that are computed shot by shot from others: delays, expressions.

A variable is a dict with a `type`:

    delay       nominal, or stage {variable, zero, passes}; correction, valid, laser: see `delay`; without
                valid, tt/ttCorr is taken where tt/valid is above 0
    expression  expression of `config.expressions`; unit

Variables may use one another. Names with / in them are written with _ in expressions. What uses values that
are not there is not computed by `computed`, and refused by `compute_all`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.names import identifier
from scatterflow.shots.delay import corrected_delay, stage_delay
from scatterflow.shots.filters import refuse_ambiguous

GROUP = "variables"
TIME_TOOL, EDGE_FOUND = "tt/ttCorr", "tt/valid"
Values = Mapping[str, np.ndarray]


def compute_all(
    variables: Mapping[str, Mapping[str, Any]], values: Values, where: str
) -> dict[str, tuple[np.ndarray, str]]:
    """Values (n,) and unit of every variable, in the order given.

    values: (n,) by name. Raises UserError: a name that is not known, variables that use each other in a
    circle, an expression that cannot be evaluated.
    """
    found = computed(variables, values, where)
    left = {name: settings for name, settings in variables.items() if name not in found}
    # What is missing is told first: variables that wait for such a one go in no circle.
    for name, settings in left.items():
        known = [*values, *variables]
        for used in sorted(names_of(settings)):
            if identifier(used) not in map(identifier, known):
                raise UserError(
                    f"the run has no value {used!r}", f"{where}.{name}", suggestion(used, known)
                )
    for name in left:
        if name in _needs(name, left):
            raise UserError(
                "the variable uses its own value",
                f"{where}.{name}",
                "variables cannot go in a circle",
            )
    return {name: found[name] for name in variables}


def _needs(name: str, variables: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Those of the variables that a variable uses, directly or through others."""
    by_identifier = {identifier(other): other for other in variables}
    found: set[str] = set()
    waiting = {name}
    while waiting:
        used = {identifier(one) for one in names_of(variables[waiting.pop()])}
        new = {by_identifier[one] for one in used & set(by_identifier)} - found
        found |= new
        waiting |= new
    return found


def computed(
    variables: Mapping[str, Mapping[str, Any]], values: Values, where: str
) -> dict[str, tuple[np.ndarray, str]]:
    """Those of the variables that can be computed from the values that are there.

    Raises UserError: a variable that has the name of a value, an expression that cannot be evaluated.
    """
    known = {identifier(name): array for name, array in values.items()}
    for name in variables:
        if identifier(name) in known:
            raise UserError(
                f"the run has a value of the name {name!r} already",
                f"{where}.{name}",
                "give the variable another name",
            )
    found: dict[str, tuple[np.ndarray, str]] = {}
    waiting = dict(variables)
    while True:
        ready = [
            name
            for name, settings in waiting.items()
            if {identifier(used) for used in names_of(settings)} <= set(known)
        ]
        if not ready:
            return found
        for name in ready:
            refuse_ambiguous(names_of(waiting[name]), values, f"{where}.{name}")
            found[name] = _compute(waiting.pop(name), known, f"{where}.{name}")
            known[identifier(name)] = found[name][0]


def names_of(settings: Mapping[str, Any]) -> set[str]:
    """Names of the values that a variable uses."""
    if settings["type"] == "expression":
        from scatterflow.config.expressions import compile_expression

        return set(compile_expression(settings["expression"]).names)
    named = [settings.get(key) for key in ("nominal", "correction", "valid", "laser")]
    stage = settings.get("stage")
    return {name for name in named if name} | ({stage["variable"]} if stage else set())


def _compute(settings: Mapping[str, Any], known: Values, where: str) -> tuple[np.ndarray, str]:
    if settings["type"] == "expression":
        return _expression(settings, known, where), settings.get("unit", "")

    def value(key: str) -> np.ndarray | None:
        name = settings.get(key)
        return None if name is None else known[identifier(name)].astype(np.float64)

    nominal = value("nominal")
    if nominal is None:
        stage = settings["stage"]
        position = known[identifier(stage["variable"])]
        nominal = stage_delay(position, stage.get("zero", 0.0), stage.get("passes", 2))
    correction, valid, laser = value("correction"), value("valid"), value("laser")
    if valid is None and settings.get("correction") == TIME_TOOL:
        # 0 where there is no edge, which is no delay.
        valid = known.get(identifier(EDGE_FOUND))
    if correction is None:
        return nominal, "ps"
    if valid is not None:
        correction = np.where(valid > 0, correction, np.nan)
    if laser is None:
        return corrected_delay(nominal, correction), "ps"
    # NaN, and the -1 of LCLS: nobody knows whether the laser was on, so not what the delay is.
    correction = np.where(laser >= 0, correction, np.nan)
    return corrected_delay(nominal, correction, laser != 0), "ps"


def _expression(settings: Mapping[str, Any], known: Values, where: str) -> np.ndarray:
    from scatterflow.config.expressions import ExpressionError, compile_expression

    expression = compile_expression(settings["expression"])
    used = {name: known[identifier(name)] for name in sorted(expression.names)}
    try:
        found = expression.evaluate(used, known=True)
    except ExpressionError as error:
        raise UserError(str(error), where, "correct the expression") from error
    if not used:
        raise UserError("the expression uses no value of a shot", where, "name one")
    values = np.broadcast_to(found, (len(next(iter(used.values()))),)).astype(np.float64)
    if found.dtype == bool:
        # A comparison with NaN is false; what it would be is not known.
        for one in used.values():
            values[np.isnan(one)] = np.nan
    return values
