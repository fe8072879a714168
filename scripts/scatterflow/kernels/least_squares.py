"""Weighted least squares of many profiles at once: Levenberg-Marquardt within bounds.

For every frame the parameters p between their bounds are sought that minimise

    chi^2 = sum over bins of (weight (data - model(p)))^2,        weight = 1 / sigma

by steps d of  (D A D + damping) D^-1 d = D g,  A = J'J,  g = J'r,  D = diag(A)^-1/2  (Marquardt, J. SIAM 11
(1963) 431). A parameter at a bound that the step would cross is held for this step, others are cut at
their bounds (Bertsekas, SIAM J. Control Optim. 20 (1982) 221). Frames are independent of one another:
each has its own damping and its own end. The covariance is A^-1 at the minimum: that of the parameters
if the weights are one over the true standard errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MOST_STEPS = 200
REDUCTION = 1e-12
"""A frame has converged when a step can lower its chi^2 by this part at most: it moves parameters by a
millionth of their standard errors."""
RELATIVE_STEP = 1e-11
"""It has converged as well when no parameter moves by more than this part of itself."""
EXACT = 1e-26
"""And when chi^2 is this part of the sum of squares of the data: nothing but rounding is left."""
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e12
SINGULAR = 1e-14
"""Smallest eigenvalue of the scaled normal matrix (its diagonal is 1) for parameters to be told apart."""

ModelFunction = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Solution:
    """Fits of all frames.

    parameters: (frames, n). covariance: (frames, n, n), 0 for parameters not free, NaN where singular.
    chi_square: (frames,). converged, singular: (frames,) bool. at_bound: (frames, n) bool, free
    parameters that ended at a bound.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    chi_square: np.ndarray
    converged: np.ndarray
    singular: np.ndarray
    at_bound: np.ndarray


def least_squares(
    model: ModelFunction,
    data: np.ndarray,
    weights: np.ndarray,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    free: np.ndarray,
) -> Solution:
    """Fit a model to every frame.

    model: parameters (k, n) -> values (k, bins) and derivatives (k, bins, n).
    data, weights: (frames, bins) float64, finite; weight 0 leaves a bin out.
    start, lower, upper: (frames, n). free: (n,) bool, the others keep their start values.
    """
    parameters = np.clip(start, lower, upper)
    converged = np.zeros(len(data), dtype=bool)
    with np.errstate(all="ignore"):  # a trial step may overflow; it is refused
        values, derivatives = model(parameters)
        cost = _chi_square(values, data, weights)
        exact = EXACT * _chi_square(0.0, data, weights)
        damping = np.full(len(data), 1e-3)
        busy = np.flatnonzero(np.isfinite(cost))
        for _ in range(MOST_STEPS):
            if busy.size == 0:
                break
            step, predicted = _step(
                values[busy],
                derivatives[busy],
                data[busy],
                weights[busy],
                damping[busy],
                _held(parameters, lower, upper, free, busy),
            )
            trial = np.clip(parameters[busy] + step, lower[busy], upper[busy])
            moved = np.abs(trial - parameters[busy])
            new_values, new_derivatives = model(trial)
            new_cost = _chi_square(new_values, data[busy], weights[busy])
            better = new_cost <= cost[busy]
            taken = busy[better]
            parameters[taken], cost[taken] = trial[better], new_cost[better]
            values[taken] = new_values[better]
            derivatives = _replaced(derivatives, taken, new_derivatives[better])
            small = np.all(moved <= RELATIVE_STEP * np.abs(trial), axis=1)
            # Damping makes steps small anywhere: that is no sign of a minimum.
            done = predicted * (1 + damping[busy]) <= REDUCTION * cost[busy]
            done |= (small & (damping[busy] <= 1)) | (cost[busy] <= exact[busy])
            damping[busy] = np.where(better, damping[busy] / 10, damping[busy] * 10)
            damping[busy] = np.maximum(damping[busy], LEAST_DAMPING)
            converged[busy[done]] = True
            busy = busy[~done & (damping[busy] < MOST_DAMPING)]
        covariance, singular = _covariance(derivatives, weights, free)
    at_bound = free & ((parameters <= lower) | (parameters >= upper))
    return Solution(parameters, covariance, cost, converged, singular, at_bound)


def _replaced(derivatives: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    # The derivatives of a model that is linear in its parameters are one view for all frames.
    if not derivatives.flags.writeable:
        derivatives = derivatives.copy()
    derivatives[places] = values
    return derivatives


def _chi_square(values: np.ndarray | float, data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(frames,) sum of squared weighted residuals; inf where it is no number."""
    total = np.sum((weights * (data - values)) ** 2, axis=1)
    return np.where(np.isfinite(total), total, np.inf)


Bounds = tuple[np.ndarray, np.ndarray, np.ndarray]


def _held(
    parameters: np.ndarray, lower: np.ndarray, upper: np.ndarray, free: np.ndarray, busy: np.ndarray
) -> Bounds:
    """(frames, n) bool: parameters at their lower bound, at their upper bound, and not free."""
    at_lower = parameters[busy] <= lower[busy]
    at_upper = parameters[busy] >= upper[busy]
    return at_lower, at_upper, np.broadcast_to(~free, at_lower.shape)


def _step(
    values: np.ndarray,
    derivatives: np.ndarray,
    data: np.ndarray,
    weights: np.ndarray,
    damping: np.ndarray,
    bounds: Bounds,
) -> tuple[np.ndarray, np.ndarray]:
    """Step of each frame, (frames, n), and the decrease of chi^2 that it promises, (frames,)."""
    at_lower, at_upper, fixed = bounds
    weighted = weights[..., None] * derivatives
    residual = (weights * (data - values))[..., None]
    transposed = weighted.swapaxes(1, 2)
    gradient = (transposed @ residual)[..., 0]
    held = fixed | (at_lower & (gradient < 0)) | (at_upper & (gradient > 0))
    matrix, scale = _scaled(transposed @ weighted, held)
    scaled = np.where(held, 0.0, gradient / scale)
    identity = np.eye(matrix.shape[1])
    step = np.linalg.solve(matrix + damping[:, None, None] * identity, scaled[..., None])[..., 0]
    return np.where(held, 0.0, step / scale), np.sum(scaled * step, axis=1)


def _scaled(matrix: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normal matrices with diagonal 1, unit rows for held parameters, and the scale, (frames, n)."""
    diagonal = np.diagonal(matrix, axis1=1, axis2=2)
    scale = np.sqrt(np.where((diagonal > 0) & np.isfinite(diagonal), diagonal, 1.0))
    matrix = matrix / (scale[:, :, None] * scale[:, None, :])
    outside = held[:, :, None] | held[:, None, :] | ~np.isfinite(matrix)
    return np.where(outside, np.eye(matrix.shape[1]) * held[:, :, None], matrix), scale


def _covariance(
    derivatives: np.ndarray, weights: np.ndarray, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(frames, n, n) covariance of the free parameters, and (frames,) bool where there is none."""
    weighted = weights[..., None] * derivatives
    fixed = np.broadcast_to(~free, (len(weights), free.size))
    matrix, scale = _scaled(weighted.swapaxes(1, 2) @ weighted, fixed)
    singular = ~(np.linalg.eigvalsh(matrix)[:, 0] > SINGULAR)
    identity = np.eye(free.size)
    inverse = np.linalg.inv(np.where(singular[:, None, None], identity, matrix))
    covariance = inverse / (scale[:, :, None] * scale[:, None, :])
    covariance = np.where(free[:, None] & free[None, :], covariance, 0.0)
    return np.where(singular[:, None, None], np.nan, covariance), singular
