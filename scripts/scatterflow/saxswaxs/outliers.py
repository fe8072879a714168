"""Outlier-robust integration of a chunk's frames, as an integration's `robust:` asks for it.

Container arrays of such an integration, besides its sums:

    <detector>_<integration>/rejected_pixels   float64 (frames,)  pixels left out of at least one bin
    <detector>_<integration>/rejected_frames   uint32 (chunks, rows, columns)  frames that left a pixel out

Frames are read once more for it: what a bin holds must be seen as a whole, frame by frame, which takes
several times as long as reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from scatterflow.kernels.robust import RobustSums, clip_frames, trim_frames
from scatterflow.saxswaxs.container import REJECTED_FRAMES, REJECTED_PIXELS, SUMS
from scatterflow.saxswaxs.tasks import Task
from scatterflow.saxswaxs.weights import Weights
from scatterflow.sources.base import Source


def integrate_robust(
    source: Source,
    detector: str,
    start: int,
    valid: np.ndarray,
    tasks: Sequence[Task],
    limits: tuple[float, float],
    writers: Mapping[str, Any],
    *,
    dark: np.ndarray | None,
    dead_time: np.ndarray | None,
    block: int,
    threads: int,
) -> dict[str, np.ndarray]:
    """Append the sums of frames start.. to the writers of `<task>/<array>`; returns how often each pixel was
    rejected, by array.

    valid: (frames) bool, which of them are there, the others get NaN; dead_time: (frames) float64, dead time
    over exposure, or None; block: frames held at once.
    """
    if not tasks:
        return {}
    shape = source.detectors[detector].shape
    rejected = {task.name: np.zeros(shape, dtype=np.uint32) for task in tasks}
    done = 0
    for frames, present in _blocks(source, detector, start, valid, block):
        dead = None if dead_time is None else dead_time[done : done + present.size][present]
        done += present.size
        for task in tasks:
            sums = robust_sums(
                frames,
                limits,
                task.weights,
                task.robust or {},
                dark=dark,
                dead_time_fraction=dead,
                error_model=task.error_model,
                threads=threads,
            )
            found = {
                "signal": sums.signal,
                "variance": sums.variance,
                "lost": task.weights.normalisation - sums.normalisation,
                REJECTED_PIXELS: sums.rejected_pixels[:, None],
            }
            for name, values in found.items():
                rows = np.full((present.size, *values.shape[1:]), SUMS.get(name, np.nan))
                rows[present] = values
                writers[f"{task.name}/{name}"].append(rows)
            rejected[task.name] += sums.rejected_frames.reshape(shape).astype(np.uint32)
    return {f"{name}/{REJECTED_FRAMES}": image[None] for name, image in rejected.items()}


def robust_sums(
    frames: np.ndarray,
    limits: tuple[float, float],
    weights: Weights,
    robust: Mapping[str, Any],
    **options: Any,
) -> RobustSums:
    """Sums of the pixels that are kept of each frame, and how many are not.

    robust: method and its settings, as the configuration's model dumps them; options: dark,
    dark_variance, dead_time_fraction, error_model and threads of the kernels.
    """
    matrix = (weights.indptr, weights.indices, weights.coefficients, weights.weight)
    if robust["method"] == "sigma_clip":
        options.update({key: robust[key] for key in ("threshold", "iterations", "spread")})
        return clip_frames(frames, limits, *matrix, **options)
    quantiles = robust["quantiles"] if robust["method"] == "trimmed" else (0.5, 0.5)
    return trim_frames(frames, limits, *matrix, quantiles=tuple(quantiles), **options)


def _blocks(
    source: Source, detector: str, start: int, valid: np.ndarray, block: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frames that are there, and (frames of the block) which those are."""
    info = source.detectors[detector]
    for first in range(0, valid.size, block):
        present = valid[first : first + block]
        if present.all():
            stop = first + present.size
            yield (
                np.ascontiguousarray(source.read(detector, start + first, start + stop)),
                present,
            )
            continue
        numbers = start + first + np.flatnonzero(present)
        frames = np.empty((numbers.size, *info.shape), dtype=info.dtype)
        for row, number in enumerate(numbers.tolist()):
            frames[row] = source.read(detector, number, number + 1)[0]
        yield frames, present
