"""Fits of a sum of components to profiles, frame by frame, with errors and what became of each.

Profiles are weighted with one over their standard errors, so that the errors of the parameters are those
that counting statistics give; reduced chi^2 is reported beside them and does not change them. Without
standard errors all bins weigh the same, and the errors follow from the scatter around the fit. Bins that
share pixels are correlated, which narrows their scatter: reduced chi^2 is then below 1.

A frame's fit counts if it converged, if no parameter ended at a bound (the fraction of a pseudo-Voigt
may be 0 or 1) and if all parameters can be told apart. Otherwise its values are NaN, and its status says
why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.least_squares import Solution, least_squares
from scatterflow.kernels.profile_models import MODELS, PEAKS, peak_area
from scatterflow.saxswaxs.guess import guess_parameters

STATUS = (
    "converged",
    "no data: no valid bin in the range",
    "fewer valid bins than free parameters",
    "did not converge",
    "a parameter ended at its bound",
    "parameters cannot be told apart",
    "not a peak: the highest bin is at the end of the range",
    "no decay: the squared radius of gyration is not above 0",
    "q Rg above the limit",
    "valid bins are missing at the ends of the range, or in more than half of it",
    "the intensity to divide by is not above 0",
    "not finite",
)
"""What became of a frame, by code."""
(
    CONVERGED,
    NO_DATA,
    FEW_BINS,
    NOT_CONVERGED,
    AT_BOUND,
    SINGULAR,
    NO_PEAK,
    NO_DECAY,
    ABOVE_LIMIT,
    MISSING_BINS,
    NO_INTENSITY,
    NOT_FINITE,
) = range(len(STATUS))


@dataclass(frozen=True)
class Profiles:
    """Profiles of a block of frames within a range.

    x: (bins,) centres; edges: (bins + 1,); intensity: (frames, bins), NaN where there is no pixel;
    sigma: standard errors, of the same shape, or None if there are none.
    """

    x: np.ndarray
    edges: np.ndarray
    intensity: np.ndarray
    sigma: np.ndarray | None


@dataclass
class Values:
    """Values of a block of frames: per name (frames,), with their standard errors where there are any.

    status: (frames,) uint8, index into `STATUS`; curve: (frames, bins) best fit, None for figures;
    scale: the part of the errors that comes from the scale of the intensities, by name and detector,
    (frames,) with the sign of the derivative.
    """

    status: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)
    errors: dict[str, np.ndarray] = field(default_factory=dict)
    curve: np.ndarray | None = None
    scale: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def success(self) -> np.ndarray:
        """(frames,) bool."""
        return self.status == CONVERGED


class Composite:
    """The sum of a fit's components over the bins of its range."""

    def __init__(self, components: Sequence[Mapping[str, Any]], x: np.ndarray) -> None:
        self.components = components
        self.x = x
        self.parts: list[slice] = []
        for component in components:
            first = self.parts[-1].stop if self.parts else 0
            self.parts.append(slice(first, first + len(MODELS[component["model"]].parameters)))
        limits = [limit for component in components for limit in _limits(component, x)]
        self.lower, self.upper, free, natural = (
            np.array(column) for column in zip(*limits, strict=True)
        )
        self.free, self.natural = free.astype(bool), natural.astype(bool)

    def __call__(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (frames, bins) and derivatives (frames, bins, n)."""
        evaluated = [
            MODELS[component["model"]].evaluate(self.x, parameters[:, part])
            for component, part in zip(self.components, self.parts, strict=True)
        ]
        values = evaluated[0][0]
        for more, _ in evaluated[1:]:
            values = values + more
        return values, np.concatenate([derivatives for _, derivatives in evaluated], axis=-1)


def _limits(component: Mapping[str, Any], x: np.ndarray) -> list[tuple[float, float, bool, bool]]:
    """Lower and upper bound of each parameter, whether it is free, and whether it may end at a bound."""
    span, step = float(x[-1] - x[0]), float(np.median(np.diff(x)))
    default = {
        "centre": (float(x[0]), float(x[-1])),
        "width": (step / 2, 2 * span),
        "fraction": (0.0, 1.0),
    }
    limits = []
    for name in MODELS[component["model"]].parameters:
        given = component["parameters"].get(name, {})
        low, high = default.get(name, (-np.inf, np.inf))
        given_low, given_high = given.get("minimum"), given.get("maximum")
        fixed = bool(given.get("fixed"))
        if fixed or given.get("initial") is not None:
            # What the user says may lie outside what is assumed without being told.
            low, high = min(low, given["initial"]), max(high, given["initial"])
        natural = name == "fraction" and given_low is None and given_high is None
        low = low if given_low is None else given_low
        high = high if given_high is None else given_high
        if not low < high:
            raise UserError(
                f"{name} of component {component['name']!r} has no room: from {low:g} to {high:g}",
                f"minimum and maximum, or the range, from {x[0]:.4g} to {x[-1]:.4g}",
                "a centre lies in the range, a width between half a bin and twice the range",
            )
        limits.append((low, high, not fixed, natural))
    return limits


def fit_profiles(settings: Mapping[str, Any], profiles: Profiles) -> Values:
    """Fit every frame. settings: `name` and `components` of a planned fit.

    Raises UserError for limits of a parameter that leave it no room.

    Values are named `FIT_COMPONENT_PARAMETER`, for peaks `area` as well, and `FIT_reduced_chi_square`.
    """
    profiles = _with_model_error(profiles, settings.get("model_error", 0.0))
    composite = Composite(settings["components"], profiles.x)
    start = [
        _start(composite, profiles.x, intensity, finite)
        for intensity, finite in zip(
            profiles.intensity, np.isfinite(profiles.intensity), strict=True
        )
    ]
    solution, status = solve(composite, profiles, np.array(start), composite.natural)
    result = Values(status)
    result.curve = _curve(composite, solution, result.success)
    freedom = _degrees_of_freedom(profiles, composite.free)
    scale = _error_scale(solution, freedom, profiles.sigma is not None)
    covariance = solution.covariance * scale[:, None, None]
    _add_parameters(result, settings, composite, solution.parameters, covariance)
    if profiles.sigma is not None:
        reduced = _divided(solution.chi_square, freedom)
        result.values[f"{settings['name']}_reduced_chi_square"] = reduced
    return masked(result)


def _with_model_error(profiles: Profiles, part: float) -> Profiles:
    """Standard errors with those of the model, a part of each frame's range of intensities."""
    there = np.isfinite(profiles.intensity)
    if profiles.sigma is None or part == 0:
        return profiles
    highest = np.max(np.where(there, profiles.intensity, -np.inf), axis=1, keepdims=True)
    lowest = np.min(np.where(there, profiles.intensity, np.inf), axis=1, keepdims=True)
    spread = np.where(there.any(axis=1, keepdims=True), highest - lowest, np.nan)
    return replace(profiles, sigma=np.hypot(profiles.sigma, part * spread))


def solve(
    composite: Composite, profiles: Profiles, start: np.ndarray, natural: np.ndarray
) -> tuple[Solution, np.ndarray]:
    """Least squares of a composite from start values (frames, n), and the status of each frame.

    natural: (n,) bool, parameters that may end at a bound.
    """
    weights = weights_of(profiles)
    shape = (len(start), composite.free.size)
    solution = least_squares(
        composite,
        np.where(weights > 0, profiles.intensity, 0.0),
        weights,
        start,
        np.broadcast_to(composite.lower, shape),
        np.broadcast_to(composite.upper, shape),
        composite.free,
    )
    bins = np.count_nonzero(weights, axis=1)
    finite = np.isfinite(solution.chi_square) & np.isfinite(solution.parameters).all(axis=1)
    conditions = [
        (~finite, NOT_FINITE),
        (solution.singular, SINGULAR),
        ((solution.at_bound & ~natural).any(axis=1), AT_BOUND),
        (~solution.converged, NOT_CONVERGED),
        (bins <= np.count_nonzero(composite.free), FEW_BINS),
        (bins == 0, NO_DATA),
    ]
    status = np.zeros(len(start), dtype=np.uint8)
    for condition, code in conditions:  # the last one counts: it is the cause of those before
        status[condition] = code
    return solution, status


def weights_of(profiles: Profiles) -> np.ndarray:
    """(frames, bins) one over the standard errors, 0 in bins without a value.

    A bin without a count has no standard error of its own: it is known no better than the best of the
    others. Without any, all weigh the same.
    """
    finite = np.isfinite(profiles.intensity)
    if profiles.sigma is None:
        return finite.astype(np.float64)
    known = finite & np.isfinite(profiles.sigma) & (profiles.sigma > 0)
    least = np.min(np.where(known, profiles.sigma, np.inf), axis=1, keepdims=True)
    sigma = np.where(known, profiles.sigma, least)
    usable = finite & np.isfinite(sigma)
    return np.divide(1.0, sigma, out=np.zeros(sigma.shape), where=usable)


def _start(
    composite: Composite, x: np.ndarray, intensity: np.ndarray, finite: np.ndarray
) -> np.ndarray:
    if np.count_nonzero(finite) < 2:
        finite = np.ones(x.size, dtype=bool)
        intensity = np.zeros(x.size)
    return guess_parameters(composite.components, x[finite], intensity[finite])


def _curve(composite: Composite, solution: Solution, success: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        values = composite(solution.parameters)[0]
    return np.where(success[:, None], values, np.nan)


def _degrees_of_freedom(profiles: Profiles, free: np.ndarray) -> np.ndarray:
    bins = np.count_nonzero(weights_of(profiles), axis=1)
    return bins - np.count_nonzero(free)


def _error_scale(solution: Solution, freedom: np.ndarray, known: bool) -> np.ndarray:
    """(frames,) factor of the covariance: 1, or the variance of the scatter if errors are not known."""
    return np.ones(freedom.shape) if known else _divided(solution.chi_square, freedom)


def _divided(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    usable = (by > 0) & np.isfinite(value)
    return np.divide(value, by, out=np.full(value.shape, np.nan), where=usable)


def _add_parameters(
    result: Values,
    settings: Mapping[str, Any],
    composite: Composite,
    parameters: np.ndarray,
    covariance: np.ndarray,
) -> None:
    for component, part in zip(settings["components"], composite.parts, strict=True):
        own, block = parameters[:, part], covariance[:, part, part]
        for index, name in enumerate(MODELS[component["model"]].parameters):
            key = f"{settings['name']}_{component['name']}_{name}"
            result.values[key] = own[:, index]
            result.errors[key] = np.sqrt(block[:, index, index])
        if component["model"] in PEAKS:
            key = f"{settings['name']}_{component['name']}_area"
            area, by = peak_area(component["model"], own)
            result.values[key] = area
            result.errors[key] = propagated(by, block)


def propagated(derivatives: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """(frames,) standard error of a value with these derivatives, (frames, n)."""
    variance = (derivatives[:, None, :] @ covariance @ derivatives[:, :, None])[:, 0, 0]
    return np.sqrt(np.maximum(variance, 0.0))


def masked(result: Values) -> Values:
    """The values with NaN in frames that failed; a value or error that is not finite makes its frame fail."""
    everything = [*result.values.values(), *result.errors.values()]
    for column in everything:
        result.status[result.success & ~np.isfinite(column)] = NOT_FINITE
    for columns in (result.values, result.errors):
        for name, column in columns.items():
            columns[name] = np.where(result.success, column, np.nan)
    if result.curve is not None:
        result.curve = np.where(result.success[:, None], result.curve, np.nan)
    return result


def used_bins(
    settings: Mapping[str, Any], centres: np.ndarray, edges: np.ndarray, where: str
) -> slice:
    """The bins of a fit or figure: those whose centre is within its range.

    Raises UserError if they are too few to be of use.
    """
    if settings["range"] is None:
        return slice(0, centres.size)
    low, high = settings["range"]
    inside = np.flatnonzero((centres >= low) & (centres <= high))
    if inside.size < 3:
        lies = "outside" if high < edges[0] or low > edges[-1] else "too narrow for"
        raise UserError(
            f"the range [{low:g}, {high:g}] is {lies} the profile: "
            f"{inside.size} of its {centres.size} bins lie in it",
            where,
            f"the profile's axis runs from {edges[0]:.4g} to {edges[-1]:.4g}",
        )
    return slice(int(inside[0]), int(inside[-1]) + 1)
