"""Standard errors of g2 that hold: from the scatter over speckles, and from that over windows of time.

Speckles. To first order g2 of a dynamic bin is a sum over its pixels of u_p (see `g2`). Pixels of one
speckle see the same fluctuations, so that the variance of the sum is

    var(g2) = sum over pairs p, q of u_p u_q    over neighbours within the reach of a speckle,

the spatial form of the estimator of Newey and West (Econometrica 55 (1987) 703; Conley, J. Econometrics 92
(1999) 1), with equal weights since the reach is measured. As the mean over a static bin is taken out of u,
its pairs sum to less: a static bin of n pixels with m pairs within reach loses m / n^2 of its share, which
is put back. The variance is never less than that of independent pixels, n / (n - 1) sum u_p^2. What moves
all pixels alike (the beam) is not seen; windows of time see it.

The speckle size is that of the correlation of intensities that have changed in the course of the run, late
less early frames, at small displacements d: a Gaussian, exp(-4 ln 2 [(d_y / F_y)^2 + (d_x / F_x)^2]), fitted
for d other than 0, where shot noise does not add to it; what does not change (gains, slopes of the
scattering) is gone. Averaging over time lowers the fluctuations but leaves the shape of their correlation,
|mu(d)|^2 (Goodman, Speckle Phenomena in Optics, 2007, section 4).

Windows of time. Jackknife over windows: g2 with the sums of one window left out, for each of them (Efron and
Stein, Ann. Statist. 9 (1981) 586); scaled by the pairs of the windows over those of the run, which has also
the pairs that straddle windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scatterflow.kernels.speckle_size import half_plane, neighbour_sums

# Displacements up to which correlation is looked for, pixels.
FARTHEST = 10
# Widths that are tried, pixels.
WIDTHS = np.geomspace(1.0, 12.0, 26)
# An amplitude is believed from so many standard deviations on.
SIGNIFICANT = 4.0
# A Gaussian of speckles has fallen to 0.2 % at so many widths.
REACH_PER_WIDTH = 1.5
# Where nothing is seen, next neighbours are taken in all the same: they cost little.
LEAST_REACH = 1.5
# A static bin within one speckle has no scatter of its own; more than this is not put back.
_MOST_LOST = 0.9


@dataclass(frozen=True, eq=False)
class Speckles:
    """Which pixels are correlated.

    size: (Nd,) float64, full width at half maximum in pixels (geometric mean of both axes), NaN where
    nothing is seen; reach: rows and columns, of all bins; bins: (rows, columns) int32, dynamic bin from 1,
    0 = none; order: (P,) int64, flat pixel of each position; displacements: (n, 2) int64; lost: (Ns,)
    float64, share of a static bin's pairs that the removed mean takes.
    """

    size: np.ndarray
    reach: tuple[float, float]
    bins: np.ndarray
    order: np.ndarray
    displacements: np.ndarray
    lost: np.ndarray


def measure_speckles(
    early: np.ndarray,
    late: np.ndarray,
    order: np.ndarray,
    dynamic: np.ndarray,
    static: np.ndarray,
    threads: int = 1,
) -> Speckles:
    """Speckle size in each dynamic bin, and the reach that errors are summed over.

    early, late: (P,) float64, intensities of each position, summed over frames that are not the same;
    order: (P,) int64, flat pixels; dynamic, static: (rows, columns) bins from 1, 0 = none, as in the q-map.
    """
    bins = np.ascontiguousarray(dynamic, np.int32)
    static = np.ascontiguousarray(static, np.int32)
    of_pixel = static.reshape(-1)[order]
    fluctuation = _over_mean(late, of_pixel) - _over_mean(early, of_pixel)
    displacements = half_plane(FARTHEST + 0.5, FARTHEST + 0.5)
    products = _neighbours(fluctuation, order, bins, displacements, threads)
    numbers = _neighbours(np.ones(order.size), order, bins, displacements, threads)
    own = bins.reshape(-1)[order] - 1
    square = np.bincount(own, fluctuation**2, len(products))
    variance = square / np.maximum(np.bincount(own, minlength=len(products)), 1)
    fits = [
        _fit_widths(displacements, *bin_) for bin_ in zip(products, numbers, variance, strict=True)
    ]
    found = np.array([fit for fit in fits if fit is not None])
    widths = np.median(found, axis=0) if found.size else np.zeros(2)
    reach = tuple(max(REACH_PER_WIDTH * float(width) + 0.5, LEAST_REACH) for width in widths)
    size = np.array([math.nan if fit is None else math.sqrt(fit[0] * fit[1]) for fit in fits])
    near = half_plane(*reach)
    pixels = np.bincount(of_pixel - 1)
    pairs = pixels + 2 * _neighbours(np.ones(order.size), order, static, near, threads).sum(axis=1)
    lost = np.minimum(pairs / np.maximum(pixels, 1) ** 2, _MOST_LOST)
    return Speckles(size, (reach[0], reach[1]), bins, order, near, lost)


def _over_mean(intensity: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Intensities over the mean of their bin; 1 where it is dark."""
    mean = (np.bincount(bins, intensity) / np.maximum(np.bincount(bins), 1))[bins]
    return np.divide(intensity, mean, out=np.ones(intensity.size), where=mean > 0)


