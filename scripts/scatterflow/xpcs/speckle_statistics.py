"""Speckle visibility: contrast and mean count from the distribution of photons over pixels (XSVS).

The contrast of a dynamic bin is the likeliest one of the negative binomial distribution
(`scatterflow.xpcs.negative_binomial`); the mean is that of each static bin times that of the segment of
time: neither a slope of the intensity within a dynamic bin nor a drifting beam then counts as contrast. Mean
and contrast are orthogonal. Beside it stands the moment estimator <K (K - 1)> / <K>^2 - 1, which needs no
distribution: over an exposure in which the intensity changes the photons are not exactly negative binomial,
and at some photons per pixel the likeliest contrast is then a few percent low.

Errors come from the scatter of the cells (static bins times segments): each cell's influence on the contrast,
squared; neighbouring segments share what relaxes between them, at the weight of Bartlett (Newey & West,
Econometrica 55 (1987) 703). Segments must be longer than the relaxation, and static bins or
segments some ten at least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.xpcs.negative_binomial import contrast_by_likelihood, probabilities
from scatterflow.xpcs.photon_histograms import PhotonHistograms


@dataclass(frozen=True)
class SpeckleStatistics:
    """Contrast per exposure and dynamic bin.

    exposures: (E,) int64, frames. mean, mean_error: (E, Nd) photons per pixel and sum. contrast,
    contrast_error, moment_contrast, moment_error: (E, Nd). moment_covariance: (Nd, E, E) of the latter.
    probability, expected: (E, Nd, K + 1) measured and fitted, the last class K or more. NaN: no two
    photons together, or for errors too few cells.
    """

    exposures: np.ndarray
    mean: np.ndarray
    mean_error: np.ndarray
    contrast: np.ndarray
    contrast_error: np.ndarray
    moment_contrast: np.ndarray
    moment_error: np.ndarray
    moment_covariance: np.ndarray
    probability: np.ndarray
    expected: np.ndarray


@dataclass(frozen=True)
class _Cells:
    """Cells of a dynamic bin: (static bins, segments) sums of pixels, their expected mean, histograms."""

    number: np.ndarray
    mean: np.ndarray
    counts: np.ndarray
    photons: np.ndarray
    pairs: np.ndarray


def speckle_statistics(histograms: PhotonHistograms, parent: np.ndarray) -> SpeckleStatistics:
    """Contrast and mean of every dynamic bin. parent: (static bins,) 0-based dynamic bin of each."""
    exposures, bins = histograms.exposures.size, int(parent.max()) + 1
    classes = histograms.counts.shape[3]
    found = {
        name: np.full((exposures, bins), np.nan)
        for name in ("mean", "mean_error", "contrast", "contrast_error", "moment_contrast")
    }
    covariance = np.full((bins, exposures, exposures), np.nan)
    probability = np.full((exposures, bins, classes), np.nan)
    expected = np.full((exposures, bins, classes), np.nan)
    for number in range(bins):
        influences = []
        for exposure in range(exposures):
            cells = _cells(histograms, exposure, parent == number)
            influences.append(np.full(cells.mean.shape, np.nan))
            if not cells.pairs.any():
                continue
            place = exposure, number
            found["mean"][place], found["mean_error"][place] = _mean(cells)
            contrast, influence = contrast_by_likelihood(cells.counts, cells.mean)
            found["contrast"][place] = contrast
            found["contrast_error"][place] = np.sqrt(_scatter([influence])[0, 0])
            found["moment_contrast"][place], influences[-1] = _by_moments(cells)
            probability[place] = cells.counts.sum(axis=(0, 1)) / cells.counts.sum()
            expected[place] = _expected_probability(cells, contrast)
        covariance[number] = _scatter(influences)
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)).T
    return SpeckleStatistics(
        exposures=histograms.exposures,
        moment_error=error,
        moment_covariance=covariance,
        probability=probability,
        expected=expected,
        **found,
    )


def _cells(histograms: PhotonHistograms, exposure: int, mine: np.ndarray) -> _Cells:
    counts = histograms.counts[exposure, mine]
    photons, pairs = histograms.photons[exposure, mine], histograms.pairs[exposure, mine]
    number = counts.sum(axis=2)
    # As in a table of contingency: the static bin's mean times how bright the segment was.
    of_bin = _ratio(photons.sum(axis=1), number.sum(axis=1))
    whole = of_bin[:, None] * number
    of_segment = _ratio(photons.sum(axis=0), whole.sum(axis=0))
    return _Cells(number, of_bin[:, None] * of_segment, counts, photons, pairs)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(below.shape), where=below > 0)


def _mean(cells: _Cells) -> tuple[float, float]:
    """Photons per pixel and sum, with the error that the scatter of the segments gives."""
    mean = cells.photons.sum() / cells.number.sum()
    used = cells.number.sum(axis=0) > 0
    if used.sum() < 2:
        return mean, np.nan
    segments = _ratio(cells.photons.sum(axis=0), cells.number.sum(axis=0))[used]
    return mean, segments.std(ddof=1) / np.sqrt(used.sum())


def _by_moments(cells: _Cells) -> tuple[float, np.ndarray]:
    """Contrast from <K (K - 1)> / <K>^2, and the influence of every cell on it."""
    squared = cells.number * cells.mean**2
    ratio = cells.pairs.sum() / squared.sum()
    influence = cells.pairs - 2 * ratio * cells.mean * cells.photons + ratio * squared
    return ratio - 1, influence / squared.sum()


def _scatter(influences: list[np.ndarray]) -> np.ndarray:
    """Covariance of estimates from the influence of every cell, (static bins, segments), on each."""
    own = np.stack(influences)
    used = (own != 0).any(axis=0)
    if used.sum() < 2:
        return np.full((len(own), len(own)), np.nan)
    own = own * np.sqrt(used.sum() / (used.sum() - 1))
    flat = own.reshape(len(own), -1)
    before, after = (part.reshape(len(own), -1) for part in (own[..., :-1], own[..., 1:]))
    across = before @ after.T
    return flat @ flat.T + 0.5 * (across + across.T)


def _expected_probability(cells: _Cells, contrast: float) -> np.ndarray:
    """(K + 1,) P(K) that the fit expects of all cells together; below 0 the contrast counts as 0."""
    lit = cells.mean > 0
    classes = cells.counts.shape[-1]
    table = probabilities(cells.mean[lit], max(contrast, 0.0), classes)
    table[..., -1] = 1 - table[..., :-1].sum(axis=-1)
    number = cells.number[lit]
    dark = np.zeros(classes)
    dark[0] = cells.number[~lit].sum()
    return (number @ table + dark) / cells.number.sum()
