"""Constants of a detector from a dark run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.progress import progress
from scatterflow.shots.dark_file import write_dark
from scatterflow.shots.darks import Dark, DarkSums
from scatterflow.shots.frames import read_frames
from scatterflow.sources.shots import ShotSource, detector_of

BLOCK_BYTES = 200_000_000


def make_dark(
    path: str | Path,
    source: ShotSource,
    detector: str,
    settings: Mapping[str, Any],
    run: str,
    *,
    skip_missing: bool = False,
    threads: int = 1,
) -> Dark:
    """Make the constants of a dark run and write them, whole.

    settings: of `DarkSums`; skip_missing: leave out frames that cannot be read. Raises UserError: the run
    lacks the detector, or has fewer than two frames of it.
    """
    info = detector_of(source.detectors, detector, run)
    sums = DarkSums(info.shape, info.dtype, settings)
    size = max(1, BLOCK_BYTES // max(math.prod(info.shape) * info.dtype.itemsize, 1))
    with progress(source.shots, f"dark of {detector}, run {run}", "shots") as bar:
        for start in range(0, source.shots, size):
            stop = min(start + size, source.shots)
            frames, present = read_frames(source, detector, start, stop, skip_missing=skip_missing)
            sums.update(frames[present], threads=threads)
            bar.add(stop - start)
    dark = sums.finalize()
    if not dark.good.any():
        raise UserError(
            "the dark leaves no good pixel",
            f"run {run}, detector {detector}, dark",
            "the run needs two frames or more; else loosen rms, mean, adu or fraction",
        )
    write_dark(path, dark, run, detector, settings, source.files())
    return dark
