"""What a stack of frames says of each pixel: sums over frames read block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError


@dataclass(eq=False)
class StackStatistics:
    """Sums over frames, each (rows, columns).

    frames: number of frames. count: int64, valid values; total, squares: their sum and sum of squares,
    float64 (exact for integers below 2^53); zeros: int64, values that are 0; at_limit: int64, values at or
    above the saturation limit. Values below `lowest` or above `highest` are no measurement and left out of
    all but the last.
    """

    shape: tuple[int, int]
    limit: float | None = None
    lowest: float = 0.0
    highest: float = math.inf
    frames: int = 0

    def __post_init__(self) -> None:
        self.count = np.zeros(self.shape, np.int64)
        self.zeros = np.zeros(self.shape, np.int64)
        self.at_limit = np.zeros(self.shape, np.int64)
        self.total = np.zeros(self.shape)
        self.squares = np.zeros(self.shape)

    def update(self, block: np.ndarray) -> StackStatistics:
        """Add frames, (n, rows, columns) of any number type; NaN is left out."""
        for frame in block:
            if frame.shape != self.shape:
                raise UserError(f"a frame has shape {frame.shape}, the detector {self.shape}")
            values = frame.astype(np.float64)
            valid = (values >= self.lowest) & (values <= self.highest)
            if self.limit is not None:
                self.at_limit += values >= self.limit
            values[~valid] = 0.0
            self.count += valid
            self.zeros += valid & (values == 0)
            self.total += values
            self.squares += values**2
        self.frames += len(block)
        return self

    @property
    def mean(self) -> np.ndarray:
        """Mean of the valid values; NaN where there is none."""
        return _divided(self.total, self.count)

    @property
    def variance(self) -> np.ndarray:
        """Unbiased variance over frames; NaN where fewer than two values are valid."""
        scatter = self.squares - _divided(self.total**2, self.count)
        return _divided(np.maximum(scatter, 0.0), self.count - 1)


def _divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    found = np.full(above.shape, np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found
