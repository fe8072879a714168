"""Our integration engine behind two plain calls: the one place that knows its entry points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.prepared import DETECTOR, Prepared
from scatterflow.detectors.valid_range import valid_limits
from scatterflow.kernels.azimuthal import Sums as KernelSums
from scatterflow.kernels.azimuthal import Target, integrate_frames
from scatterflow.kernels.lanes import LANES
from scatterflow.saxswaxs.frame_blocks import Block, frame_blocks, read_block
from scatterflow.saxswaxs.tasks import read_tasks
from scatterflow.saxswaxs.workers import Worker, integrated
from scatterflow.sources.base import RunLocation, Source
from scatterflow.sources.open import open_source

# Signal, variance and normalisation by integration, (frames, bins) each.
Sums = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
BLOCK = LANES


@dataclass(frozen=True)
class Work:
    """What is integrated and how: targets by name, the detector's valid range."""

    targets: dict[str, Target]
    valid: dict[str, Any]


def work_of(prepared: Prepared) -> Work:
    """The integrations with their weights."""
    targets = {
        task.name.removeprefix(f"{DETECTOR}_"): Target(
            tiles=task.weights.tiles,
            normalisation=task.weights.normalisation,
            weight=task.weights.weight,
            error_model=task.error_model,
        )
        for task in read_tasks(prepared.tasks(), prepared.weights)
    }
    return Work(targets, prepared.reduction().calibrations[DETECTOR]["valid"])


def source_of(prepared: Prepared) -> Source:
    """The run's raw data."""
    location = prepared.reduction().location(scalars=False)
    return open_source(RunLocation.from_fields(location))


def integrate_memory(frames: np.ndarray, work: Work, threads: int) -> Sums:
    """Sums of each integration; frames: (n, rows, columns) as stored."""
    limits = valid_limits(work.valid, frames.dtype)
    sums = integrate_frames(frames, limits, list(work.targets.values()), threads=threads)
    return _named(work, [sums])


def integrate_source(source: Source, stop: int, work: Work, threads: int) -> Sums:
    """The same from the first frames of raw files: read, decoded and integrated, nothing written."""
    info = source.detectors[DETECTOR]
    limits = valid_limits(work.valid, info.dtype)
    targets = list(work.targets.values())
    workers = [Worker(targets, info, limits) for _ in range(threads)]

    def read_again(block: Block) -> Block:
        return read_block(source, DETECTOR, block.first, block.first + block.size, False)

    blocks = frame_blocks(source, DETECTOR, 0, stop, BLOCK, False)
    return _named(work, [sums for _, sums in integrated(blocks, workers, read_again)])


def _named(work: Work, blocks: list[list[KernelSums]]) -> Sums:
    found: Sums = {}
    for i, (name, target) in enumerate(work.targets.items()):
        parts = [block[i] for block in blocks]
        norms = [
            np.broadcast_to(target.normalisation, part.signal.shape)
            - (0.0 if part.lost is None else part.lost)
            for part in parts
        ]
        found[name] = (
            np.concatenate([part.signal for part in parts]),
            np.concatenate([part.variance for part in parts]),
            np.concatenate(norms),
        )
    return found
