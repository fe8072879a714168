"""Sums over frames, pixel by pixel, that do not depend on how the frames were grouped.

Integers of up to 32 bits are summed as int64. Each other sum is held as an unevaluated pair high + rest of
float64 (Dekker, Numer. Math. 18 (1971) 224; Knuth's TwoSum), twice the precision of one: sums of
integers of up to 53 bits are exact, sums of floats exact to about 1e-32. Rounded to float64 in the end,
they are the same for any chunking.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from scatterflow.kernels.compiled import compiled
from scatterflow.kernels.sizes import TILE


def comparable(limits: tuple[float, float], dtype: np.dtype) -> tuple[np.generic, np.generic]:
    """Limits as scalars of the frames' own type, so that comparison is exact and compiled once."""
    return dtype.type(limits[0]), dtype.type(limits[1])


@compiled
def _add_pair(high: float, rest: float, value: float) -> tuple[float, float]:
    """(high + rest) + value as a pair."""
    total = high + value
    part = total - high
    error = (high - (total - part)) + (value - part)
    error += rest
    rounded = total + error
    return rounded, error - (rounded - total)


def add_floats(rows, at, width, frames, low, high, first, total, rest):
    """Add rows[:frames, at : at + width] to the sums of pixels first..first + width - 1, in compiled code.

    Values not within low..high (NaN is not) are left out. Does nothing where total is int64.
    """
    raise NotImplementedError


@overload(add_floats)
def _choose_add_floats(rows, at, width, frames, low, high, first, total, rest):
    return _add_nothing if isinstance(total.dtype, types.Integer) else _add_floats


def _add_nothing(rows, at, width, frames, low, high, first, total, rest):
    return None


def _add_floats(rows, at, width, frames, low, high, first, total, rest):
    own, own_rest = total[first : first + width], rest[first : first + width]
    for lane in range(frames):
        row = rows[lane, at : at + width]
        for i in range(row.size):
            if row[i] >= low and row[i] <= high:
                own[i], own_rest[i] = _add_pair(own[i], own_rest[i], np.float64(row[i]))


@compiled
def _add_pairs(high: np.ndarray, rest: np.ndarray, more: np.ndarray, more_rest: np.ndarray) -> None:
    for pixel in range(high.size):
        high[pixel], rest[pixel] = _add_pair(high[pixel], rest[pixel], more[pixel])
        high[pixel], rest[pixel] = _add_pair(high[pixel], rest[pixel], more_rest[pixel])


class PixelSums:
    """What one thread sums of one kind of frames; `tile_sums.add_tile` fills it tile by tile.

    total, rest: int64 and empty, or float64 both, (pixels, filled up to whole tiles); invalid: (pixels)
    uint32, frames in which the pixel was not valid; frames: how many were summed.
    """

    def __init__(self, pixels: int, dtype: np.dtype) -> None:
        exact = dtype.kind in "iub" and dtype.itemsize <= 4
        padded = -(-pixels // TILE) * TILE  # tiles are loaded whole
        self.total: np.ndarray = np.zeros(padded, dtype=np.int64 if exact else np.float64)
        self.rest = np.zeros(0 if exact else padded)
        self.invalid: np.ndarray = np.zeros(pixels, dtype=np.uint32)
        self.frames = 0

    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """The sums as high + rest, exactly."""
        total, rest = self.total[: self.invalid.size], self.rest[: self.invalid.size]
        if total.dtype == np.float64:
            return total, rest
        high = total.astype(np.float64)
        return high, (total - high.astype(np.int64)).astype(np.float64)


class FrameSum:
    """Sum of the valid values of each pixel over frames, and how many they are; mergeable.

    high, rest: (rows, columns) float64, the sum is high + rest; count: (rows, columns) uint32.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.high = np.zeros(shape)
        self.rest = np.zeros(shape)
        self.count = np.zeros(shape, dtype=np.uint32)

    def add(self, sums: PixelSums) -> None:
        """Add what a thread has summed."""
        valid = np.uint32(sums.frames) - sums.invalid
        self.merge(*sums.pair(), valid.reshape(self.count.shape))

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