def _neighbours(
    values: np.ndarray, order: np.ndarray, bins: np.ndarray, displacements: np.ndarray, threads: int
) -> np.ndarray:
    """Sums of products of neighbours, (bins, displacements)."""
    from concurrent.futures import ThreadPoolExecutor

    image = np.zeros(bins.shape)
    image.reshape(-1)[order] = values
    parts = np.array_split(displacements, min(threads, len(displacements)))
    sums = [np.empty((int(bins.max()) + 1, len(part))) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(neighbour_sums, [image] * len(parts), [bins] * len(parts), parts, sums):
            pass
    return np.concatenate(sums, axis=1)[1:]


def _fit_widths(
    displacements: np.ndarray, products: np.ndarray, numbers: np.ndarray, variance: float
) -> tuple[float, float] | None:
    """Widths of the Gaussian of least squares in rows and columns; None: no correlation is seen.

    products, numbers: (n,), sums of products and how many; variance: of a pixel, noise included.
    """
    if variance <= 0 or not numbers.any():
        return None
    correlation = products / np.maximum(numbers, 1)
    shape = np.exp(-4 * math.log(2) * np.square(displacements[:, :, None] / WIDTHS))
    model = shape[:, 0, :, None] * shape[:, 1, None, :]
    overlap = np.einsum("i,iyx->yx", numbers * correlation, model)
    norm = np.einsum("i,iyx->yx", numbers, model**2)
    # The amplitude that fits a pair of widths best explains overlap^2 / norm; it is not below 0.
    explained = np.where((overlap > 0) & (norm > 0), overlap, 0.0) / np.sqrt(
        np.maximum(norm, 1e-300)
    )
    best = np.unravel_index(np.argmax(explained), explained.shape)
    if explained[best] < SIGNIFICANT * variance:
        return None
    return float(WIDTHS[best[0]]), float(WIDTHS[best[1]])


def speckle_variance(
    influence: np.ndarray, static: np.ndarray, parent: np.ndarray, speckles: Speckles
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of g2 of each dynamic bin, and its number of independent pixels, (Nd,) each.

    influence: (P,) float64, u_p; static: (P,) static bin of each position from 0; parent: (Ns,) dynamic bin
    of each static bin from 0.
    """
    bins = speckles.size.size
    square = np.bincount(static, influence**2, parent.size)
    pixels = np.bincount(parent[static], minlength=bins)
    alone = np.bincount(parent, square, bins)
    kept = np.bincount(parent, square * (1 - speckles.lost), bins)
    pairs = _neighbours(influence, speckles.order, speckles.bins, speckles.displacements, 1)
    near = np.zeros(bins)
    near[: len(pairs)] = alone[: len(pairs)] + 2 * pairs.sum(axis=1)
    independent = alone * pixels / np.maximum(pixels - 1, 1)
    with_neighbours = near * np.divide(alone, kept, out=np.ones(bins), where=kept > 0)
    variance = np.maximum(with_neighbours, independent)
    share = np.divide(independent, variance, out=np.ones(bins), where=variance > 0)
    return variance, pixels * share


def jackknife_error(left_out: np.ndarray, share: float) -> np.ndarray:
    """Standard error from g2 with one window of time left out each, (m, Nd).

    share: pairs of all windows over those of the run. NaN with fewer than three windows.
    """
    number = len(left_out)
    if number < 3:
        return np.full(left_out.shape[1], math.nan)
    scatter = np.square(left_out - left_out.mean(axis=0)).sum(axis=0)
    return np.sqrt((number - 1) / number * scatter * share)
