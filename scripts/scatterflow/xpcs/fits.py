"""Fits of models to correlation functions, bin by bin, with errors that hold and what became of each.

Delays weigh with one over their squared standard errors, by scipy's bounded trust region (Branch, Coleman &
Li, SIAM J. Sci. Comput. 21 (1999) 1). Times are varied by their logarithms. The search starts from the
best point of a grid: at each, baseline and contrast follow from linear least squares.

Values of g2 at different delays come from the same photons and are correlated. The errors of the
parameters are those of the estimator under the covariance C of the delays that the caller gives,

    (J'WJ)^-1 J'W C WJ (J'WJ)^-1,      W = 1/sigma^2, J the model's derivatives

(White, Econometrica 48 (1980) 817), for which C need not be invertible: `covariance_of_windows` makes it from
g2 of a few windows of time. Without C, delays count as independent, which where many photons fall on
a pixel makes errors a few times too small. Reduced chi^2 counts delays as independent either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.kernels.least_squares import Solution, least_squares
from scatterflow.xpcs.delays import Delays
from scatterflow.xpcs.models import LOGARITHMIC, Model, model_of

NO_DATA, NOT_CONVERGED, INSEPARABLE, AT_BOUND, OUTSIDE, LEFT_OUT, DRIFT = (
    2**bit for bit in range(7)
)
FLAGS = {
    NO_DATA: "fewer valid delays than parameters",
    NOT_CONVERGED: "did not converge",
    INSEPARABLE: "parameters cannot be told apart",
    AT_BOUND: "a parameter ended at its bound",
    OUTSIDE: "tau is outside the measured delays",
    LEFT_OUT: "delays without a value or an error are left out",
    DRIFT: "the baseline is off 1",
}
"""What a fit's flags say, by bit."""
FAILED = NO_DATA | NOT_CONVERGED | INSEPARABLE
"""Flags of fits that have no values."""
DOUBTFUL = FAILED | AT_BOUND | OUTSIDE
"""Flags of fits that are not used further."""
STEADY_BASELINE = 0.05
"""How far the baseline, or the mean of the last delays where it is fixed, may be from 1."""
LAST_DELAYS = 3
BOUNDS = {
    "baseline": (0.0, 3.0),
    "contrast": (0.0, 2.0),
    "stretching": (0.1, 4.0),
    "fraction": (0.0, 1.0),
    "dynamic_fraction": (0.0, 1.0),
}
BEYOND = 10.0
"""Times are sought from the first delay in the range over this to the last times this."""
STARTS = {"stretching": (0.5, 1.0, 1.8), "fraction": (0.3, 0.7), "dynamic_fraction": (0.5,)}
STARTING_TIMES = 16
FEWEST_WINDOWS = 3
"""In which a delay must be known for its correlation with others to be."""


