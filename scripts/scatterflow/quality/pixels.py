"""Dead and hot pixels, and values that are not valid, from the sum of all frames of a detector.

A pixel is compared with its eight neighbours, and not with its ring: rings and Bragg peaks that are
broader than a pixel are no faults. Probabilities are Poisson's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.quality.checks import Finding, Measure, at_most, listed, percent, unknown

ENOUGH_COUNTS = 14.0
"""A live pixel of which so many counts are expected stays at 0 with a probability of exp(-14) = 1e-6."""
FEWEST_NEIGHBOURS = 3
HOT = 10.0
"""A hot pixel has more than so many times the counts of all but one of its neighbours..."""
FEWEST_COUNTS = 10.0
"""...and these count as no less than 1: no pixel of 10 counts is called hot."""


@dataclass(frozen=True)
class PixelSums:
    """What is known of the pixels of one detector.

    total: (rows, columns) float64 counts of all frames. measured: (rows, columns) int64, frames with a valid
    value. good: (rows, columns) bool, unmasked. frames: that are there.
    """

    detector: str
    total: np.ndarray
    measured: np.ndarray
    good: np.ndarray
    frames: int


def dead_pixels(pixels: PixelSums) -> np.ndarray:
    """Good pixels without a count although those around have `ENOUGH_COUNTS`; (rows, columns) bool.

    Those that never have a valid value, as in gaps between modules, do no harm and are none of them.
    """
    known = pixels.good & (pixels.measured > 0)
    per_frame = _per_frame(pixels, known)
    around = np.zeros(known.shape, np.int64)
    bright = np.zeros(known.shape, np.int64)
    for neighbour in _neighbours(per_frame):
        there = np.isfinite(neighbour)
        around += there
        bright += there & (np.nan_to_num(neighbour) * pixels.measured >= ENOUGH_COUNTS)
    lit = (around >= FEWEST_NEIGHBOURS) & (4 * bright >= 3 * around)
    return known & (pixels.total == 0) & lit


def hot_pixels(pixels: PixelSums) -> np.ndarray:
    """Good pixels with more than `HOT` times the counts of all but one of their neighbours; bool."""
    known = pixels.good & (pixels.measured > 0)
    per_frame = _per_frame(pixels, known)
    first = np.full(known.shape, -np.inf)
    second = np.full(known.shape, -np.inf)
    around = np.zeros(known.shape, np.int64)
    for neighbour in _neighbours(per_frame):
        around += np.isfinite(neighbour)
        value = np.where(np.isfinite(neighbour), neighbour, -np.inf)
        second = np.maximum(second, np.minimum(first, value))
        first = np.maximum(first, value)
    usual = np.maximum(second * np.maximum(pixels.measured, 1), FEWEST_COUNTS / HOT)
    return known & (around >= FEWEST_NEIGHBOURS) & (pixels.total > HOT * usual)


def _per_frame(pixels: PixelSums, known: np.ndarray) -> np.ndarray:
    """Mean counts, NaN where nothing is known."""
    found = np.full(known.shape, np.nan)
    np.divide(pixels.total, pixels.measured, out=found, where=known)
    return found


def _neighbours(image: np.ndarray):
    """The image moved by one pixel in each of eight directions, NaN beyond its edge."""
    padded = np.pad(image, 1, constant_values=np.nan)
    rows, columns = image.shape
    for row in (0, 1, 2):
        for column in (0, 1, 2):
            if (row, column) != (1, 1):
                yield padded[row : row + rows, column : column + columns]


def pixel_measures(detectors: list[PixelSums]) -> dict[str, Measure]:
    """Checks of pixels; of several detectors the worst counts."""
    return {
        "invalid_values": lambda limit: _invalid(detectors, limit),
        "dead_pixels": lambda limit: _counted(detectors, dead_pixels, "count nothing", limit),
        "hot_pixels": lambda limit: _counted(
            detectors, hot_pixels, "count far more than those around", limit
        ),
    }


def _invalid(detectors: list[PixelSums], limit: float) -> Finding:
    shares = {}
    for pixels in detectors:
        # Pixels that never have a value, as in gaps, are as good as masked.
        used = pixels.good & (pixels.measured > 0)
        if pixels.frames and used.any():
            missing = pixels.frames - pixels.measured[used]
            shares[pixels.detector] = float(missing.sum() / (pixels.frames * used.sum()))
    if not shares:
        return unknown("No pixel was measured.")
    name = max(shares, key=lambda key: shares[key])
    value = shares[name]
    if value == 0:
        return at_most(0.0, limit, "Every unmasked pixel has a valid value in every frame.")
    return at_most(
        value,
        limit,
        f"{percent(value)} of the values of unmasked pixels of {name} are saturated or invalid.",
        shares=shares,
    )


def _counted(detectors: list[PixelSums], find, what: str, limit: float) -> Finding:
    """Share of the good pixels that are found."""
    found = {pixels.detector: find(pixels) for pixels in detectors if pixels.good.any()}
    if not found:
        return unknown("All pixels are masked.")
    good = {pixels.detector: int(pixels.good.sum()) for pixels in detectors}
    shares = {name: float(image.sum()) / good[name] for name, image in found.items()}
    name = max(shares, key=lambda key: shares[key])
    number = int(found[name].sum())
    if number == 0:
        return at_most(0.0, limit, f"No unmasked pixel seems to {what}.")
    rows, columns = np.nonzero(found[name])
    return at_most(
        shares[name],
        limit,
        f"{number} of {good[name]} unmasked pixels of {name} {what}"
        + (": mask them." if shares[name] > limit else "."),
        detector=name,
        number=number,
        rows=listed(rows),
        columns=listed(columns),
    )
