"""The filled container: verified against its receipts, read back in stored chunks, so that memory is
bounded for a run of any length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.provenance import is_same_file
from scatterflow.kernels.moments import FrameSum
from scatterflow.saxswaxs.container import PER_CHUNK, array_names, stored_checksums
from scatterflow.saxswaxs.task_sums import read_sums
from scatterflow.saxswaxs.tasks import ResultTask

HOW = "delete the receipt (work/RUN/REDUCTION/chunks/*.json) and run snakemake again"


@dataclass(frozen=True)
class Sums:
    """Some frames of one integration as stored: first frame; signal, variance and normalisation
    (frames, bins...) float64, NaN in frames that are missing."""

    first: int
    signal: np.ndarray
    variance: np.ndarray
    normalisation: np.ndarray

    @property
    def total_signal(self) -> np.ndarray:
        """Counts of all bins added up, before any correction, (frames,)."""
        return np.sum(self.signal.reshape(len(self.signal), -1), axis=1)


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


def sums(container: Any, task: ResultTask) -> Iterator[Sums]:
    """The sums of one integration, stored chunk by stored chunk; those of merged detectors added up."""
    stored = container[f"{task.parts[0].name}/signal"]
    frames, rows = stored.shape[0], stored.chunks[0]
    for first in range(0, frames, rows):
        yield Sums(first, *read_sums(container, task, slice(first, min(first + rows, frames))))


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
