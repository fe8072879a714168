"""Integrate one chunk of a run's frames: read once, all integrations, write, receipt.

A chunk job fills its own part of the container and returns a receipt: the container's uid, the range,
a checksum per array. `assemble` believes the store only where it agrees with the receipts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.detectors.valid_range import valid_limits
from scatterflow.errors import UserError
from scatterflow.files.checksums import RowsDigest, array_sha256
from scatterflow.files.provenance import raw_file_record
from scatterflow.files.rows import RowBuffer
from scatterflow.kernels.azimuthal import Target
from scatterflow.kernels.moments import FrameSum
from scatterflow.kernels.sizes import LANES, block_frames
from scatterflow.progress import progress
from scatterflow.saxswaxs.container import (
    REJECTED_PIXELS,
    SUMS,
    open_container,
    part_of_chunk,
)
from scatterflow.saxswaxs.frame_blocks import Block, frame_blocks, read_block
from scatterflow.saxswaxs.outliers import integrate_robust
from scatterflow.saxswaxs.tasks import Task, made_from
from scatterflow.saxswaxs.workers import Worker, integrated
from scatterflow.sources.base import Source


@dataclass(frozen=True)
class Calibration:
    """How a detector's stored values become counts.

    valid: the configuration's valid range; dark: (rows, columns) float64 or None, known exactly (an image
    carries no uncertainty; the counts it adds to a frame are in the frame's own); dead_time: (frames of the
    chunk) float64, dead time over exposure, or None; dead_time_settings: the configuration's.
    """

    valid: dict[str, Any]
    dark: np.ndarray | None = None
    dead_time: np.ndarray | None = None
    dead_time_settings: dict[str, Any] | None = None

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
    skip_missing: bool = False,
    threads: int = 1,
    label: str = "integrate",
) -> dict[str, Any]:
    """Integrate frames start..stop-1 into the container; returns the receipt.

    calibrations: per detector; skip_missing: leave NaN for a missing or corrupt frame, and flag it, instead
    of raising FrameError.
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
            {name: calibrations[name].dead_time_settings for name in detectors},
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
    skip_missing: bool,
    threads: int,
    bar: Any,
) -> tuple[dict[str, str], dict[str, str]]:
    """Bad frames and why, and the checksum of each array written."""
    info = source.detectors[detector]
    _check_type(info.dtype, detector)
    plain = [task for task in tasks if not task.robust]
    workers = [
        Worker(
            _targets(plain, calibration),
            info,
            valid_limits(calibration.valid, info.dtype),
            calibration.dead_time,
            start,
        )
        for _ in range(min(threads, -(-(stop - start) // LANES)))
    ]
    valid = np.ones(stop - start, dtype=bool)
    missing: dict[str, str] = {}
    writers = {
        f"{task.name}/{name}": _Writer(container[f"{task.name}/{name}"], start, stop)
        for task in tasks
        for name in (*SUMS, *((REJECTED_PIXELS,) if task.robust else ()))
    }
    size = block_frames(stop - start, info.dtype.itemsize * math.prod(info.shape))
    blocks = frame_blocks(source, detector, start, stop, size, skip_missing)

    def read_again(block: Block) -> Block:
        return read_block(source, detector, block.first, block.first + block.size, skip_missing)

    for block, sums in integrated(blocks, workers, read_again):
        missing.update({str(frame): message for frame, message in block.missing.items()})
        valid[block.first - start :][: block.size] = block.present
        for task, found in zip(plain, sums, strict=True):
            for name, unwritten in SUMS.items():
                rows = _all_rows(getattr(found, name), block, task.weights.bins, unwritten)
                writers[f"{task.name}/{name}"].append(rows)
        bar.add(block.size)
    rejected = integrate_robust(
        source,
        detector,
        start,
        valid,
        [task for task in tasks if task.robust],
        valid_limits(calibration.valid, info.dtype),
        writers,
        dark=calibration.dark,
        dead_time=calibration.dead_time,
        block=size,
        threads=threads,
    )
    checksums = {name: writer.finish() for name, writer in writers.items()}
    total = FrameSum(info.shape)
    for worker in workers:
        total.add(worker.integrator.pixel_sums)
    small: dict[str, np.ndarray] = {
        f"{detector}/frame_sum": total.high[None],
        f"{detector}/frame_sum_rest": total.rest[None],
        f"{detector}/valid_count": total.count[None],
        f"{detector}/frame_valid": valid,
        **rejected,
    }
    for name, values in small.items():
        container[name][part_of_chunk(container, name, start, stop)] = values
        checksums[name] = array_sha256(values)
    return missing, checksums


def _check_type(dtype: np.dtype, detector: str) -> None:
    """Raise UserError for floats that compiled code does not know (half, extended)."""
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        raise UserError(
            f"the frames are stored as {dtype}, which cannot be integrated",
            f"detector {detector}",
            "store them as float32, or as the integers that were counted",
        )


def _targets(tasks: list[Task], calibration: Calibration) -> list[Target]:
    return [
        Target(
            tiles=task.weights.tiles,
            normalisation=task.weights.normalisation,
            weight=task.weights.weight,
            error_model=task.error_model,
            dark=calibration.dark,
        )
        for task in tasks
    ]


def _all_rows(sums: np.ndarray | None, block: Block, bins: int, unwritten: float) -> np.ndarray:
    """Rows of a block's frames, those that are missing included; sums: of those that are present."""
    if sums is not None and block.present.all():
        return sums
    rows = np.full((block.size, bins), unwritten)
    if sums is not None:
        rows[block.present] = sums
    return rows


class _Writer:
    """Collects rows and writes whole stored chunks of one array."""

    def __init__(self, array: Any, start: int, stop: int) -> None:
        self._array = array
        self._position = start
        rows = min(array.chunks[0], stop - start)
        shape = (rows, math.prod(array.shape[1:]))
        self._buffer = RowBuffer(shape, array.dtype, self._write)
        # Of what was meant to be written: the store is held against it when the result is assembled.
        self._digest = RowsDigest((stop - start, *array.shape[1:]), array.dtype)

    def append(self, rows: np.ndarray) -> None:
        self._digest.update(rows)
        self._buffer.append(rows)

    def finish(self) -> str:
        """Write what is left; returns the checksum of all rows."""
        self._buffer.flush()
        return self._digest.finalize()

    def _write(self, rows: np.ndarray) -> None:
        end = self._position + len(rows)
        self._array[self._position : end] = rows.reshape(len(rows), *self._array.shape[1:])
        self._position = end
