"""Frames that are missing, dark or unlike those around them, from one number per frame: its counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.frame_selection import ranges_text
from scatterflow.quality.checks import Finding, Measure, at_least, at_most, listed, percent, unknown

TO_SIGMA = 1.482602218505602
"""Median absolute deviation to standard deviation, of a normal distribution."""
REACH = 3
"""A frame is compared with so many on either side of it."""
FEWEST = 8
"""Runs of fewer frames say too little about what is usual."""
OUTLYING = 8.0
"""Robust standard deviations that an outlier is away from the frames around it..."""
LEAST_CHANGE = 0.1
"""...and the least relative change."""


@dataclass(frozen=True)
class FrameCounts:
    """Counts of every frame of a run as some detector or integration saw them.

    name: of it. counts: (frames,) float64, corrected for the monitor where there is one, NaN where the frame
    is missing or left out. raw: the same as counted. missing: (frames,) bool.
    """

    name: str
    counts: np.ndarray
    raw: np.ndarray
    missing: np.ndarray


def frame_measures(series: list[FrameCounts]) -> dict[str, Measure]:
    """Checks of frames; of several detectors the worst counts."""
    return {
        "frames_missing": lambda limit: _missing(series, limit),
        "frames_dark": lambda limit: _dark(series, limit),
        "outlier_frames": lambda limit: _outliers(series, limit),
    }


def _missing(series: list[FrameCounts], limit: float) -> Finding:
    if not series:
        return unknown("The result does not tell which frames are there.")
    item = max(series, key=lambda item: float(item.missing.mean()))
    share, number = float(item.missing.mean()), int(item.missing.sum())
    if number == 0:
        return at_most(0.0, limit, f"All {item.missing.size} frames are there.")
    frames = np.flatnonzero(item.missing)
    return at_most(
        share,
        limit,
        f"{number} of {item.missing.size} frames of {item.name} are missing or corrupt: "
        f"{_ranges(frames)}.",
        frames=listed(frames),
    )


def _dark(series: list[FrameCounts], limit: float) -> Finding:
    found = []
    for item in series:
        there = np.flatnonzero(np.isfinite(item.raw))
        if not there.size:
            continue
        median = float(np.median(item.raw[there]))
        if median <= 0:
            sentence = f"Most frames of {item.name} hold no count: the run is dark."
            return at_least(0.0, max(limit, 1e-9), sentence)
        ratio = item.raw[there] / median
        found.append((float(ratio.min()), item.name, there[ratio < limit], there[ratio.argmin()]))
    if not found:
        return unknown("No frame was counted.")
    value, name, dark, lowest = min(found, key=lambda entry: entry[0])
    if value >= limit:
        sentence = f"The darkest frame, {lowest}, has {percent(value)} of the median counts."
    else:
        sentence = (
            f"{dark.size} frames of {name} have less than {percent(limit)} of the median counts: "
            f"{_ranges(dark)}."
        )
    return at_least(value, limit, sentence, frames=listed(dark))


def outliers(counts: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Frames that differ from the median of those around them by `OUTLYING` standard deviations, (n,) bool.

    counts: (n,), NaN: not looked at; raw: (n,) as counted, for the noise of counting. The standard deviation
    is that of all such differences, robustly, and not below that of counting.
    """
    found = np.zeros(counts.size, bool)
    used = np.flatnonzero(np.isfinite(counts))
    if used.size < FEWEST:
        return found
    values = counts[used]
    around = np.full((2 * REACH, values.size), np.nan)
    for row, step in enumerate(step for step in range(-REACH, REACH + 1) if step):
        first, last = max(0, -step), values.size - max(0, step)
        around[row, first:last] = values[first + step : last + step]
    difference = values - np.nanmedian(around, axis=0)
    scale = TO_SIGMA * float(np.median(np.abs(difference)))
    relative = 1 / np.sqrt(np.maximum(raw[used], 1.0))
    noise = np.hypot(scale, values * relative)
    size = np.abs(difference)
    found[used] = (size > OUTLYING * noise) & (size > LEAST_CHANGE * np.abs(np.median(values)))
    return found


def _outliers(series: list[FrameCounts], limit: float) -> Finding:
    found = {
        item.name: outliers(item.counts, item.raw)
        for item in series
        if np.isfinite(item.counts).sum() >= FEWEST
    }
    if not found:
        return unknown(f"Fewer than {FEWEST} frames say too little about what is usual.")
    name = max(found, key=lambda key: float(found[key].mean()))
    frames = np.flatnonzero(found[name])
    if not frames.size:
        return at_most(0.0, limit, "No frame stands out from those around it.")
    return at_most(
        float(found[name].mean()),
        limit,
        f"{frames.size} of {found[name].size} frames of {name} stand out from those around them: "
        f"{_ranges(frames)}.",
        frames=listed(frames),
    )


def _ranges(frames: np.ndarray, most: int = 60) -> str:
    text = ranges_text(frames.tolist())
    return text if len(text) <= most else text[:most].rsplit(",", 1)[0] + ", ..."
