"""Runs for the corrections: sums in memory, scalars, settings; everything as the library gets it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from scatterflow.saxswaxs.chain import RunCorrections, RunData, run_corrections
from scatterflow.saxswaxs.corrections import MeanProfile, MeanResult, correct
from scatterflow.saxswaxs.merge import sums

TASK = "area_azimuthal"
WHOLE = 1024.0  # normalisation of a frame that has lost nothing
STEPS = ("dark", "flux", "absorption", "background", "thickness", "absolute")
DEFAULTS: dict[str, dict[str, Any]] = {
    "dark": {"scale": "exposure", "exposure": "t"},
    "flux": {
        "monitor": "i0",
        "dwell_time": None,
        "reference": "mean",
        "minimum": 0.0,
        "uncertainty": "none",
        "on_violation": "error",
    },
    "absorption": {
        "monitor": "i1",
        "reference": "background",
        "minimum": 0.0,
        "uncertainty": "none",
        "tolerance": 0.02,
        "on_violation": "error",
    },
    "background": {
        "scale": 1.0,
        "scale_uncertainty": 0.0,
        "frames": "all",
        "most_negative": 0.02,
        "on_violation": "warn",
    },
    "thickness": {"cm": None, "mu_per_cm": None, "uncertainty": 0.0},
}


class Rows(np.ndarray):
    """An array that says, as those of a container do, how many frames it stores together."""

    chunks: tuple[int, ...]


def rows(values: Any, stored: int) -> Rows:
    """Values (frames, bins) in stored chunks of some frames."""
    array = np.array(values, dtype=np.float64).view(Rows)
    array.chunks = (stored, *array.shape[1:])
    return array


def settings(**steps: dict[str, Any]) -> dict[str, Any]:
    """The settings of these steps, with the configuration's defaults; the others are left out."""
    chosen: dict[str, Any] = dict.fromkeys(STEPS)
    for name, values in steps.items():
        chosen[name] = {**DEFAULTS.get(name, {}), **values}
    return chosen


def run(
    name: str,
    counts: Any,
    scalars: dict[str, Any],
    steps: dict[str, Any] | None = None,
    *,
    norm: Any = 1.0,
    variance: Any = None,
    dark: tuple[str, ...] = (),
    background: tuple[str, ...] = (),
    stored: int = 2,
) -> RunData:
    """A run of counts (frames, bins), NaN where a frame is missing."""
    counts = np.asarray(counts, dtype=np.float64)
    lost = np.broadcast_to(WHOLE - np.asarray(norm, dtype=np.float64), counts.shape)
    variance = counts if variance is None else np.broadcast_to(variance, counts.shape)
    arrays = {"signal": counts, "variance": variance, "lost": lost}
    return RunData(
        name,
        {f"{TASK}/{key}": rows(values, stored) for key, values in arrays.items()},
        {key: np.asarray(values, dtype=np.float64) for key, values in scalars.items()},
        np.isfinite(counts).any(axis=1),
        steps or settings(),
        dark,
        background,
    )


def task(data: RunData) -> Any:
    """The integration of a run: what reading its sums needs to know."""
    bins = data.container[f"{TASK}/signal"].shape[1:]
    weights = SimpleNamespace(normalisation=np.full(bins, WHOLE))
    task = SimpleNamespace(name=TASK, weights=weights, bin_shape=tuple(bins))
    task.parts = (task,)
    return task


def corrected(
    data: RunData, *others: RunData, warnings: list[str] | None = None
) -> tuple[np.ndarray, np.ndarray, MeanResult, RunCorrections]:
    """Intensity and error of each frame, the mean, and the corrections."""
    noted: list[str] = [] if warnings is None else warnings
    corrections = run_corrections(data, {other.run: other for other in others}, noted)
    own = task(data)
    mean = MeanProfile(own.weights.normalisation.shape)
    parts = list(correct(sums(data.container, own), corrections.chain(own)))
    for part in parts:
        mean.update(part)
    intensity = np.concatenate([part.intensity for part in parts])
    errors = np.sqrt(np.concatenate([part.variance for part in parts]))
    return intensity, errors, mean.finalize(), corrections
