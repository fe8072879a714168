"""Constants of a dark run as a file: `/pedestal`, `/rms` (ADU), `/status`, `/frames`, each (modes, *shape).

Bits of the status are in the attributes of `/status`; `/provenance` holds notes: run, settings, software, raw
files. `scatterflow.shots.darks` says what the numbers are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, writing
from scatterflow.files.hdf5_fields import write_large
from scatterflow.files.nexus import add_group, add_note
from scatterflow.files.provenance import now, raw_file_record, software
from scatterflow.shots.darks import STATUS, Dark

UNITS = {"pedestal": "ADU", "rms": "ADU"}


def write_dark(
    path: str | Path,
    dark: Dark,
    run: str,
    detector: str,
    settings: Mapping[str, Any],
    raw_files: Iterable[Path],
) -> None:
    """Write constants, whole. raw_files: of the dark run."""
    with writing(path) as file:
        file.attrs.update({"creator": "scatterflow", "file_time": now(), "detector": detector})
        for name in ("pedestal", "rms", "status", "frames"):
            dataset = write_large(file, name, getattr(dark, name))
            if name in UNITS:
                dataset.attrs["units"] = UNITS[name]
        file["status"].attrs.update({text.replace(" ", "_"): bit for text, bit in STATUS.items()})
        notes = add_group(file, "provenance", "NXcollection")
        records = [raw_file_record(path) for path in raw_files]
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
