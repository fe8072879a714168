"""The steps of a step scan, from a motor's readback or from set values.

Where the readback has noise, shots that see the motor move are laid aside (`filters.moving`); the others,
sorted by position, fall into groups wherever two neighbours lie farther apart than the tolerance, 8
standard deviations of the noise unless given. Set values have no noise, and each is a position of its own.
A group of too few shots is a place that the motor passed, and no step. A position that is visited again is
the same step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError
from scatterflow.shots.filters import moving, readback_noise

APART = 8.0
"""Standard deviations of the readback between one step and the next, at least."""
LEAST_SHOTS = 3


@dataclass(frozen=True)
class Steps:
    """Steps in ascending order.

    position: (steps,) mean of the shots at rest; lower, upper: (steps,) limits within which a shot belongs to
    the step, both included; shots: (steps,) how many do.
    """

    position: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    shots: np.ndarray


def find_steps(
    position: np.ndarray,
    tolerance: float | None = None,
    least_shots: int = LEAST_SHOTS,
    where: str = "steps",
) -> Steps:
    """Find the steps of a scan.

    position: (n,) in the order of the shots, NaN where not known; tolerance: distance up to which positions
    are one step, at least 0. Raises UserError if there are none, as in a fly scan.
    """
    values = np.asarray(position, dtype=np.float64)
    values = values[np.isfinite(values)]
    noise = readback_noise(values)
    apart = APART * noise if tolerance is None else float(tolerance)
    if not 0 <= apart < np.inf:
        raise UserError(f"steps up to {apart} apart", where, "give a tolerance of 0 or more")
    rest = np.sort(values[~moving(values)] if noise > 0 else values)
    groups = np.split(rest, np.flatnonzero(np.diff(rest) > apart) + 1)
    steps = [group for group in groups if len(group) >= max(least_shots, 1)]
    if not steps:
        raise UserError(
            f"no steps: nowhere do {least_shots} shots of {values.size} see the motor at rest",
            where,
            "a fly scan wants bins by edges or quantiles; else give the tolerance of the positions",
        )
    lower = np.array([group[0] for group in steps]) - apart / 2
    upper = np.array([group[-1] for group in steps]) + apart / 2
    ordered = np.sort(values)
    shots = np.searchsorted(ordered, upper, "right") - np.searchsorted(ordered, lower, "left")
    return Steps(np.array([group.mean() for group in steps]), lower, upper, shots)
