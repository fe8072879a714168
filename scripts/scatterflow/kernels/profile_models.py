"""Model functions of profiles, with their derivatives, for many frames at once.

    gaussian       amplitude exp(-4 ln2 t^2)                 t = (x - centre) / width
    lorentzian     amplitude / (1 + 4 t^2)
    pseudo_voigt   (1 - fraction) gaussian + fraction lorentzian, of one width
    constant       value
    linear         intercept + slope x
    quadratic      intercept + slope x + curvature x^2
    power_law      scale x^-exponent                         x > 0
    exponential    scale exp(-rate x)
    guinier        i0 exp(-third x^2)                        third = Rg^2 / 3

`width` is the full width at half maximum, `amplitude` the height above the background. Each function
takes x (bins,) and parameters (frames, n) in the order of `MODELS`, and returns values (frames, bins)
and derivatives (frames, bins, n), float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FOUR_LN2 = 4 * np.log(2)
GAUSSIAN_AREA = float(np.sqrt(np.pi / FOUR_LN2))
"""Area of a Gaussian over amplitude times width."""
LORENTZIAN_AREA = np.pi / 2
"""Area of a Lorentzian over amplitude times width."""

Evaluated = tuple[np.ndarray, np.ndarray]


def gaussian(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    """parameters: amplitude, centre, width."""
    amplitude, centre, width = _columns(parameters)
    t = (x - centre) / width
    shape = np.exp(-FOUR_LN2 * t**2)
    by_centre = amplitude * shape * 2 * FOUR_LN2 * t / width
    return amplitude * shape, np.stack([shape, by_centre, by_centre * t], axis=-1)


def lorentzian(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    """parameters: amplitude, centre, width."""
    amplitude, centre, width = _columns(parameters)
    t = (x - centre) / width
    shape = 1 / (1 + 4 * t**2)
    by_centre = amplitude * shape**2 * 8 * t / width
    return amplitude * shape, np.stack([shape, by_centre, by_centre * t], axis=-1)


def pseudo_voigt(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    """parameters: amplitude, centre, width, fraction (of the Lorentzian)."""
    fraction = parameters[:, 3, None]
    narrow, by_narrow = gaussian(x, parameters[:, :3])
    wide, by_wide = lorentzian(x, parameters[:, :3])
    shared = (1 - fraction[..., None]) * by_narrow + fraction[..., None] * by_wide
    by_fraction = wide - narrow
    return (
        (1 - fraction) * narrow + fraction * wide,
        np.concatenate([shared, by_fraction[..., None]], axis=-1),
    )


def constant(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    """parameters: value."""
    return _polynomial(x, parameters)


def linear(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    """parameters: intercept, slope."""
    return _polynomial(x, parameters)


def quadratic(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    """parameters: intercept, slope, curvature."""
    return _polynomial(x, parameters)


def power_law(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    """parameters: scale, exponent."""
    scale, exponent = _columns(parameters)
    logarithm = np.log(x)
    power = np.exp(-exponent * logarithm)
    return scale * power, np.stack([power, -scale * power * logarithm], axis=-1)


def exponential(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    """parameters: scale, rate."""
    scale, rate = _columns(parameters)
    decay = np.exp(-rate * x)
    return scale * decay, np.stack([decay, -scale * decay * x], axis=-1)


def guinier(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    """parameters: i0, third (a third of the squared radius of gyration)."""
    return exponential(x**2, parameters)


def _columns(parameters: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(parameters[:, index, None] for index in range(parameters.shape[1]))


def _polynomial(x: np.ndarray, parameters: np.ndarray) -> Evaluated:
    powers = x[:, None] ** np.arange(parameters.shape[1])
    derivatives = np.broadcast_to(powers, (len(parameters), *powers.shape))
    values = np.zeros((len(parameters), x.size))
    for index in range(parameters.shape[1]):
        values += parameters[:, index, None] * powers[:, index]
    return values, derivatives


@dataclass(frozen=True)
class Model:
    """A model function and the names of its parameters, in their order."""

    parameters: tuple[str, ...]
    evaluate: Callable[[np.ndarray, np.ndarray], Evaluated]


_PEAK = ("amplitude", "centre", "width")
MODELS = {
    "gaussian": Model(_PEAK, gaussian),
    "lorentzian": Model(_PEAK, lorentzian),
    "pseudo_voigt": Model((*_PEAK, "fraction"), pseudo_voigt),
    "constant": Model(("value",), constant),
    "linear": Model(("intercept", "slope"), linear),
    "quadratic": Model(("intercept", "slope", "curvature"), quadratic),
    "power_law": Model(("scale", "exponent"), power_law),
    "exponential": Model(("scale", "rate"), exponential),
    "guinier": Model(("i0", "third"), guinier),
}
"""Model functions by name."""

PEAKS = ("gaussian", "lorentzian", "pseudo_voigt")
"""The models that are peaks: they have an area beside their parameters."""


def peak_area(name: str, parameters: np.ndarray) -> Evaluated:
    """Area of a peak over all x, (frames,), and its derivatives, (frames, n)."""
    amplitude, width = parameters[:, 0], parameters[:, 2]
    none = np.zeros(len(parameters))
    if name == "pseudo_voigt":
        fraction = parameters[:, 3]
        factor = (1 - fraction) * GAUSSIAN_AREA + fraction * LORENTZIAN_AREA
        more = [amplitude * width * (LORENTZIAN_AREA - GAUSSIAN_AREA)]
    else:
        factor = np.full(len(parameters), GAUSSIAN_AREA if name == "gaussian" else LORENTZIAN_AREA)
        more = []
    derivatives = [factor * width, none, factor * amplitude, *more]
    return factor * amplitude * width, np.stack(derivatives, axis=-1)
