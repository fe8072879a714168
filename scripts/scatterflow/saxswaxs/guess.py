"""Start values of a fit, estimated from the profile: the background first, then peak by peak.

The background is drawn through the ends of the range. The highest point above it is the first peak, its
width what is above half its height; it is taken away, and so on. Where a start value only sets the
basin of attraction, this is enough: the fit does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scatterflow.kernels.profile_models import MODELS, PEAKS


def guess_parameters(
    components: Sequence[Mapping[str, Any]], x: np.ndarray, intensity: np.ndarray
) -> np.ndarray:
    """Start values of all components in one row, (parameters,).

    components: model and parameters (with `initial` or None); x, intensity: (bins,), finite, at least
    2 bins. What the configuration gives is taken as it is.
    """
    values = [_given(component) for component in components]
    rest = intensity.astype(np.float64)
    backgrounds = [k for k, item in enumerate(components) if item["model"] not in PEAKS]
    for k in backgrounds:
        model = components[k]["model"]
        guessed = _background(model, x, rest if k == backgrounds[0] else np.zeros_like(rest))
        values[k] = np.where(np.isnan(values[k]), guessed, values[k])
        rest = rest - MODELS[model].evaluate(x, values[k][None])[0][0]
    peaks = [k for k, item in enumerate(components) if item["model"] in PEAKS]
    away = np.ones(x.size, dtype=bool)
    for k in sorted(peaks, key=lambda k: bool(np.isnan(values[k][1]))):
        found = _highest_peak(x, rest, values[k], away)
        values[k] = np.where(np.isnan(values[k]), found, values[k])
        # What is left where a peak was taken away tells how rough its estimate was, and no more.
        away &= np.abs(x - values[k][1]) > values[k][2]
        rest = rest - MODELS[components[k]["model"]].evaluate(x, values[k][None])[0][0]
    _sort_found([k for k in peaks if _is_free(components[k])], values)
    return np.concatenate(values)


def _given(component: Mapping[str, Any]) -> np.ndarray:
    """Start values from the configuration, NaN where it has none."""
    names = MODELS[component["model"]].parameters
    initial = [component["parameters"].get(name, {}).get("initial") for name in names]
    return np.array([np.nan if value is None else value for value in initial])


def _is_free(component: Mapping[str, Any]) -> bool:
    """Whether nothing is given of a peak: it may change places with another."""
    return all(item["initial"] is None for item in component["parameters"].values())


def _sort_found(peaks: list[int], values: list[np.ndarray]) -> None:
    """Peaks of which nothing is given are taken in the order of their centres."""
    found = sorted((values[k][:3].copy() for k in peaks), key=lambda peak: float(peak[1]))
    for k, peak in zip(peaks, found, strict=True):
        values[k][:3] = peak


def _ends(x: np.ndarray, intensity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean position and median intensity of the outermost tenth on either side, 2 bins at least."""
    count = min(max(2, x.size // 10), x.size)
    sides = (slice(None, count), slice(-count, None))
    return (
        np.array([np.mean(x[side]) for side in sides]),
        np.array([np.median(intensity[side]) for side in sides]),
    )


def _background(model: str, x: np.ndarray, intensity: np.ndarray) -> np.ndarray:
    position, level = _ends(x, intensity)
    if model == "constant":
        return np.array([level.min()])
    slope = (level[1] - level[0]) / (position[1] - position[0])
    line = np.array([level[0] - slope * position[0], slope])
    if model == "linear":
        return line
    if model == "quadratic":
        return np.append(line, 0.0)
    # A decay through both ends; without two positive ends it begins flat.
    floor = max(float(np.max(np.abs(intensity))), np.finfo(float).tiny) * 1e-6
    level = np.maximum(level, floor)
    run = {"power_law": np.log, "guinier": np.square}.get(model, np.asarray)(position)
    rate = float(np.log(level[0] / level[1]) / (run[1] - run[0]))
    return np.array([float(level[0] * np.exp(min(rate * run[0], 700.0))), rate])


def _highest_peak(
    x: np.ndarray, rest: np.ndarray, given: np.ndarray, away: np.ndarray
) -> np.ndarray:
    """Amplitude, centre, width (and fraction) of the highest peak, or of the one at a given centre.

    away: (bins,) bool, bins that are not within a width of the peaks found before.
    """
    smooth = np.convolve(np.pad(rest, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    searched = np.where(away, smooth, -np.inf) if away.any() else smooth
    top = int(np.argmax(searched) if np.isnan(given[1]) else np.argmin(np.abs(x - given[1])))
    height = smooth[top]
    sign = 1.0 if height >= 0 else -1.0
    low = high = top
    while low > 0 and sign * smooth[low - 1] > sign * height / 2:
        low -= 1
    while high < x.size - 1 and sign * smooth[high + 1] > sign * height / 2:
        high += 1
    width = x[high] - x[low] + np.median(np.diff(x))
    return np.array([height, x[top], width, 0.5])[: given.size]
