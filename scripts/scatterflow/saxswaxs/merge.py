"""The filled container as profiles: verify, divide, correct, average.

Frames stream through in stored chunks, so memory is bounded for a run of any length; sums over frames
are taken frame by frame in order, so they do not depend on how the run was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.provenance import is_same_file
from scatterflow.kernels.moments import FrameSum
from scatterflow.saxswaxs.container import PER_CHUNK, SUMS, array_names, stored_checksums
from scatterflow.saxswaxs.corrections import Factor, apply_factor
from scatterflow.saxswaxs.tasks import Task

HOW = "delete the receipt (work/RUN/REDUCTION/chunks/*.json) and run snakemake again"


@dataclass(frozen=True)
class Profiles:
    """Some frames of one integration: first frame, intensity and variance (frames, bins...), both NaN where
    no pixel contributed; total_signal (frames,): the counts of all bins added up, before any correction."""

    first: int
    intensity: np.ndarray
    variance: np.ndarray
    total_signal: np.ndarray


class MeanProfile:
    """Mean over frames of intensity, with its variance; bins without value in a frame are passed over."""

    def __init__(self, bins: tuple[int, ...]) -> None:
        self._sum = np.zeros(bins)
        self._variance = np.zeros(bins)
        self._count = np.zeros(bins, dtype=np.int64)

    def update(self, profiles: Profiles) -> None:
        """Add frames, one after the other."""
        for intensity, variance in zip(profiles.intensity, profiles.variance, strict=True):
            there = np.isfinite(intensity)
            self._sum += np.where(there, intensity, 0.0)
            self._variance += np.where(there, variance, 0.0)
            self._count += there

    def finalize(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and its standard error, NaN where no frame has a value."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._sum / self._count, np.sqrt(self._variance) / self._count


def verify_receipts(
    container: Any,
    receipts: Sequence[dict[str, Any]],
    made_from: Mapping[str, str],
    where: str,
) -> None:
    """Raise UserError naming the chunk unless the store holds what every receipt says, and every chunk was
    made from what the result is assembled with (`tasks.made_from`) and the raw files that are there."""
    uid, frames = container.attrs["uid"], int(container.attrs["frames"])
    expected = 0
    for receipt in receipts:
        start, stop = receipt["start"], receipt["stop"]
        name = f"{where}, chunk {start:06d}-{stop:06d}"
        if start > expected:
            raise UserError(f"no receipt for frames {expected} to {start - 1}", where, HOW)
        if start < expected:
            raise UserError(f"two receipts for frames {start} to {expected - 1}", where, HOW)
        if receipt["container"] != uid:
            raise UserError("the receipt belongs to a container that is gone", name, HOW)
        _check_inputs(receipt, made_from, name)
        found = stored_checksums(container, start, stop)
        wrong = [
            key for key in array_names(container) if found[key] != receipt["checksums"].get(key)
        ]
        if wrong:
            raise UserError(
                f"the stored arrays differ from the receipt: {', '.join(wrong)}", name, HOW
            )
        expected = stop
    if expected != frames:
        raise UserError(f"no receipt for frames {expected} to {frames - 1}", where, HOW)


def _check_inputs(receipt: dict[str, Any], made_from: Mapping[str, str], name: str) -> None:
    """What the chunk was made from is what is there now; raw files that are gone are believed."""
    differs = [key for key in made_from if receipt["made_from"].get(key) != made_from[key]]
    if differs:
        raise UserError(f"the chunk was made with another {', another '.join(differs)}", name, HOW)
    for record in receipt["raw_files"]:
        path = Path(record["path"])
        if path.exists() and not is_same_file(path, record):
            raise UserError(f"{path} has changed since the chunk was integrated", name, HOW)


def profiles(container: Any, task: Task, factors: Sequence[Factor]) -> Iterator[Profiles]:
    """Corrected intensities of one integration, stored chunk by stored chunk."""
    signal, variance, lost = (container[f"{task.name}/{name}"] for name in SUMS)
    whole = task.weights.normalisation.reshape(signal.shape[1:])
    rows = signal.chunks[0]
    for first in range(0, signal.shape[0], rows):
        part = slice(first, min(first + rows, signal.shape[0]))
        sums = signal[part]
        norm = whole - lost[part]
        norm = np.where(norm > 0, norm, np.nan)
        intensity, spread = sums / norm, variance[part] / norm**2
        for factor in factors:
            intensity, spread = apply_factor(intensity, spread, factor, part)
        total = np.sum(sums.reshape(len(sums), -1), axis=1)
        yield Profiles(first, intensity, spread, total)


def frame_validity(container: Any, detector: str) -> np.ndarray:
    """Which frames are there, (frames,) bool."""
    return container[f"{detector}/frame_valid"][:]


def frame_sums(container: Any, detector: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of valid pixel values (rows, columns) float64, how often each pixel was valid (uint32), and which
    frames are there (frames,) bool. Sums of integer frames are exact."""
    parts = [container[f"{detector}/{name}"] for name in PER_CHUNK]
    total = FrameSum(parts[0].shape[1:])
    for chunk in range(parts[0].shape[0]):
        total.merge(*(part[chunk] for part in parts))
    return total.finalize(), total.count, frame_validity(container, detector)
