"""Normalisation of the two-time map of one dynamic bin, as weights of unscaled products.

    C2(t1, t2) = n sum_p x_p(t1) x_p(t2) / (S(t1) S(t2)),   S(t) = sum_p x_p(t)

over the n pixels of a dynamic bin, where x is the counts u divided by a smooth intensity of the pixel's
static bin s (smoothing; XPCS-Eigen and boost_corr know the kinds):

    none, dynamic   x = u; dividing by the mean of the dynamic bin in the same frame changes nothing
    static          x = u / mean_s(t), the mean of the static bin in the same frame
    time_average    x = u / mean_s, the mean of the static bin over all valid frames

A static bin without a photon in a frame has no mean: with `static` its pixels are left out of all pairs with
that frame (n, S over the others), and counted. A frame without any photon in the bin has no C2: NaN, as has
an invalid frame.

`static` is biased where static bins hold few photons, as the mean is part of what it divides. Simulations
with contrast 1 and some 270 pixels a static bin gave C2 too low by 0.015 at 0.3 to 0.01 photons per
pixel and frame and by 0.2 at 0.003, where bins are often empty. `time_average` divides by S of the whole
dynamic bin alone, and flattens the intensity within it as well.

Factors per frame (normalisation by the frame's sum) cancel in C2; they only weigh the mean over time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.kernels.twotime import PANEL

SMOOTHING = ("none", "static", "dynamic", "time_average")


@dataclass(frozen=True)
class Parts:
    """Ranges of a bin's pixels; those of one part share their weights.

    edges: (parts + 1,) int64 positions in the block; group: (parts,) number of the static bin of each, from 0
    upwards; half: (parts,) 0 or 1, the half of the bin's pixels that it belongs to; panels: (panels + 1,) the
    edges and those of panels between; panel_of: (parts + 1,) the panel that each part begins with.
    """

    edges: np.ndarray
    group: np.ndarray
    half: np.ndarray
    panels: np.ndarray
    panel_of: np.ndarray

    @property
    def pixels(self) -> np.ndarray:
        """(parts,) pixels of each."""
        return np.diff(self.edges)

    def __len__(self) -> int:
        return len(self.group)


def make_parts(group_of: np.ndarray, halves: bool) -> Parts:
    """Parts of a block; group_of: (positions,) ascending, positions with one number share weights.

    halves: each group of two or more is cut in two, half 0 and half 1.
    """
    changes = np.flatnonzero(np.diff(group_of)) + 1
    edges, group, half = [0], [], []
    panels, panel_of = [0], [0]
    for number, (start, stop) in enumerate(
        zip([0, *changes], [*changes, len(group_of)], strict=True)
    ):
        middle = start + (stop - start) // 2
        cuts = [middle, stop] if halves and middle > start else [stop]
        for which, cut in enumerate(cuts, 2 - len(cuts)):
            panels += [*range(edges[-1] + PANEL, cut, PANEL), cut]
            panel_of.append(len(panels) - 1)
            edges.append(cut)
            group.append(number)
            half.append(which)
    return Parts(*(np.array(item, np.int64) for item in (edges, group, half, panels, panel_of)))


@dataclass(frozen=True)
class Weights:
    """A map made of some of a bin's parts: C2 = factor sum_part weights[part, t1] weights[part, t2] products.

    weights: (parts, frames) float64, 0 for parts that are none of the map's; uses: (parts,) bool. good:
    (frames,) bool, frames that have C2. occupied: (parts, frames), the parts with a mean, or None for all;
    else C2 is divided by the number of pixels that have one in both frames. pixels: (parts,).
    """

    weights: np.ndarray
    uses: np.ndarray
    factor: float
    good: np.ndarray
    occupied: np.ndarray | None
    pixels: np.ndarray


def make_weights(
    parts: Parts,
    uses: np.ndarray,
    sums: np.ndarray,
    valid: np.ndarray,
    scale: np.ndarray,
    smoothing: str,
) -> Weights:
    """Weights of the parts that a map uses, (parts,) bool.

    sums: (frames, parts) sums of the unscaled counts; valid, scale: (frames,), factor of each frame's counts.
    """
    pixels = np.where(uses, parts.pixels, 0)
    scaled = np.where(valid, scale, 0.0)[:, None] * np.where(uses, sums, 0.0)
    smooth = _smooth_intensity(scaled, pixels, parts.group, valid, smoothing)
    inverse = np.divide(1.0, smooth, out=np.zeros(smooth.shape), where=smooth > 0)
    total = (scaled * inverse).sum(axis=1)
    good = valid & (total > 0)
    inverse[~good] = 0.0
    occupied = None
    if smoothing == "static":
        factor = 1.0 / max(1, pixels.sum())
        if not (inverse[good][:, uses] > 0).all():
            factor, occupied = 1.0, np.ascontiguousarray((inverse > 0).T)
    else:
        # Where a static bin is empty throughout, x = 0 in it is as good as 0 / 0.
        factor = float(pixels.sum())
        inverse *= np.divide(1.0, total, out=np.zeros_like(total), where=good)[:, None]
    weights = np.ascontiguousarray((inverse * scale[:, None]).T)
    return Weights(weights, uses, float(factor), good, occupied, pixels)


def _smooth_intensity(
    scaled: np.ndarray, pixels: np.ndarray, group: np.ndarray, valid: np.ndarray, smoothing: str
) -> np.ndarray:
    """(frames, parts) what counts are divided by; 0 for a static bin without a photon or a pixel."""
    if smoothing in ("none", "dynamic"):
        return np.broadcast_to((pixels > 0).astype(float), scaled.shape)
    own = (group[None, :] == np.arange(group[-1] + 1)[:, None]).astype(float)
    # A pixel count of 0 goes with a sum of 0.
    means = (scaled @ own.T) / np.maximum(own @ pixels, 1)
    if smoothing == "time_average":
        means = np.broadcast_to(means.sum(axis=0) / max(1, valid.sum()), means.shape)
    return means[:, group] * (pixels > 0)
