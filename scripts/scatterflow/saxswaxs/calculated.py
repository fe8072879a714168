"""Figures of merit that are computed from other values of the same frame, with propagated errors.

    var(f) = sum over names (df/dv)^2 sigma_v^2

as if the values were independent; derivatives are differences over a thousandth of a standard error.
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
    frames: int,
) -> Values:
    """Evaluate a planned figure of type `expression` for all frames of a run.

    values: (frames,) of every name that it may use; errors: of those that have standard errors. The
    result has none if no value has, or if the expression takes a mean or the like over all frames.
    """
    expression = compile_expression(settings["expression"])
    used = {name: np.asarray(values[name]) for name in sorted(expression.names)}
    found = np.broadcast_to(expression.evaluate(used), (frames,)).astype(np.float64)
    result = Values(np.where(np.isfinite(found), 0, NOT_FINITE).astype(np.uint8))
    result.values[settings["name"]] = found
    uncertain = [name for name in used if name in errors]
    if uncertain and not expression.reduces:
        variance = sum(_contribution(expression, used, name, errors[name]) for name in uncertain)
        result.errors[settings["name"]] = np.sqrt(variance)
    return masked(result)


def _contribution(
    expression: Expression, values: Mapping[str, np.ndarray], name: str, error: np.ndarray
) -> np.ndarray:
    """Part of the variance that comes from one value, (frames,)."""
    # A frame without this value has a result only if it does not use it.
    step = SMALL * np.nan_to_num(error)
    up = expression.evaluate({**values, name: values[name] + step})
    down = expression.evaluate({**values, name: values[name] - step})
    known = np.isfinite(values[name]) & np.isfinite(up) & np.isfinite(down)
    difference = np.subtract(up, down, out=np.zeros(len(error)), where=known, dtype=np.float64)
    return (difference / (2 * SMALL)) ** 2
