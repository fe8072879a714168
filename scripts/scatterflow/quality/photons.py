"""Photon starvation: which dynamic bins hold too few photons for their g2 to mean anything.

At the shortest delay g2 of a bin counts coincidences: photons of one pixel in both frames of a pair. Of P
pixels with k photons each in N pairs of frames one expects P N k^2 of them without any correlation, and g2
is noisy by one over the root of that number, whatever else limits it (Falus, Lurio & Mochrie, J. Synchrotron
Rad. 13 (2006) 253; Jakeman, J. Phys. A 6 (1973) 1219). Hot pixels count for nothing here: their counts make a
dark bin look bright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.quality.checks import Finding, listed
from scatterflow.quality.pixels import PixelSums, hot_pixels
from scatterflow.xpcs.correlation import Correlation

MANY = 0.5
"""From this share of starved bins on the result is starved."""


@dataclass(frozen=True)
class BinPhotons:
    """Photons of the dynamic bins. per_pixel: (Nd,) mean photons per pixel and frame without hot pixels;
    noise: (Nd,) of g2 at the shortest delay by the number of photons, inf without any."""

    per_pixel: np.ndarray
    noise: np.ndarray

    def starved(self, limit: float) -> np.ndarray:
        """Bins whose g2 is noisier than the limit, (Nd,) bool."""
        return self.noise > limit


def summed_pixels(correlation: Correlation) -> PixelSums:
    """The sums of all frames of a result's pixels, those of the q-map being the good ones."""
    frames, qmap = correlation.frames, correlation.qmap
    valid = int(np.count_nonzero(frames.valid))
    measured = np.full(qmap.shape, valid, np.int64)
    if frames.invalid.size:
        measured -= frames.invalid.astype(np.int64)
    total = np.where(np.isfinite(frames.mean), frames.mean, 0.0) * measured
    good = qmap.mask & (np.isfinite(frames.mean) | (measured == 0))
    # Sums of whole counts, but for the rounding of the mean.
    return PixelSums("the q-map", np.round(total, 6), measured, good, valid)


def bin_photons(correlation: Correlation) -> BinPhotons:
    """Photons of all dynamic bins of a result."""
    qmap = correlation.qmap
    sums = summed_pixels(correlation)
    used = (sums.good & (sums.measured > 0) & ~hot_pixels(sums)).reshape(-1)[qmap.pixels]
    total = sums.total.reshape(-1)[qmap.pixels] / np.maximum(sums.frames, 1)
    static = qmap.static_of_position[used]
    pixels = np.bincount(static, minlength=qmap.static_bins)
    counts = np.bincount(static, total[used], qmap.static_bins)
    mean = np.divide(counts, pixels, out=np.zeros(counts.shape), where=pixels > 0)
    pairs = _pairs(correlation)
    coincidences = pairs * np.bincount(qmap.parent, pixels * mean**2, qmap.dynamic_bins)
    of_bin = np.bincount(qmap.parent, counts, qmap.dynamic_bins)
    number = np.bincount(qmap.parent, pixels, qmap.dynamic_bins)
    noise = np.full(qmap.dynamic_bins, np.inf)
    np.divide(1.0, np.sqrt(coincidences), out=noise, where=coincidences > 0)
    per_pixel = np.divide(of_bin, number, out=np.zeros(of_bin.shape), where=number > 0)
    return BinPhotons(per_pixel, noise)


def starved_bins(correlation: Correlation, limit: float) -> np.ndarray:
    """Dynamic bins of a result that are starved, (Nd,) bool: what plots draw grey."""
    return bin_photons(correlation).starved(limit)


def _pairs(correlation: Correlation) -> int:
    """Pairs of frames at the shortest delay."""
    if correlation.g2 is not None and (correlation.g2.delay > 0).any():
        return int(correlation.g2.pairs[np.argmax(correlation.g2.delay > 0)])
    return max(0, int(np.count_nonzero(correlation.frames.valid)) - 1)


def starvation(photons: BinPhotons, limit: float) -> Finding:
    """The finding: some starved bins are doubtful, many are bad."""
    starved = photons.starved(limit)
    share = float(starved.mean())
    worst = float(photons.noise.max())
    details = {
        "starved_bins": listed(np.flatnonzero(starved) + 1),
        "number": int(starved.sum()),
        "photons_per_pixel": photons.per_pixel,
        "noise": photons.noise,
    }
    if not starved.any():
        sentence = (
            f"Photons allow g2 of every bin to be known to {worst:.2g} at the shortest delay."
        )
        return Finding(worst, "fine", sentence, details)
    number, bins = int(starved.sum()), starved.size
    sentence = (
        f"{number} of {bins} bins hold too few photons: by their number alone g2 at the shortest delay is "
        f"uncertain by more than {limit:.2g}; plots show them grey."
    )
    value = worst if np.isfinite(worst) else None
    return Finding(value, "bad" if share >= MANY else "doubtful", sentence, details)
