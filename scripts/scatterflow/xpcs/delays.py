"""Over which times every value of a correlation function averages.

A multi-tau frame of level l is the sum of m = 2^l frames, or of as many times what was averaged before. Its
correlation at delay k (in frames) averages that of the frames over all pairs, with triangular weights:

    (1/m^2) sum over |j| < m of (m - |j|) h(k + j)

For h = exp(-2 t/tau), t in frames, this is exp(-2 k/tau) [sinh(m/tau) / (m sinh(1/tau))]^2. A frame that
gathers photons over an exposure averages in the same way, by a triangle of that half width (Bandyopadhyay
et al., Rev. Sci. Instrum. 76 (2005) 093110). Many times are replaced by the few of the Gauss quadrature
of their weights (Golub & Welsch, Math. Comput. 23 (1969) 221), exact for polynomials of degree 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from scatterflow.errors import UserError

NODES = 7
"""Times in place of all those of one delay."""


@dataclass(frozen=True)
class Delays:
    """Delays of a correlation function.

    seconds: (T,) float64, the delays. times: (T, n) float64, s, over which each averages; weights: (T, n),
    they add up to 1.
    """

    seconds: np.ndarray
    times: np.ndarray
    weights: np.ndarray

    def average(self, values: np.ndarray) -> np.ndarray:
        """(..., T, n) values at `times` -> (..., T) averages."""
        return np.einsum("...tn,tn->...t", values, self.weights)

    def part(self, used: np.ndarray) -> Delays:
        """Those delays of which `used`, (T,) bool, is True."""
        return Delays(self.seconds[used], self.times[used], self.weights[used])


def delays_of(
    delay: np.ndarray,
    level: np.ndarray,
    frame_time_s: float,
    exposure_s: float = 0.0,
    average: int = 1,
) -> Delays:
    """Delays of a correlation; delay: (T,) in frames, level: (T,) of multi-tau, 0 elsewhere.

    frame_time_s: from one raw frame to the next. average: raw frames that are added up to a frame.
    exposure_s: time over which a raw frame gathers photons; 0: what it averages out is missing in the
    contrast.
    Raises UserError for times that make no sense.
    """
    delay, level = np.asarray(delay, dtype=np.float64) * average, np.asarray(level)
    _check(frame_time_s, exposure_s)
    rules = {number: _triangle(average * 2 ** int(number)) for number in np.unique(level)}
    most = max(nodes.size for nodes, _ in rules.values())
    times = np.repeat(delay[:, None], most, axis=1)
    weights = np.zeros(times.shape)
    for row, number in enumerate(level):
        nodes, own = rules[number]
        times[row, : nodes.size] += nodes
        weights[row, : nodes.size] = own
    times *= frame_time_s
    if exposure_s > 0:
        times, weights = _over_exposure(times, weights, exposure_s)
    return Delays(delay * frame_time_s, times, weights)


def sums_of(exposures: np.ndarray, frame_time_s: float, exposure_s: float = 0.0) -> Delays:
    """Times over which the contrast of sums of frames averages; exposures: (T,) raw frames that are added up.

    Like the zeroth delay of a multi-tau frame of any length: pairs of a frame with itself count, too.
    seconds: exposures times the frame time.
    """
    exposures = np.asarray(exposures)
    _check(frame_time_s, exposure_s)
    rules = [_distances(int(frames)) for frames in exposures]
    most = max(nodes.size for nodes, _ in rules)
    times, weights = np.zeros((exposures.size, most)), np.zeros((exposures.size, most))
    for row, (nodes, own) in enumerate(rules):
        times[row, : nodes.size] = nodes * frame_time_s
        weights[row, : nodes.size] = own
    if exposure_s > 0:
        times, weights = _over_exposure(times, weights, exposure_s)
    return Delays(exposures * frame_time_s, np.abs(times), weights)


def _check(frame_time_s: float, exposure_s: float) -> None:
    if not frame_time_s > 0:
        raise UserError(
            f"the time between frames is {frame_time_s} s", "frame_time_s", "give one above 0"
        )
    if not 0 <= exposure_s <= frame_time_s * (1 + 1e-9):
        raise UserError(
            f"an exposure of {exposure_s} s does not fit between frames {frame_time_s} s apart",
            "exposure of the frames",
            "correct the metadata, or fit without the correction of the exposure",
        )


@cache
def _triangle(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes, in frames, and weights of the triangle that the pairs of two sums of frames make."""
    shifts = np.arange(1 - frames, frames, dtype=np.float64)
    weights = (frames - np.abs(shifts)) / frames**2
    if shifts.size <= NODES:
        return shifts, weights
    return _gauss(shifts, weights)


@cache
def _distances(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes, in frames, and weights of the distances of all pairs of so many frames.

    Octave by octave: what decays may do so within few of the frames.
    """
    nodes, weights = [np.zeros(1)], [np.ones(1) / frames]
    first = 1
    while first < frames:
        distances = np.arange(first, min(2 * first, frames), dtype=np.float64)
        numbers = 2 * (frames - distances) / frames**2
        if distances.size > NODES:
            distances, numbers = _gauss(distances, numbers)
        nodes.append(distances)
        weights.append(numbers)
        first *= 2
    return np.concatenate(nodes), np.concatenate(weights)


def _gauss(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss quadrature of a measure of many points: nodes and their weights."""
    middle, half = (points[0] + points[-1]) / 2, (points[-1] - points[0]) / 2
    points, share = (points - middle) / half, weights / weights.sum()
    # Stieltjes: means of orthogonal polynomials and ratios of their squared norms make the Jacobi matrix.
    before, now = np.zeros(points.size), np.ones(points.size)
    norm = 1.0
    means: list[float] = []
    ratios: list[float] = []
    for _ in range(NODES):
        means.append(float(np.sum(share * points * now**2)) / norm)
        after = (points - means[-1]) * now - (ratios[-1] * before if ratios else 0.0)
        before, now = now, after
        squared = float(np.sum(share * now**2))
        ratios.append(squared / norm)
        norm = squared
    off = np.sqrt(ratios[:-1])
    nodes, vectors = np.linalg.eigh(np.diag(means) + np.diag(off, 1) + np.diag(off, -1))
    return middle + half * nodes, vectors[0] ** 2 * weights.sum()


def _over_exposure(
    times: np.ndarray, weights: np.ndarray, exposure_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Times and weights spread by the triangle of an exposure; weights 0 stay 0."""
    nodes, own = np.polynomial.legendre.leggauss(NODES)
    half, own = (nodes + 1) / 2, own / 2
    shifts = np.concatenate([-half[::-1], half])
    shares = np.concatenate([(own * (1 - half))[::-1], own * (1 - half)])
    spread = times[..., None] + shifts * exposure_s
    shared = weights[..., None] * shares
    return spread.reshape(len(times), -1), shared.reshape(len(times), -1)
