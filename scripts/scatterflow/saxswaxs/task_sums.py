"""The sums of an integration, read from the container; those of merged detectors are added up.

Signals, variances and normalisations are added in the order of the detectors, then divided. A frame
that one detector lacks is what the others saw.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scatterflow.saxswaxs.container import REJECTED_FRAMES, REJECTED_PIXELS, SUMS
from scatterflow.saxswaxs.tasks import ResultTask


def read_sums(
    container: Any, task: ResultTask, rows: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signal, variance and normalisation of some frames, (frames, bins...) each, NaN for a missing frame."""
    parts = [_sums_of_part(container, part, rows) for part in task.parts]
    if len(parts) == 1:
        return parts[0]
    there = frames_there(container, task, rows)
    return tuple(
        _added([part[position] for part in parts], there) for position in range(len(parts[0]))
    )  # type: ignore[return-value]


def read_rejected_pixels(container: Any, task: ResultTask) -> np.ndarray:
    """Pixels rejected in each frame, (frames,) float64, NaN for a missing one."""
    parts = [container[f"{part.name}/{REJECTED_PIXELS}"][:] for part in task.parts]
    return _added(parts, frames_there(container, task, slice(None)))


def read_rejected_frames(container: Any, part: ResultTask) -> np.ndarray:
    """In how many frames each pixel was rejected, (rows, columns) uint32."""
    chunks = container[f"{part.name}/{REJECTED_FRAMES}"]
    total = np.zeros(chunks.shape[1:], dtype=np.uint32)
    for chunk in range(chunks.shape[0]):
        total += chunks[chunk]
    return total


def frames_there(container: Any, task: ResultTask, rows: slice) -> np.ndarray:
    """Which frames each detector of a task has, (detectors, frames) bool."""
    return np.stack([container[f"{part.detector}/frame_valid"][rows] for part in task.parts])


def whole_normalisation(task: ResultTask) -> np.ndarray:
    """Normalisation of a frame in which all good pixels of all detectors are valid, (bins,)."""
    return np.sum([part.weights.normalisation for part in task.parts], axis=0)


def _sums_of_part(
    container: Any, part: ResultTask, rows: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    signal, variance, lost = (container[f"{part.name}/{name}"][rows] for name in SUMS)
    return signal, variance, part.weights.normalisation.reshape(lost.shape[1:]) - lost


def _added(parts: list[np.ndarray], there: np.ndarray) -> np.ndarray:
    """The sum over detectors of the frames that each has; NaN where none has it."""
    total = np.zeros_like(parts[0])
    for values, present in zip(parts, there, strict=True):
        total[present] += values[present]
    total[~there.any(axis=0)] = np.nan
    return total
