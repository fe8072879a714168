"""Weighted least squares of profiles, frame by frame, by scipy's trust region within bounds.

For every frame the parameters p between their bounds are sought that minimise

    chi^2 = sum over bins of (weight (data - model(p)))^2,        weight = 1 / sigma

(Branch, Coleman & Li, SIAM J. Sci. Comput. 21 (1999) 1; `scipy.optimize.least_squares`). The covariance
is (J'J)^-1 at the minimum: that of the parameters if the weights are one over the true standard errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MOST_EVALUATIONS = 300
TOLERANCE = 1e-12
"""Relative: steps and decreases of chi^2 below it end the search, far below any standard error."""
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
    at_bound = np.zeros(parameters.shape, dtype=bool)
    with np.errstate(all="ignore"):  # a trial step may overflow; it is refused
        for frame in range(len(data)):
            found = _fit(
                _Frame(model, data[frame], weights[frame], parameters[frame], free),
                lower[frame, free],
                upper[frame, free],
            )
            if found is not None:
                parameters[frame, free], at_bound[frame, free], converged[frame] = found
        values, derivatives = model(parameters)
        chi_square = np.sum((weights * (data - values)) ** 2, axis=1)
        covariance, singular = _covariance(derivatives, weights, free)
    chi_square = np.where(np.isfinite(chi_square), chi_square, np.inf)
    return Solution(parameters, covariance, chi_square, converged, singular, at_bound)


class _Frame:
    """Weighted residuals of one frame and their derivatives by the free parameters."""

    def __init__(
        self,
        model: ModelFunction,
        data: np.ndarray,
        weights: np.ndarray,
        start: np.ndarray,
        free: np.ndarray,
    ) -> None:
        self._model, self._data, self._weights, self._free = model, data, weights, free
        self._parameters = start.copy()
        self.start = start[free]
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def residuals(self, values: np.ndarray) -> np.ndarray:
        self._parameters[self._free] = values
        modelled, derivatives = self._model(self._parameters[None])
        # The solver asks for derivatives where it has asked for residuals.
        self._last = values.copy(), derivatives[0]
        return self._weights * (modelled[0] - self._data)

    def derivatives(self, values: np.ndarray) -> np.ndarray:
        if self._last is None or not np.array_equal(self._last[0], values):
            self.residuals(values)
        assert self._last is not None
        return self._weights[:, None] * self._last[1][:, self._free]


def _fit(
    frame: _Frame, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """Free parameters, which of them are at a bound, and whether the search converged; None: it could not
    begin, the model is not finite."""
    from scipy.optimize import least_squares as solve

    if frame.start.size == 0:
        return frame.start, np.zeros(0, dtype=bool), True
    first = frame.residuals(frame.start)
    if not (np.isfinite(first).all() and np.isfinite(frame.derivatives(frame.start)).all()):
        return None
    found = solve(
        frame.residuals,
        frame.start,
        frame.derivatives,
        bounds=(lower, upper),
        x_scale="jac",
        xtol=TOLERANCE,
        ftol=TOLERANCE,
        gtol=TOLERANCE,
        max_nfev=MOST_EVALUATIONS,
    )
    # The search runs inside the bounds and comes as near to one as it likes.
    values = np.where(found.active_mask < 0, lower, found.x)
    values = np.where(found.active_mask > 0, upper, values)
    return values, found.active_mask != 0, bool(found.success)


def _covariance(
    derivatives: np.ndarray, weights: np.ndarray, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(frames, n, n) covariance of the free parameters, and (frames,) bool where there is none."""
    weighted = weights[..., None] * derivatives
    matrix = weighted.swapaxes(1, 2) @ weighted
    diagonal = np.diagonal(matrix, axis1=1, axis2=2)
    scale = np.sqrt(np.where((diagonal > 0) & np.isfinite(diagonal), diagonal, 1.0))
    matrix = matrix / (scale[:, :, None] * scale[:, None, :])
    identity = np.eye(free.size)
    both = free[:, None] & free[None, :]
    matrix = np.where(both, np.where(np.isfinite(matrix), matrix, 0.0), identity)
    singular = ~(np.linalg.eigvalsh(matrix)[:, 0] > SINGULAR)
    inverse = np.linalg.inv(np.where(singular[:, None, None], identity, matrix))
    covariance = np.where(both, inverse / (scale[:, :, None] * scale[:, None, :]), 0.0)
    return np.where(singular[:, None, None], np.nan, covariance), singular
