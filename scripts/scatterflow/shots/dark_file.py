"""Constants of a dark run as a file: `/pedestal`, `/rms` (ADU), `/status`, `/frames`, each (modes, *shape).

Bits of the status are in the attributes of `/status`; `/provenance` holds notes: run, settings, software, raw
files. `scatterflow.shots.darks` says what the numbers are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, writing
from scatterflow.files.hdf5_fields import write_large
from scatterflow.files.nexus import add_group, add_note
from scatterflow.files.provenance import now, raw_file_record, software
from scatterflow.progress import progress
from scatterflow.shots.darks import STATUS, Dark, DarkSums
from scatterflow.sources.shots import ShotSource, detector_of

BLOCK_BYTES = 200_000_000
UNITS = {"pedestal": "ADU", "rms": "ADU"}


def make_dark(
    path: str | Path,
    source: ShotSource,
    detector: str,
    settings: Mapping[str, Any],
    run: str,
    *,
    threads: int = 1,
) -> Dark:
    """Make the constants of a dark run and write them, whole.

    settings: of `DarkSums`. Raises UserError: the run lacks the detector, or has fewer than two frames of it.
    """
    info = detector_of(source.detectors, detector, run)
    sums = DarkSums(info.shape, info.dtype, settings)
    size = max(1, BLOCK_BYTES // max(math.prod(info.shape) * info.dtype.itemsize, 1))
    with progress(source.shots, f"dark of {detector}, run {run}", "shots") as bar:
        for start in range(0, source.shots, size):
            stop = min(start + size, source.shots)
            frames, present = source.read(detector, start, stop)
            sums.update(frames[present], threads=threads)
            bar.add(stop - start)
    dark = sums.finalize()
    if not dark.good.any():
        raise UserError(
            "the dark leaves no good pixel",
            f"run {run}, detector {detector}, dark",
            "the run needs two frames or more; else loosen rms, mean, adu or fraction",
        )
    write_dark(path, dark, run, detector, settings, source)
    return dark


def write_dark(
    path: str | Path,
    dark: Dark,
    run: str,
    detector: str,
    settings: Mapping[str, Any],
    source: ShotSource,
) -> None:
    """Write constants, whole."""
    with writing(path) as file:
        file.attrs.update({"creator": "scatterflow", "file_time": now(), "detector": detector})
        for name in ("pedestal", "rms", "status", "frames"):
            dataset = write_large(file, name, getattr(dark, name))
            if name in UNITS:
                dataset.attrs["units"] = UNITS[name]
        file["status"].attrs.update({text.replace(" ", "_"): bit for text, bit in STATUS.items()})
        notes = add_group(file, "provenance", "NXcollection")
        records = [raw_file_record(path) for path in source.files()]
        add_note(notes, "run", {"run": run, "detector": detector}, "the dark run")
        add_note(notes, "settings", dict(settings), "limits of good pixels")
        add_note(notes, "raw_files", records, "raw files of the dark run")
        add_note(notes, "software", software(), "what made it")


def read_dark(path: str | Path) -> Dark:
    """Constants that `write_dark` wrote; raises UserError for anything else."""
    with reading(path) as file:
        if not all(name in file for name in ("pedestal", "rms", "status", "frames")):
            raise UserError("the file holds no dark of scatterflow", str(path), "make it again")
        return Dark(*(file[name][()] for name in ("pedestal", "rms", "status", "frames")))
