"""Integrate one chunk of a run's frames: read once, all integrations, write, receipt.

A chunk job fills its own part of the container and returns a receipt: the container's uid, the range,
a checksum per array. `assemble` believes the store only where it agrees with the receipts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.detectors.valid_range import valid_limits
from scatterflow.errors import FrameError
from scatterflow.files.checksums import RowsDigest, array_sha256
from scatterflow.files.provenance import raw_file_record
from scatterflow.kernels.azimuthal import integrate_frames
from scatterflow.kernels.moments import FrameSum
from scatterflow.progress import progress
from scatterflow.saxswaxs.container import SUMS, open_container, part_of_chunk
from scatterflow.saxswaxs.tasks import Task, made_from
from scatterflow.sources.base import Source


@dataclass(frozen=True)
class Calibration:
    """How a detector's stored values become counts.

    valid: the configuration's valid range; dark: (rows, columns) float64 or None, known exactly (an image
    carries no uncertainty; the counts it adds to a frame are in the frame's own).
    """

    valid: dict[str, Any]
    dark: np.ndarray | None = None

    @property
    def dark_sha256(self) -> str | None:
        """Identity of the dark image."""
        return None if self.dark is None else array_sha256(self.dark)


def integrate_chunk(
    container_path: str | Path,
    source: Source,
    start: int,
    stop: int,
    tasks: list[Task],
    calibrations: Mapping[str, Calibration],
    *,
    block: int,
    skip_missing: bool = False,
    threads: int = 1,
    label: str = "integrate",
) -> dict[str, Any]:
    """Integrate frames start..stop-1 into the container; returns the receipt.

    calibrations: per detector; block: frames held at once; skip_missing: leave NaN for a missing or
    corrupt frame, and flag it, instead of raising FrameError.
    """
    began = time.perf_counter()
    container = open_container(container_path, "r+")
    missing: dict[str, dict[str, str]] = {}
    checksums: dict[str, str] = {}
    detectors = list(dict.fromkeys(task.detector for task in tasks))
    with progress((stop - start) * len(detectors), label, "images") as bar:
        for detector in detectors:
            own = [task for task in tasks if task.detector == detector]
            missing[detector], written = _integrate_detector(
                container,
                source,
                detector,
                start,
                stop,
                own,
                calibrations[detector],
                block=block,
                skip_missing=skip_missing,
                threads=threads,
                bar=bar,
            )
            checksums.update(written)
    files = dict.fromkeys(
        path for detector in detectors for path in source.files(detector, start, stop)
    )
    return {
        "container": container.attrs["uid"],
        "made_from": made_from(
            tasks,
            {name: calibrations[name].valid for name in detectors},
            {name: calibrations[name].dark_sha256 for name in detectors},
        ),
        "start": start,
        "stop": stop,
        "checksums": checksums,
        "missing": missing,
        "raw_files": [raw_file_record(path) for path in files if Path(path).exists()],
        "seconds": time.perf_counter() - began,
        "pixels": (stop - start) * sum(task.weights.weight.size for task in tasks),
    }


def run_progress(receipt: str | Path, container_path: str | Path, run: str) -> str:
    """`run a: 40 of 100 frames integrated (40 %)`, from the receipts beside this one."""
    container: Any = open_container(container_path)
    frames, per_chunk = int(container.attrs["frames"]), int(container.attrs["chunk_frames"])
    done = min(frames, per_chunk * len(list(Path(receipt).parent.glob("*.json"))))
    return f"run {run}: {done} of {frames} frames integrated ({100 * done / frames:.0f} %)"


def _integrate_detector(
    container: Any,
    source: Source,
    detector: str,
    start: int,
    stop: int,
    tasks: list[Task],
    calibration: Calibration,
    *,
    block: int,
    skip_missing: bool,
    threads: int,
    bar: Any,
) -> tuple[dict[str, str], dict[str, str]]:
    """Bad frames and why, and the checksum of each array written."""
    shape = container[f"{detector}/frame_sum"].shape[1:]
    total = FrameSum(shape)
    valid = np.ones(stop - start, dtype=bool)
    missing: dict[str, str] = {}
    writers = {
        f"{task.name}/{name}": _Writer(container[f"{task.name}/{name}"], start, stop)
        for task in tasks
        for name in SUMS
    }
    for first, frames, bad in _blocks(source, detector, start, stop, block, skip_missing):
        for frame, message in bad.items():
            missing[str(frame)] = message
            valid[frame - start] = False
        present = valid[first - start : first - start + len(frames)]
        limits = valid_limits(calibration.valid, frames.dtype)
        total.update(frames if present.all() else frames[present], limits)
        for task in tasks:
            sums = integrate_frames(
                frames,
                limits,
                task.weights.indptr,
                task.weights.indices,
                task.weights.coefficients,
                task.weights.weight,
                dark=calibration.dark,
                error_model=task.error_model,
                threads=threads,
            )
            for name, values in zip(SUMS, sums, strict=True):
                values[~present] = np.nan
                writers[f"{task.name}/{name}"].append(values)
        bar.add(len(frames))
    checksums = {name: writer.finish() for name, writer in writers.items()}
    small: dict[str, np.ndarray] = {
        f"{detector}/frame_sum": total.high[None],
        f"{detector}/frame_sum_rest": total.rest[None],
        f"{detector}/valid_count": total.count[None],
        f"{detector}/frame_valid": valid,
    }
    for name, values in small.items():
        container[name][part_of_chunk(container, name, start, stop)] = values
        checksums[name] = array_sha256(values)
    return missing, checksums


def _blocks(
    source: Source, detector: str, start: int, stop: int, block: int, skip_missing: bool
) -> Iterator[tuple[int, np.ndarray, dict[int, str]]]:
    """(first frame, frames, {bad frame: message}) block by block; bad frames hold zeros."""
    for first in range(start, stop, block):
        last = min(first + block, stop)
        try:
            yield first, np.ascontiguousarray(source.read(detector, first, last)), {}
        except FrameError:
            if not skip_missing:
                raise
            yield first, *_read_one_by_one(source, detector, first, last)


def _read_one_by_one(
    source: Source, detector: str, first: int, last: int
) -> tuple[np.ndarray, dict[int, str]]:
    info = source.detectors[detector]
    frames = np.zeros((last - first, *info.shape), dtype=info.dtype)
    bad = {}
    for frame in range(first, last):
        try:
            frames[frame - first] = source.read(detector, frame, frame + 1)[0]
        except FrameError as error:
            bad[frame] = f"{error.what} ({error.where})"
    return frames, bad


class _Writer:
    """Collects rows and writes whole stored chunks of one array."""

    def __init__(self, array: Any, start: int, stop: int) -> None:
        self._array = array
        self._rows = array.chunks[0]
        self._position = start
        self._stop = stop
        self._waiting: list[np.ndarray] = []
        self._held = 0
        # Of what was meant to be written: the store is held against it when the result is assembled.
        self._digest = RowsDigest((stop - start, *array.shape[1:]), array.dtype)

    def append(self, rows: np.ndarray) -> None:
        self._digest.update(rows)
        self._waiting.append(rows)
        self._held += len(rows)
        if self._held >= self._rows:
            rows = np.concatenate(self._waiting)
            whole = len(rows) // self._rows * self._rows
            self._write(rows[:whole])
            self._waiting, self._held = [rows[whole:]], len(rows) - whole

    def finish(self) -> str:
        """Write what is left; returns the checksum of all rows."""
        if self._held:
            self._write(np.concatenate(self._waiting))
            self._waiting, self._held = [], 0
        return self._digest.finalize()

    def _write(self, rows: np.ndarray) -> None:
        end = self._position + len(rows)
        self._array[self._position : end] = rows.reshape(len(rows), *self._array.shape[1:])
        self._position = end