@dataclass(frozen=True)
class CorrelationFit:
    """A fit of all bins; NaN where there is none.

    names: of the n parameters; times in seconds. values, errors: (Nd, n), error 0: fixed. covariance:
    (Nd, n, n). reduced_chi_square: (Nd,). flags: (Nd,) uint8, bits of FLAGS. best_fit: (T, Nd), within
    the range. correlated: whether the errors know how delays are correlated.
    """

    names: tuple[str, ...]
    values: np.ndarray
    errors: np.ndarray
    covariance: np.ndarray
    reduced_chi_square: np.ndarray
    flags: np.ndarray
    best_fit: np.ndarray
    correlated: bool

    def column(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Values and errors of a parameter, (Nd,) each."""
        place = self.names.index(name)
        return self.values[:, place], self.errors[:, place]


def covariance_of_windows(error: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Covariance of the delays of g2: sizes from its standard errors, correlations from windows of time.

    error: (T, Nd). windows: (W, T, Nd) g2 of each. Returns (Nd, T, T); delays that fewer than three windows
    have count as uncorrelated with the others.
    """
    known = np.isfinite(windows)
    count = known.sum(axis=0)
    usable = count >= FEWEST_WINDOWS
    mean = np.where(known, windows, 0.0).sum(axis=0) / np.maximum(count, 1)
    deviation = np.where(known & usable, windows - mean, 0.0)
    sums = np.einsum("rtd,rud->dtu", deviation, deviation)
    size = np.sqrt(np.diagonal(sums, axis1=1, axis2=2))
    scale = np.divide(error.T, size, out=np.zeros(size.shape), where=size > 0)
    covariance = sums * scale[:, :, None] * scale[:, None, :]
    delays = np.arange(len(error))
    covariance[:, delays, delays] = error.T**2
    return covariance


def fit_g2(
    settings: Mapping[str, Any],
    delays: Delays,
    g2: np.ndarray,
    error: np.ndarray,
    covariance: np.ndarray | None = None,
) -> CorrelationFit:
    """Fit a model to every bin.

    settings: `model` (single, stretched, double), `heterodyne`, `baseline` ("free", or "fixed" for 1),
        `range` ([first, last] delay, s, or None), `bounds` ({parameter: [low, high]}), `start` ({parameter:
        value}).
    delays: of the T values. g2, error: (T, Nd) float64, standard errors; NaN: left out, flagged.
    covariance: (Nd, T, T) of g2; None: delays count as independent.
    Raises UserError for settings that do not fit together, or a range with too few delays.
    """
    model = model_of(settings["model"], settings.get("heterodyne", False))
    free = _free(settings, model)
    inside = _inside(settings, delays, int(free.sum()))
    part = delays.part(inside)
    lower, upper = _bounds(settings, model, part)
    data, weights, valid = _weighted(g2[inside].T, error[inside].T)
    start = _start(settings, model, part, data, weights, (lower, upper), free)
    found = least_squares(
        lambda parameters: model.values(parameters, part),
        data,
        weights,
        start,
        np.broadcast_to(lower, start.shape),
        np.broadcast_to(upper, start.shape),
        free,
    )
    return _result(model, found, delays, inside, valid, (g2, weights, covariance), free)


def _free(settings: Mapping[str, Any], model: Model) -> np.ndarray:
    free = np.ones(len(model.names), dtype=bool)
    baseline = settings.get("baseline", "free")
    if baseline not in ("free", "fixed"):
        raise UserError(
            f"the baseline is {baseline!r}", "fits: baseline", "give 'free', or 'fixed' for 1"
        )
    free[0] = baseline == "free"
    return free


def _inside(settings: Mapping[str, Any], delays: Delays, free: int) -> np.ndarray:
    """(T,) bool: delays in the range that is fitted."""
    first, last = settings.get("range") or (0.0, np.inf)
    inside = (delays.seconds > 0) & (delays.seconds >= first) & (delays.seconds <= last)
    if inside.sum() < free:
        raise UserError(
            f"{inside.sum()} delays between {first:g} and {last:g} s for {free} parameters",
            "fits: range",
            f"delays reach from {delays.seconds.min():g} to {delays.seconds.max():g} s",
        )
    return inside


def _bounds(
    settings: Mapping[str, Any], model: Model, delays: Delays
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds, (n,) each, logarithms of times."""
    times = (delays.seconds.min() / BEYOND, delays.seconds.max() * BEYOND)
    given = settings.get("bounds") or {}
    _known(given, model, "bounds")
    limits = []
    for name in model.names:
        low, high = given.get(name) or (times if name in LOGARITHMIC else BOUNDS[name])
        if not low < high or (name in LOGARITHMIC and not low > 0):
            raise UserError(
                f"bounds {low:g} to {high:g} of {name}",
                f"fits: bounds.{name}",
                "the first must be the smaller one, and times above 0",
            )
        limits.append((low, high))
    lower, upper = np.array(limits, dtype=np.float64).T
    logarithmic = model.logarithmic
    lower[logarithmic], upper[logarithmic] = (
        np.log(limit[logarithmic]) for limit in (lower, upper)
    )
    return lower, upper


def _known(given: Mapping[str, Any], model: Model, key: str) -> None:
    for name in given:
        if name not in model.names:
            raise UserError(
                f"the model has no parameter {name!r}",
                f"fits: {key}",
                suggestion(name, model.names),
            )


def _weighted(g2: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data and weights, (Nd, T), finite both, and which are valid."""
    valid = np.isfinite(g2) & np.isfinite(error) & (error > 0)
    weights = np.divide(1.0, error, out=np.zeros(error.shape), where=valid)
    return np.where(valid, g2, 0.0), weights, valid


# Start


def _start(
    settings: Mapping[str, Any],
    model: Model,
    delays: Delays,
    data: np.ndarray,
    weights: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    free: np.ndarray,
) -> np.ndarray:
    """(Nd, n) parameters: the point of the grid of least chi^2, between the bounds."""
    given = settings.get("start") or {}
    _known(given, model, "start")
    points = _grid(model, delays, given)
    fixed = None if free[0] else 1.0
    best = np.full(len(data), np.inf)
    start = np.zeros((len(data), len(model.names)))
    for point in points:
        shape = model.shape(np.array([[0.0, 1.0, *point]]), delays)[0][0]
        baseline, contrast = _linear(shape, data, weights, fixed, given, bounds)
        left = weights * (data - baseline[:, None] - contrast[:, None] * shape)
        chi_square = np.sum(left**2, axis=1)
        better = chi_square < best
        best[better] = chi_square[better]
        start[better, 0], start[better, 1] = baseline[better], contrast[better]
        start[better, 2:] = point
    start = np.clip(start, *bounds)
    if fixed is not None:
        start[:, 0] = fixed
    return start


def _grid(model: Model, delays: Delays, given: Mapping[str, float]) -> list[tuple[float, ...]]:
    times = np.geomspace(delays.seconds.min() / 2, delays.seconds.max(), STARTING_TIMES)
    axes: list[list[float]] = []
    for name in model.names[2:]:
        usual = times if name in LOGARITHMIC else STARTS[name]
        own = np.array([given[name]]) if name in given else np.array(usual)
        axes.append((np.log(own) if name in LOGARITHMIC else own).tolist())
    points = list(product(*axes))
    if "tau_slow" in model.names and not {"tau", "tau_slow"} <= set(given):
        points = [point for point in points if point[0] < point[1]]
    return points


def _linear(
    shape: np.ndarray,
    data: np.ndarray,
    weights: np.ndarray,
    fixed: float | None,
    given: Mapping[str, float],
    bounds: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Baseline and contrast, (Nd,) each, of least chi^2 for a given decay, (T,), within their bounds."""
    squared = weights**2
    ones, h, hh = squared.sum(axis=1), squared @ shape, squared @ shape**2
    y, hy = np.sum(squared * data, axis=1), (squared * data) @ shape
    baseline = np.full(len(data), given.get("baseline", 1.0) if fixed is None else fixed)
    determinant = ones * hh - h**2
    if fixed is None and "baseline" not in given:
        np.divide(hh * y - h * hy, determinant, out=baseline, where=determinant > 1e-9 * ones * hh)
        baseline = np.clip(baseline, bounds[0][0], bounds[1][0])
    contrast = np.full(len(data), given.get("contrast", 0.5))
    if "contrast" not in given:
        np.divide(hy - baseline * h, hh, out=contrast, where=hh > 0)
    return baseline, np.clip(contrast, bounds[0][1], bounds[1][1])


# Result


def _result(
    model: Model,
    found: Solution,
    delays: Delays,
    inside: np.ndarray,
    valid: np.ndarray,
    given: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    free: np.ndarray,
) -> CorrelationFit:
    g2, weights, covariance = given
    part = delays.part(inside)
    parameters, spread = found.parameters, found.covariance
    best, derivatives = model.values(parameters, part)
    if covariance is not None:
        own = np.nan_to_num(covariance[:, inside][:, :, inside])  # of delays without weight
        correlated = sandwich(derivatives * free, weights, own, spread)
        # Of parameters that are all but inseparable rounding may leave nothing positive.
        sound = np.diagonal(correlated, axis1=1, axis2=2).min(axis=1) >= 0
        spread = np.where(sound[:, None, None], correlated, spread)
    flags = _flags(model, found, part, valid, g2[inside].T, free)
    failed = (flags & FAILED) > 0
    values, spread = _in_seconds(model, parameters, spread)
    values, spread = _ordered(model, values, spread)
    values[failed], spread[failed] = np.nan, np.nan
    chi_square = np.where(failed, np.nan, found.chi_square)
    curves = np.full(g2.shape, np.nan)
    curves[inside] = np.where(failed[:, None], np.nan, best).T
    return CorrelationFit(
        model.names,
        values,
        np.sqrt(np.diagonal(spread, axis1=1, axis2=2)),
        spread,
        chi_square / np.maximum(valid.sum(axis=1) - free.sum(), 1),
        flags,
        curves,
        covariance is not None,
    )


def sandwich(
    derivatives: np.ndarray, weights: np.ndarray, covariance: np.ndarray, inverse: np.ndarray
) -> np.ndarray:
    """(Nd, n, n) covariance of parameters, as above.

    derivatives: (Nd, T, n) J. weights: (Nd, T), W are their squares. covariance: (Nd, T, T) of the data.
    inverse: (Nd, n, n) (J'WJ)^-1.
    """
    weighted = derivatives * weights[..., None] ** 2
    middle = weighted.swapaxes(1, 2) @ covariance @ weighted
    return inverse @ middle @ inverse


def _flags(
    model: Model,
    found: Solution,
    delays: Delays,
    valid: np.ndarray,
    g2: np.ndarray,
    free: np.ndarray,
) -> np.ndarray:
    """(Nd,) uint8; g2: (Nd, T)."""
    flags = np.zeros(len(valid), dtype=np.uint8)
    flags[valid.sum(axis=1) < free.sum()] |= NO_DATA
    flags[~found.converged | ~np.isfinite(found.chi_square)] |= NOT_CONVERGED
    flags[found.singular] |= INSEPARABLE
    # A fraction may be all or nothing.
    bounded = [not name.endswith("fraction") for name in model.names]
    flags[(found.at_bound & bounded).any(axis=1)] |= AT_BOUND
    times = np.exp(found.parameters[:, model.logarithmic])
    outside = (times < delays.seconds.min()) | (times > delays.seconds.max())
    flags[outside.any(axis=1)] |= OUTSIDE
    flags[~valid.all(axis=1)] |= LEFT_OUT
    flags[_drifted(found.parameters[:, 0], valid, g2, bool(free[0]))] |= DRIFT
    flags[(flags & NO_DATA) > 0] &= NO_DATA | LEFT_OUT
    return flags


def _drifted(baseline: np.ndarray, valid: np.ndarray, g2: np.ndarray, free: bool) -> np.ndarray:
    """(Nd,) bool: the baseline is off 1; where it is fixed, the last delays are off it by as much."""
    if free:
        return np.abs(baseline - 1) > STEADY_BASELINE
    last = valid & (np.cumsum(valid[:, ::-1], axis=1)[:, ::-1] <= LAST_DELAYS)
    off = np.where(last, g2 - baseline[:, None], 0.0)
    mean = np.sum(off, axis=1) / np.maximum(last.sum(axis=1), 1)
    return np.abs(mean) > STEADY_BASELINE


def _in_seconds(
    model: Model, parameters: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Times instead of their logarithms."""
    values = np.where(model.logarithmic, np.exp(parameters), parameters)
    scale = np.where(model.logarithmic, values, 1.0)
    return values, covariance * scale[:, :, None] * scale[:, None, :]


def _ordered(
    model: Model, values: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The faster of two decays comes first."""
    if "tau_slow" not in model.names:
        return values, covariance
    fast, slow = (model.names.index(name) for name in ("tau", "tau_slow"))
    fraction = model.names.index("fraction")
    swapped = values[:, fast] > values[:, slow]
    order = np.arange(len(model.names))
    order[[fast, slow]] = slow, fast
    sign = np.where(np.arange(order.size) == fraction, -1.0, 1.0)
    values[swapped] = values[swapped][:, order]
    values[swapped, fraction] = 1 - values[swapped, fraction]
    turned = covariance[swapped][:, order][:, :, order]
    covariance[swapped] = turned * sign[:, None] * sign
    return values, covariance
