"""Azimuthal integration of stored frames with a prepared sparse matrix.

For bin b with pixels p and weights c (the fraction of p that falls into b):

    signal         S_b = sum_p c (n_p - d_p)
    variance       V_b = sum_p c^2 (v(n_p) + v_d,p)
    normalisation  N_b = sum_p c w_p            w: solid angle x polarisation x flat

and I_b = S_b / N_b, sigma_b = sqrt(V_b) / N_b: pyFAI's weighted average (Kieffer, Valls, Blanc &
Hennig, J. Synchrotron Rad. 27 (2020) 558), with sums in float64. Pixels outside the valid range
add to none of the three sums. Bins are summed in a fixed order, so a frame's result depends neither
on the frames beside it nor on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numba import njit

ERROR_MODELS = {"none": -1.0, "counting": 0.0, "poisson": 1.0}


@njit(nogil=True, cache=True)
def _integrate(
    frames: np.ndarray,
    low: float,
    high: float,
    indptr: np.ndarray,
    indices: np.ndarray,
    coefficients: np.ndarray,
    weight: np.ndarray,
    dark: np.ndarray,
    dark_variance: np.ndarray,
    floor: float,
    signal: np.ndarray,
    variance: np.ndarray,
    normalisation: np.ndarray,
) -> None:
    has_dark = dark.size > 0
    has_dark_variance = dark_variance.size > 0
    for frame in range(frames.shape[0]):
        for b in range(indptr.size - 1):
            total = 0.0
            spread = 0.0
            norm = 0.0
            for k in range(indptr[b], indptr[b + 1]):
                pixel = indices[k]
                stored = frames[frame, pixel]
                # A NaN fails both comparisons and is left out.
                if not (stored >= low and stored <= high):
                    continue
                share = np.float64(coefficients[k])
                count = np.float64(stored)
                noise = max(count, floor)
                if has_dark:
                    count -= dark[pixel]
                if has_dark_variance:
                    noise += dark_variance[pixel]
                total += share * count
                spread += share * share * noise
                norm += share * weight[pixel]
            signal[frame, b] = total
            variance[frame, b] = spread if floor >= 0.0 else np.nan
            normalisation[frame, b] = norm


def integrate_frames(
    frames: np.ndarray,
    limits: tuple[float, float],
    indptr: np.ndarray,
    indices: np.ndarray,
    coefficients: np.ndarray,
    weight: np.ndarray,
    *,
    dark: np.ndarray | None = None,
    dark_variance: np.ndarray | None = None,
    error_model: str = "poisson",
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signal, variance and normalisation of each frame, float64 (frames, bins).

    frames: (frames, rows * columns or rows, columns), any real dtype, C-contiguous, used as stored.
    limits: lowest and highest valid stored value, of the kind (integer, float) of the frames.
    indptr (bins + 1) int64, indices int32, coefficients float32 or float64: CSR matrix, a row a bin.
    weight: (pixels) float64. dark, dark_variance: (pixels) float64, counts and counts^2.
    error_model: `poisson` v(n) = max(1, n), `counting` v(n) = n, `none` (variance is NaN).
    """
    pixels = math.prod(frames.shape[1:])
    if pixels != weight.size:
        raise ValueError(f"frames of {pixels} pixels, weights for {weight.size}")
    frames = frames.reshape(len(frames), pixels)
    bins = indptr.size - 1
    signal, variance, normalisation = (np.empty((len(frames), bins)) for _ in range(3))
    empty = np.empty(0)
    low, high = comparable(limits, frames.dtype)

    def run(part: slice) -> None:
        _integrate(
            frames[part],
            low,
            high,
            indptr,
            indices,
            coefficients,
            weight,
            empty if dark is None else dark.ravel(),
            empty if dark_variance is None else dark_variance.ravel(),
            ERROR_MODELS[error_model],
            signal[part],
            variance[part],
            normalisation[part],
        )

    _over_frames(run, len(frames), threads)
    return signal, variance, normalisation


def comparable(limits: tuple[float, float], dtype: np.dtype) -> tuple[np.generic, np.generic]:
    """Limits as scalars of the frames' own type, so that comparison is exact and compiled once."""
    return dtype.type(limits[0]), dtype.type(limits[1])


def _over_frames(run: Callable[[slice], None], frames: int, threads: int) -> None:
    threads = min(threads, frames)
    if threads <= 1:
        run(slice(0, frames))
        return
    edges = np.linspace(0, frames, threads + 1).astype(int)
    parts = [slice(a, b) for a, b in pairwise(edges)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, parts))
