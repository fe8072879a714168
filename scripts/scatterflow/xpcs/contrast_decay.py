"""Relaxation time from how the contrast falls when frames are added up.

The contrast of the sum of frames over a time T is (Bandyopadhyay et al., Rev. Sci. Instrum. 76 (2005) 093110)

    beta(T) = beta (exp(-2 x) - 1 + 2 x) / (2 x^2),     x = T / tau,

for g1 = exp(-t/tau) and frames that gather photons all the time; for shorter exposures the sum over pairs
of frames takes the place of the integral (`scatterflow.xpcs.delays.sums_of`). It reaches dynamics as fast as
a frame, which no correlation does. The contrasts are those of the moments, which need no distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.kernels.least_squares import least_squares
from scatterflow.xpcs.delays import Delays, sums_of
from scatterflow.xpcs.fits import sandwich
from scatterflow.xpcs.models import Model, model_of
from scatterflow.xpcs.speckle_statistics import SpeckleStatistics

BEYOND = 100.0
"""tau is sought from the shortest exposure over this to the longest times this."""
TRIALS = 40


@dataclass(frozen=True)
class ContrastDecay:
    """tau, s, and contrast of no exposure, (Nd,) each, with their standard errors; NaN: not to be had.

    expected: (E, Nd) the contrasts that they make.
    """

    tau: np.ndarray
    tau_error: np.ndarray
    contrast: np.ndarray
    contrast_error: np.ndarray
    expected: np.ndarray


def fit_contrast_decay(
    statistics: SpeckleStatistics, frame_time_s: float, exposure_s: float, average: int = 1
) -> ContrastDecay:
    """tau of an exponential g1 from how the moments' contrast falls with the exposure, bin by bin.

    frame_time_s: from one raw frame to the next. exposure_s: time over which one gathers photons, 0: an
    instant. average: raw frames that are added up to a frame.
    """
    delays = sums_of(statistics.exposures * average, frame_time_s, exposure_s)
    model = model_of("single")
    data, weights, valid = _weighted(statistics)
    first, last = np.log(delays.seconds[[0, -1]] * [1 / BEYOND, BEYOND])
    found = least_squares(
        lambda parameters: model.values(parameters, delays),
        data,
        weights,
        _start(model, delays, data, weights, np.linspace(first, last, TRIALS)),
        np.tile([0.0, -1.0, first], (len(data), 1)),
        np.tile([1.0, 4.0, last], (len(data), 1)),
        np.array([False, True, True]),  # there is no baseline
    )
    expected, derivatives = model.values(found.parameters, delays)
    known = np.where(np.isfinite(statistics.moment_covariance), statistics.moment_covariance, 0.0)
    covariance = sandwich(derivatives * [0, 1, 1], weights, known, found.covariance)
    failed = ~valid | ~found.converged | found.singular | found.at_bound.any(axis=1)
    parameters = np.where(failed[:, None], np.nan, found.parameters)
    tau = np.exp(parameters[:, 2])
    return ContrastDecay(
        tau,
        tau * np.sqrt(covariance[:, 2, 2]),
        parameters[:, 1],
        np.sqrt(covariance[:, 1, 1]) + 0 * parameters[:, 1],
        np.where(failed[:, None], np.nan, expected).T,
    )


def _weighted(statistics: SpeckleStatistics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contrasts and weights, (Nd, E), finite; (Nd,) bool: two exposures or more are known."""
    error = statistics.moment_error.T
    known = np.isfinite(error) & (error > 0)
    enough = known.sum(axis=1) >= 2
    known &= enough[:, None]
    weights = np.divide(1.0, error, out=np.zeros(error.shape), where=known)
    return np.where(known, statistics.moment_contrast.T, 0.0), weights, enough


def _start(
    model: Model, delays: Delays, data: np.ndarray, weights: np.ndarray, trials: np.ndarray
) -> np.ndarray:
    """(Nd, 3) parameters: the likeliest of the trials, logarithms of tau, with its likeliest contrast."""
    shapes = model.shape(np.stack([[0.0, 1.0, trial] for trial in trials]), delays)[0]
    squared = weights**2
    above, below = (squared * data) @ shapes.T, squared @ shapes.T**2
    contrast = np.divide(above, below, out=np.zeros(below.shape), where=below > 0)
    explained = contrast * above
    best = np.argmax(explained, axis=1)
    bins = np.arange(len(data))
    return np.column_stack([np.zeros(bins.size), contrast[bins, best], trials[best]])
