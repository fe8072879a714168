"""The negative binomial distribution of photons in speckles, and the contrast of the highest likelihood.

A pixel that gathers k photons on average from M incoherent modes of contrast beta = 1/M counts K photons with
probability (Goodman, Speckle Phenomena in Optics, 2007, 9.4; Hruszkewycz et al., Phys. Rev. Lett.
109 (2012) 185502)

    log P(K) = sum over j < K of log(1 + j beta) - log K! + K log k - (K + 1/beta) log(1 + k beta),

which is Poisson's for beta = 0 and holds a little below it, so that noise does not pile up at 0.
"""

from __future__ import annotations

import numpy as np

MOST_CONTRAST = 2.0
ROUNDING = 1e-10
"""A probability that is left over by all others and smaller than this is rounding."""
STEP = 1e-4
"""Of the contrast, for the slope of the score, relative to how far it is from its lower limit."""


def log_probability(mean: np.ndarray, contrast: float, classes: int) -> np.ndarray:
    """(..., classes) logarithms of P(0), P(1), ...; mean: (...) photons, above 0.

    contrast: above -1/classes and -1/mean.
    """
    from scipy.special import gammaln

    photons = np.arange(classes)
    rising = np.concatenate([[0.0], np.cumsum(np.log1p(contrast * photons[:-1]))])
    mean = np.asarray(mean, dtype=np.float64)[..., None]
    bunched = np.log1p(mean * contrast)
    empty = mean * _log1p_ratio(mean * contrast)
    return rising - gammaln(photons + 1) + photons * (np.log(mean) - bunched) - empty


def _log1p_ratio(x: np.ndarray) -> np.ndarray:
    """log(1 + x) / x, 1 at 0."""
    return np.divide(np.log1p(x), x, out=np.ones(np.shape(x)), where=x != 0)


def probabilities(mean: np.ndarray, contrast: float, classes: int) -> np.ndarray:
    """(..., classes) P(K), the last class for all photons from there on."""
    logarithm = log_probability(mean, contrast, classes)
    probability = np.exp(logarithm)
    rest = 1 - probability[..., :-1].sum(axis=-1)
    # Where next to nothing is left, rounding is: the class's own first term is near enough.
    probability[..., -1] = np.where(rest > ROUNDING, rest, probability[..., -1])
    return probability


def _score(mean: np.ndarray, contrast: float, classes: int) -> np.ndarray:
    """(n, classes) derivatives of `log_probability` by the contrast; mean: (n,)."""
    photons = np.arange(classes)
    steps = photons[:-1] / (1 + contrast * photons[:-1])
    rising = np.concatenate([[0.0], np.cumsum(steps)])
    mean = mean[:, None]
    bunched = mean * contrast
    return rising + mean**2 * _curved(bunched) - photons * mean / (1 + bunched)


def _curved(x: np.ndarray) -> np.ndarray:
    """((1 + x) log(1 + x) - x) / (x^2 (1 + x)), 1/2 at 0."""
    small = np.abs(x) < 1e-3
    series = 1 / 2 - x / 6 + x**2 / 12 - x**3 / 20
    squared = np.where(small, 1.0, x) ** 2
    exact = ((1 + x) * np.log1p(x) - x) / squared
    return np.where(small, series, exact) / (1 + x)


def _tail_score(mean: np.ndarray, contrast: float, classes: int) -> np.ndarray:
    """As `_score`, with the last class for all photons from there on."""
    score = _score(mean, contrast, classes)
    probability = probabilities(mean, contrast, classes)
    below = np.sum(probability[:, :-1] * score[:, :-1], axis=1)
    known = probability[:, -1] > ROUNDING
    np.divide(-below, probability[:, -1], out=score[:, -1], where=known)
    return score


def contrast_by_likelihood(counts: np.ndarray, mean: np.ndarray) -> tuple[float, np.ndarray]:
    """The likeliest contrast, and the influence of every cell on it.

    counts: (static bins, segments, K + 1) sums with K photons. mean: (static bins, segments) expected.
    Returns the contrast, at most MOST_CONTRAST, and (static bins, segments) how much each cell moves it.
    """
    from scipy.optimize import brentq

    lit = mean > 0
    expected = mean[lit]
    last = int(np.flatnonzero(counts.sum(axis=(0, 1)))[-1])
    # Classes above the last one with a count make no difference, unless they are that one's tail.
    score_of = _tail_score if last == counts.shape[-1] - 1 else _score
    own = counts[lit][:, : last + 1].astype(np.float64)

    def scores(contrast: float) -> np.ndarray:
        return np.sum(own * score_of(expected, contrast, last + 1), axis=1)

    lowest = -0.9 / max(last, float(expected.max()), 1.0)
    if scores(lowest).sum() <= 0:
        best = lowest
    elif scores(MOST_CONTRAST).sum() >= 0:
        best = MOST_CONTRAST
    else:
        best = brentq(lambda contrast: scores(contrast).sum(), lowest, MOST_CONTRAST, xtol=1e-12)
    step = STEP * (best - lowest) or STEP
    above, below = best + step, max(best - step, lowest)
    slope = (scores(above).sum() - scores(below).sum()) / (above - below)
    influence = np.zeros(mean.shape)
    influence[lit] = scores(best) / -slope if slope < 0 else np.nan
    return float(best), influence
