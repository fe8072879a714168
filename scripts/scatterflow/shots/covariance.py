"""Covariance of the elements of a profile over shots: of spectra, of waveforms, of several scalars.

    C_ij = sum (x_i - m_i)(x_j - m_j) / (n - 1)

A shot of which one element is missing is left out whole, and counted. Centred products of a block of shots,
blocks put together as Chan, Golub & LeVeque (American Statistician 37 (1983) 242) put variances together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.shots.accumulators import Accumulator, Later, as_rows, check_shape, known, no_shots

BLOCK = 256
"""Shots whose products are summed at once."""


@dataclass(frozen=True)
class CovarianceStatistics:
    """count, missing: shots taken and left out; mean: (k,).

    sample_covariance (divided by count - 1), population_covariance (by count), correlation: (k, k), NaN where
    undefined (too few shots; correlation: an element that is constant).
    """

    count: int
    missing: int
    mean: np.ndarray
    sample_covariance: np.ndarray
    population_covariance: np.ndarray
    correlation: np.ndarray


@dataclass
class Covariance(Accumulator):
    """Covariance of k elements. count, missing: shots; mean: (k,), products: (k, k) float64."""

    count: int = 0
    missing: int = 0
    mean: Later = None
    products: Later = None

    def update(self, values: np.ndarray) -> None:
        """Add shots, values (n, k)."""
        rows, shape = as_rows(values)
        if len(shape) != 1:
            raise ValueError(f"shots of {shape}: a covariance is that of profiles (n, k)")
        self._begin(shape[0])
        for first in range(0, len(rows), BLOCK):
            block = rows[first : first + BLOCK].astype(np.float64)
            present = known(block).all(axis=1)
            self.missing += int((~present).sum())
            block = block[present]
            if len(block):
                mean = block.mean(axis=0)
                centred = block - mean
                self._add(len(block), mean, centred.T @ centred)

    def merge(self, other: Covariance) -> None:
        """Add the shots of another one."""
        self._check_like(other)
        if other.mean is None or other.products is None:
            return
        self._begin(len(other.mean))
        self.missing += other.missing
        if other.count:
            self._add(other.count, other.mean, other.products)

    def finalize(self) -> CovarianceStatistics:
        """Mean, covariance, correlation. Raises UserError if there were no shots."""
        if self.mean is None or self.products is None:
            raise no_shots()
        undefined = np.full_like(self.products, np.nan)
        deviation = np.sqrt(np.diag(self.products))
        scale = np.outer(deviation, deviation)
        return CovarianceStatistics(
            self.count,
            self.missing,
            self.mean.copy() if self.count else np.full_like(self.mean, np.nan),
            self.products / (self.count - 1) if self.count > 1 else undefined,
            self.products / self.count if self.count else undefined,
            np.divide(self.products, scale, out=undefined.copy(), where=scale > 0),
        )

    def _begin(self, size: int) -> None:
        if self.mean is None:
            self.mean, self.products = np.zeros(size), np.zeros((size, size))
        check_shape(self.mean.shape, (size,))

    def _add(self, count: int, mean: np.ndarray, products: np.ndarray) -> None:
        total = self.count + count
        step = mean - self.mean
        self.products += products + np.outer(step, step) * (self.count * count / total)
        self.mean += step * (count / total)
        self.count = total
