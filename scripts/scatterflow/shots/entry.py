"""What the files that are made from the small data of a run say of it: title, run, sample, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import h5py

from scatterflow.files.hdf5 import reading
from scatterflow.files.nexus import add_fields, add_group, add_note, read_note
from scatterflow.files.provenance import raw_file_record, software

if TYPE_CHECKING:
    from scatterflow.shots.small_data import SmallData
    from scatterflow.shots.table import ShotTable


def write_entry(
    entry: h5py.Group, description: Mapping[str, Any], date: str, title: str | None = None
) -> None:
    """Fields of an NXentry. description: run, reduction, sample, experiment; title: what is in the file,
    None: the run as a whole."""
    experiment = description["experiment"]
    whole = f"{experiment['title']}: {description['run']}"
    add_fields(
        entry,
        {
            "title": whole if title is None else f"{whole}, {title}",
            "entry_identifier": description["run"],
            "experiment_identifier": experiment.get("proposal") or None,
            "reduction_name": description["reduction"],
            "processed_time": date,
        },
    )
    for number, creator in enumerate(experiment.get("creators", ()), start=1):
        add_fields(add_group(entry, f"user_{number}", "NXuser"), {"name": creator})
    sample = add_group(entry, "sample", "NXsample")
    add_fields(sample, {"name": description.get("sample") or "unknown"})


def write_run_provenance(
    parent: h5py.Group, table: ShotTable, description: Mapping[str, Any]
) -> None:
    """The group `provenance` of what is made of a run's frames: what its table and description tell."""
    notes = add_group(parent, "provenance", "NXcollection")
    told = {**table.provenance, "notes": table.notes, **description, "software": software()}
    for name, value in told.items():
        add_note(notes, name, value, name.replace("_", " "))


def _provenance(small: SmallData) -> dict[str, Any]:
    with reading(small.path) as file:
        return {name: read_note(note) for name, note in file.get("provenance", {}).items()}


def write_provenance(
    entry: h5py.Group,
    small: SmallData,
    settings: Mapping[str, Any],
    description: Mapping[str, Any],
    images: Any,
) -> None:
    """The group `provenance`. images: what is known of where images come from, empty without images."""
    group = add_group(entry, "provenance", "NXcollection")
    for name, value, text in (
        ("small_data", raw_file_record(small.path), "the small data file"),
        ("small_data_provenance", _provenance(small), "what the small data were made of"),
        ("images", images, "raw files, masks, darks and settings of the images"),
        ("settings", dict(settings), "configuration of what is in this file"),
        ("description", dict(description), "run, reduction, sample, experiment"),
        ("software", software(), "versions and commit"),
    ):
        add_note(group, name, value, text)
