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


@dataclass(frozen=True)
class FirstBlock:
    """What the engine delivers of the first frames, for comparison; normalisations: (bins) by integration."""

    normalisations: dict[str, np.ndarray]
    sums: list[KernelSums]

    def named(self) -> Sums:
        """Sums by integration."""
        return {
            name: (
                part.signal,
                part.variance,
                np.broadcast_to(norm, part.signal.shape)
                - (0.0 if part.lost is None else part.lost),
            )
            for (name, norm), part in zip(self.normalisations.items(), self.sums, strict=True)
        }


def integrate_memory(frames: np.ndarray, work: Work, threads: int) -> FirstBlock:
    """Integrate frames (n, rows, columns) as stored."""
    limits = valid_limits(work.valid, frames.dtype)
    sums = integrate_frames(frames, limits, list(work.targets.values()), threads=threads)
    return FirstBlock(_normalisations(work), sums)


def integrate_source(source: Source, stop: int, work: Work, threads: int) -> FirstBlock:
    """The same from the first frames of raw files: read, decoded and integrated, nothing kept but a block."""
    info = source.detectors[DETECTOR]
    limits = valid_limits(work.valid, info.dtype)
    targets = list(work.targets.values())
    workers = [Worker(targets, info, limits) for _ in range(threads)]

    def read_again(block: Block) -> Block:
        return read_block(source, DETECTOR, block.first, block.first + block.size, False)

    blocks = frame_blocks(source, DETECTOR, 0, stop, BLOCK, False)
    first: list[KernelSums] = []
    for _, sums in integrated(blocks, workers, read_again):
        first = first or sums
    return FirstBlock(_normalisations(work), first)


def _normalisations(work: Work) -> dict[str, np.ndarray]:
    return {name: target.normalisation for name, target in work.targets.items()}
