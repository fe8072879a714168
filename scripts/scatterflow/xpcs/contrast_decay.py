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
from scatterflow.xpcs.delays import sums_of
from scatterflow.xpcs.models import model_of
from scatterflow.xpcs.speckle_statistics import SpeckleStatistics


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
    statistics: SpeckleStatistics, frame_time_s: float, exposure_s: float
) -> ContrastDecay:
    """tau of an exponential g1 from how the moments' contrast falls with the exposure, bin by bin.

    exposure_s: time over which one frame gathers photons, 0: an instant.
    """
    delays = sums_of(statistics.exposures, frame_time_s, exposure_s)
    model = model_of("single")
    bins = statistics.moment_contrast.shape[1]
    valid = np.isfinite(statistics.moment_error) & (statistics.moment_error > 0)
    valid = valid.T & (valid.sum(axis=0) >= 2)[:, None]
    weights = np.where(valid, 1 / np.where(valid, statistics.moment_error.T, 1.0), 0.0)
    data = np.where(valid, statistics.moment_contrast.T, 0.0)
    first, last = np.log(delays.seconds.min() / 100), np.log(delays.seconds.max() * 100)
    trials = np.linspace(first, last, 40)
    shapes = model.shape(np.stack([[0.0, 1.0, trial] for trial in trials]), delays)[0]
    # Of every tau the likeliest contrast follows; the best pair is where the search begins.
    squared = weights**2
    below = squared @ shapes.T**2
    scale = np.divide(
        (squared * data) @ shapes.T, below, out=np.zeros(below.shape), where=below > 0
    )
    left = np.sum(squared[:, None] * (data[:, None] - scale[..., None] * shapes) ** 2, axis=2)
    best = np.argmin(left, axis=1)
    start = np.column_stack([np.zeros(bins), scale[np.arange(bins), best], trials[best]])
    found = least_squares(
        lambda parameters: model.values(parameters, delays),
        data,
        weights,
        start,
        np.tile([-1.0, -1.0, first], (bins, 1)),
        np.tile([1.0, 4.0, last], (bins, 1)),
        np.array([False, True, True]),
    )
    expected, derivatives = model.values(found.parameters, delays)
    derivatives[..., 0] = 0.0
    weighted = derivatives * squared[..., None]
    known = np.where(np.isfinite(statistics.moment_covariance), statistics.moment_covariance, 0.0)
    middle = weighted.swapaxes(1, 2) @ known @ weighted
    covariance = found.covariance @ middle @ found.covariance
    failed = ~valid.any(axis=1) | ~found.converged | found.singular | found.at_bound.any(axis=1)
    tau = np.where(failed, np.nan, np.exp(found.parameters[:, 2]))
    return ContrastDecay(
        tau,
        tau * np.sqrt(covariance[:, 2, 2]),
        np.where(failed, np.nan, found.parameters[:, 1]),
        np.where(failed, np.nan, np.sqrt(covariance[:, 1, 1])),
        np.where(failed[:, None], np.nan, expected).T,
    )
