"""The scalars of all shots of a run in one file, which every job of the run reads its part of.

/tag (n,)                       tags, as the source gives them
/columns/<group>/<field> (n,)   columns of the default detectors, `units` on each
/notes                          JSON: what was odd about the run, what was left out and why
/provenance                     NXnotes: metadata and slow values of the run, raw files
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import dataset_names, reading, write_array, writing
from scatterflow.files.nexus import add_group, add_note, read_note
from scatterflow.files.provenance import raw_file_record, software
from scatterflow.progress import progress
from scatterflow.shots.default_detectors import find_default_detectors, read_default_detectors
from scatterflow.sources.shots import ShotSource

SHOTS_AT_ONCE = 100_000


@dataclass(frozen=True)
class ShotTable:
    """tags: (n,); columns: {path: (n,)}; units: {path: unit}; notes: sentences; provenance: {name: value}."""

    tags: np.ndarray
    columns: dict[str, np.ndarray]
    units: dict[str, str]
    notes: list[str]
    provenance: dict[str, Any]


def tabulate_shots(
    path: str | Path, source: ShotSource, settings: Mapping[str, Any], run: str
) -> None:
    """Write the table of a run, whole.

    settings: of the default detectors. Raises UserError: a run without shots, settings that cannot be.
    """
    if not source.shots:
        raise UserError("the run has no shots", f"run {run}", "leave it out of the run table")
    found = find_default_detectors(source, settings)
    parts: dict[str, list[np.ndarray]] = {}
    units: dict[str, str] = {}
    with progress(source.shots, f"scalars of run {run}", "shots") as bar:
        for start in range(0, source.shots, SHOTS_AT_ONCE):
            stop = min(start + SHOTS_AT_ONCE, source.shots)
            table = read_default_detectors(source, found, start, stop)
            units |= table.attrs["units"]
            for column in table.columns:
                parts.setdefault(column, []).append(table[column].to_numpy())
            bar.add(stop - start)
    whole, left_out = _whole_columns(parts, source.shots)
    with writing(path) as file:
        write_array(file, "tag", source.tags)
        columns = file.create_group("columns")
        for column, values in whole.items():
            write_array(columns, column, values, units=units.get(column, ""))
        notes = add_group(file, "provenance", "NXcollection")
        told = [*source.notes, *found.notes, *left_out]
        add_note(notes, "notes", told, "what was odd, or left out")
        add_note(notes, "raw_metadata", source.metadata(), "what the raw files say")
        add_note(notes, "slow", _short(source.slow()), "values of the whole run")
        records = [raw_file_record(file) for file in source.files()]
        add_note(notes, "raw_files", records, "raw files")
        add_note(notes, "software", software(), "what tabulated them")


def _whole_columns(
    parts: Mapping[str, list[np.ndarray]], shots: int
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Columns of numbers that all shots have, and notes of the others."""
    whole: dict[str, np.ndarray] = {}
    notes = []
    for column, arrays in parts.items():
        values = np.concatenate(arrays)
        if values.dtype.kind not in "biuf":
            notes.append(f"{column}: no numbers; left out")
        elif len(values) != shots:
            notes.append(f"{column}: known of {len(values)} of {shots} shots only; left out")
        else:
            whole[column] = values
    return whole, notes


def read_table(path: str | Path) -> ShotTable:
    """The table that `tabulate_shots` wrote; raises UserError for anything else."""
    with reading(path) as file:
        if "columns" not in file or "tag" not in file:
            raise UserError("no table of shots", str(path), "delete it and run snakemake again")
        columns = file["columns"]
        names = dataset_names(columns)
        provenance = {name: read_note(note) for name, note in file["provenance"].items()}
        return ShotTable(
            file["tag"][()],
            {name: columns[name][()] for name in names},
            {name: str(columns[name].attrs["units"]) for name in names},
            provenance.pop("notes"),
            provenance,
        )


def _short(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that a note can hold: no large arrays."""
    return {name: value for name, value in values.items() if np.size(value) <= 100}
