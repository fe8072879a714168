"""Models of the correlation function g2 and their derivatives.

    g2(t) = baseline + contrast h(t),          h = |g1|^2                          (Siegert)
                                               h = x^2 |g1|^2 + 2 x (1 - x) |g1|   (heterodyne)

    single     g1 = exp(-t/tau)
    stretched  g1 = exp(-(t/tau)^stretching)
    double     g1 = fraction exp(-t/tau) + (1 - fraction) exp(-t/tau_slow)

x, `dynamic_fraction`, is the part of the intensity that fluctuates, the rest is a reference that does not;
what the reference adds by itself is constant and part of the baseline (Berne & Pecora, Dynamic Light
Scattering, 1976; Sutton et al., Opt. Express 11 (2003) 2268). h is averaged over the times that the
value of each delay averages over (`scatterflow.xpcs.delays`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.xpcs.delays import Delays

LOGARITHMIC = ("tau", "tau_slow")
"""Parameters that the fit varies by their logarithm: they spread over decades."""

Decay = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, list[np.ndarray]]]


@dataclass(frozen=True)
class Model:
    """names: of the parameters, baseline and contrast first. decay: of g1. heterodyne: see above."""

    names: tuple[str, ...]
    decay: Decay
    heterodyne: bool

    @property
    def logarithmic(self) -> np.ndarray:
        """(n,) bool: parameters given as natural logarithms to `values`."""
        return np.array([name in LOGARITHMIC for name in self.names])

    def shape(self, parameters: np.ndarray, delays: Delays) -> tuple[np.ndarray, np.ndarray]:
        """h, (k, T), and its derivatives, (k, T, n - 2), of parameters (k, n) with logarithms of times."""
        own = parameters[:, 2:, None, None]
        count = own.shape[1] - self.heterodyne
        g1, derivatives = self.decay(own[:, :count].swapaxes(0, 1), delays.times)
        if self.heterodyne:
            part = own[:, -1]
            by_g1 = 2 * part**2 * g1 + 2 * part * (1 - part)
            h = part**2 * g1**2 + 2 * part * (1 - part) * g1
            slopes = [by_g1 * slope for slope in derivatives]
            slopes.append(2 * part * g1**2 + 2 * (1 - 2 * part) * g1)
        else:
            h, slopes = g1**2, [2 * g1 * slope for slope in derivatives]
        return delays.average(h), np.stack([delays.average(slope) for slope in slopes], axis=-1)

    def values(self, parameters: np.ndarray, delays: Delays) -> tuple[np.ndarray, np.ndarray]:
        """g2, (k, T), and its derivatives, (k, T, n), of parameters (k, n) with logarithms of times."""
        h, slopes = self.shape(parameters, delays)
        contrast = parameters[:, 1, None]
        derivatives = np.empty((*h.shape, parameters.shape[1]))
        derivatives[..., 0] = 1.0
        derivatives[..., 1] = h
        derivatives[..., 2:] = contrast[..., None] * slopes
        return parameters[:, :1] + contrast * h, derivatives


def model_of(name: str, heterodyne: bool = False) -> Model:
    """The model of a name: single, stretched, double. Raises UserError for another one."""
    if name not in DECAYS:
        raise UserError(f"no model {name!r} of g2", "fits: model", suggestion(name, DECAYS))
    names, decay = DECAYS[name]
    fraction = ("dynamic_fraction",) if heterodyne else ()
    return Model(("baseline", "contrast", *names, *fraction), decay, heterodyne)


# g1 and its derivatives, by the logarithm of times; parameters (n, k, 1, 1), times (T, nodes)


def _single(parameters: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    reduced = times * np.exp(-parameters[0])
    g1 = np.exp(-reduced)
    return g1, [g1 * reduced]


def _stretched(parameters: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    log_tau, exponent = parameters
    # Padding of weight 0 may stand at no delay.
    logarithm = np.log(np.maximum(times, np.finfo(float).tiny)) - log_tau
    powered = np.exp(exponent * logarithm)
    g1 = np.exp(-powered)
    return g1, [g1 * powered * exponent, -g1 * powered * logarithm]


def _double(parameters: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    log_fast, log_slow, fraction = parameters
    fast, by_fast = _single(log_fast[None], times)
    slow, by_slow = _single(log_slow[None], times)
    g1 = fraction * fast + (1 - fraction) * slow
    return g1, [fraction * by_fast[0], (1 - fraction) * by_slow[0], fast - slow]


DECAYS: dict[str, tuple[tuple[str, ...], Decay]] = {
    "single": (("tau",), _single),
    "stretched": (("tau", "stretching"), _stretched),
    "double": (("tau", "tau_slow", "fraction"), _double),
}
