"""Sums over frames, pixel by pixel, that do not depend on how the frames were grouped.

Each pixel's sum is held as an unevaluated pair high + rest of float64 (Dekker, Numer. Math. 18 (1971)
224; Knuth's TwoSum), twice the precision of one. Sums of integers of up to 53 bits are exact, sums of
floats exact to about 1e-32: rounded to float64 in the end, they are the same for any chunking.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from scatterflow.kernels.azimuthal import comparable


@njit(nogil=True, cache=True)
def _add_pair(high: float, rest: float, value: float) -> tuple[float, float]:
    """(high + rest) + value as a pair."""
    total = high + value
    part = total - high
    error = (high - (total - part)) + (value - part)
    error += rest
    rounded = total + error
    return rounded, error - (rounded - total)


@njit(nogil=True, cache=True)
def _add_frames(
    frames: np.ndarray,
    low: float,
    top: float,
    high: np.ndarray,
    rest: np.ndarray,
    count: np.ndarray,
) -> None:
    for frame in range(frames.shape[0]):
        for pixel in range(frames.shape[1]):
            stored = frames[frame, pixel]
            # A NaN fails both comparisons and is left out.
            if stored >= low and stored <= top:
                high[pixel], rest[pixel] = _add_pair(high[pixel], rest[pixel], np.float64(stored))
                count[pixel] += 1


@njit(nogil=True, cache=True)
def _add_integers(
    frames: np.ndarray, low: int, top: int, total: np.ndarray, count: np.ndarray
) -> None:
    for frame in range(frames.shape[0]):
        for pixel in range(frames.shape[1]):
            stored = frames[frame, pixel]
            if stored >= low and stored <= top:
                total[pixel] += stored
                count[pixel] += 1


@njit(nogil=True, cache=True)
def _add_pairs(high: np.ndarray, rest: np.ndarray, more: np.ndarray, more_rest: np.ndarray) -> None:
    for pixel in range(high.size):
        high[pixel], rest[pixel] = _add_pair(high[pixel], rest[pixel], more[pixel])
        high[pixel], rest[pixel] = _add_pair(high[pixel], rest[pixel], more_rest[pixel])


class FrameSum:
    """Sum of the valid values of each pixel over frames, and how many they are; mergeable.

    high, rest: (rows, columns) float64, the sum is high + rest; count: (rows, columns) uint32.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.high = np.zeros(shape)
        self.rest = np.zeros(shape)
        self.count = np.zeros(shape, dtype=np.uint32)

    def update(self, frames: np.ndarray, limits: tuple[float, float]) -> None:
        """Add frames (frames, rows, columns) of any real dtype; limits: lowest and highest valid value."""
        low, top = comparable(limits, frames.dtype)
        flat = frames.reshape(len(frames), self.high.size)
        count = self.count.reshape(-1)
        if frames.dtype.kind in "iub" and frames.dtype.itemsize <= 4:
            # Quicker, and as exact: no block of frames reaches 2^53 in such values.
            total = np.zeros(flat.shape[1], dtype=np.int64)
            _add_integers(flat, low, top, total, count)
            self.merge(total.astype(np.float64), np.zeros(total.size), np.zeros_like(self.count))
        else:
            _add_frames(flat, low, top, self.high.reshape(-1), self.rest.reshape(-1), count)

    def merge(self, high: np.ndarray, rest: np.ndarray, count: np.ndarray) -> None:
        """Add another sum."""
        _add_pairs(
            self.high.reshape(-1),
            self.rest.reshape(-1),
            np.ascontiguousarray(high).reshape(-1),
            np.ascontiguousarray(rest).reshape(-1),
        )
        self.count += count

    def finalize(self) -> np.ndarray:
        """The sum, rounded to float64."""
        return self.high + self.rest
