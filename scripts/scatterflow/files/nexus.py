"""Small helpers for writing NeXus groups into HDF5."""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array
from scatterflow.files.json import to_json


def add_group(parent: h5py.Group, name: str, nx_class: str, **attributes: Any) -> h5py.Group:
    """A group of a NeXus class."""
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    for key, value in attributes.items():
        group.attrs[key] = value
    return group


def add_fields(group: h5py.Group, fields: dict[str, Any]) -> None:
    """Fields by name; a (value, unit) pair carries its unit; None is left out, never written as 0."""
    for name, value in fields.items():
        unit = None
        if isinstance(value, tuple):
            value, unit = value
        if value is None:
            continue
        dataset = write_array(group, name, value)
        if unit is not None:
            dataset.attrs["units"] = unit


def add_note(parent: h5py.Group, name: str, value: Any, description: str) -> h5py.Group:
    """An NXnote that holds a value as JSON."""
    note = add_group(parent, name, "NXnote")
    write_array(note, "type", "application/json")
    write_array(note, "description", description)
    # NXnote's data is binary by definition.
    write_array(note, "data", np.frombuffer(to_json(value).encode(), dtype=np.uint8))
    return note


def read_note(note: h5py.Group) -> Any:
    """The value of an NXnote written by `add_note`."""
    return json.loads(note["data"][()].tobytes().decode())


def add_process(
    parent: h5py.Group,
    name: str,
    index: int,
    software: dict[str, Any],
    date: str,
    parameters: dict[str, Any],
    **fields: str,
) -> h5py.Group:
    """An NXprocess: one step of the reduction, with its parameters."""
    process = add_group(parent, name, "NXprocess")
    write_array(process, "sequence_index", np.int64(index))
    version = software["scatterflow"]
    if software["commit"]:
        commit, _, modified = software["commit"].partition("-")
        version += f"+{commit[:12]}" + (f"-{modified}" if modified else "")
    add_fields(process, {"program": "scatterflow", "version": version, "date": date, **fields})
    add_parameters(process, "input", parameters)
    return process


def add_parameters(parent: h5py.Group, name: str, parameters: dict[str, Any]) -> None:
    """NXparameters: numbers and texts as fields, everything else as JSON text."""
    group = add_group(parent, name, "NXparameters")
    for key, value in sorted(parameters.items()):
        if value is None:
            value = "none"
        elif isinstance(value, bool):
            value = np.bool_(value)
        elif not isinstance(value, str | int | float | np.generic):
            value = to_json(value, indent=None)
        write_array(group, key, value)
