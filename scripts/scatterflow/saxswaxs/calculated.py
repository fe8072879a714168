"""Figures of merit that are computed from other values of the same frame, with propagated errors.

    var(f) = sum over names (df/dv)^2 sigma_v^2

as if the values were independent, but for the scale of the intensities, which moves all values of a
detector together. Derivatives are differences over a thousandth of a standard error. Functions over
all frames pass over those without a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scatterflow.config.expressions import Expression, compile_expression
from scatterflow.saxswaxs.fits import NOT_FINITE, Values, masked

SMALL = 1e-3
"""Step of the differences, in standard errors."""


def calculate(
    settings: Mapping[str, Any],
    values: Mapping[str, np.ndarray],
    errors: Mapping[str, np.ndarray],
    scale: Mapping[str, Mapping[str, np.ndarray]],
    frames: int,
) -> Values:
    """Evaluate a planned figure of type `expression` for all frames of a run.

    values: (frames,) of every name that it may use; errors: of those that have standard errors; scale:
    the parts of these that come from the scale, by name and detector. The result has none if no value has,
    or if the expression takes a mean or the like over all frames.
    """
    expression = compile_expression(settings["expression"])
    used = {name: np.asarray(values[name]) for name in sorted(expression.names)}
    found = np.broadcast_to(expression.evaluate(used, known=True), (frames,)).astype(np.float64)
    result = Values(np.where(np.isfinite(found), 0, NOT_FINITE).astype(np.uint8))
    result.values[settings["name"]] = found
    uncertain = [name for name in used if name in errors]
    if uncertain and not expression.reduces:
        own = {name: _without(errors[name], scale.get(name, {})) for name in uncertain}
        variance = sum(_change(expression, used, {name: own[name]}) ** 2 for name in uncertain)
        for detector in sorted({key for name in uncertain for key in scale.get(name, {})}):
            parts = {
                name: scale[name][detector] for name in uncertain if detector in scale.get(name, {})
            }
            change = _change(expression, used, parts)
            variance += change**2
            result.scale.setdefault(settings["name"], {})[detector] = change
        result.errors[settings["name"]] = np.sqrt(variance)
    return masked(result)


def _without(error: np.ndarray, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """A standard error without some parts of it, (frames,)."""
    rest = error**2 - sum(part**2 for part in parts.values())
    return np.sqrt(np.maximum(rest, 0.0))


def _change(
    expression: Expression, values: Mapping[str, np.ndarray], steps: Mapping[str, np.ndarray]
) -> np.ndarray:
    """How much the result changes with values that change by `steps` together, (frames,)."""
    small = {name: SMALL * np.nan_to_num(step) for name, step in steps.items()}
    up = expression.evaluate(
        {**values, **{name: values[name] + small[name] for name in small}}, known=True
    )
    down = expression.evaluate(
        {**values, **{name: values[name] - small[name] for name in small}}, known=True
    )
    # A frame without a value has a result only if it does not use it.
    known = np.isfinite(up) & np.isfinite(down)
    frames = next(iter(small.values())).size
    difference = np.subtract(up, down, out=np.zeros(frames), where=known, dtype=np.float64)
    return difference / (2 * SMALL)
