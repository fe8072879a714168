"""Our integration engine behind two plain calls: the one place that knows its entry points."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.prepared import DETECTOR, Prepared
from scatterflow.detectors.valid_range import valid_limits
from scatterflow.kernels.azimuthal import integrate_frames
from scatterflow.saxswaxs.tasks import Task, read_tasks
from scatterflow.sources.base import RunLocation, Source
from scatterflow.sources.open import open_source

Sums = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
BLOCK = 16


def tasks_of(prepared: Prepared) -> list[Task]:
    """The integrations with their weights."""
    return read_tasks(prepared.tasks(), prepared.weights)


def source_of(prepared: Prepared) -> Source:
    """The run's raw data."""
    location = prepared.reduction().location(scalars=False)
    return open_source(RunLocation.from_fields(location))


def valid_range(prepared: Prepared) -> dict[str, Any]:
    """The detector's valid range, as the chunk job gets it."""
    return prepared.reduction().calibrations[DETECTOR]["valid"]


def integrate_memory(
    frames: np.ndarray, tasks: list[Task], valid: dict[str, Any], threads: int
) -> Sums:
    """Signal, variance and normalisation of each integration; frames: (n, rows, columns) as stored."""
    limits = valid_limits(valid, frames.dtype)
    return {
        task.name.removeprefix(f"{DETECTOR}_"): integrate_frames(
            frames,
            limits,
            task.weights.indptr,
            task.weights.indices,
            task.weights.coefficients,
            task.weights.weight,
            error_model=task.error_model,
            threads=threads,
        )
        for task in tasks
    }


def integrate_source(
    source: Source, start: int, stop: int, tasks: list[Task], valid: dict[str, Any], threads: int
) -> Sums:
    """The same from raw files: read, decoded and integrated, nothing written."""
    parts = []
    for first in range(start, stop, BLOCK):
        frames = source.read(DETECTOR, first, min(first + BLOCK, stop))
        parts.append(integrate_memory(frames, tasks, valid, threads))
    return {
        name: tuple(np.concatenate([part[name][i] for part in parts]) for i in range(3))
        for name in parts[0]
    }
