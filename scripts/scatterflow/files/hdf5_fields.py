"""Dataclasses in HDF5: each field a dataset under its own name, and back.

Arrays and single values are datasets as they are. What is neither (dictionaries, lists, tuples) is JSON text,
marked by the attribute `form`; tuples within come back as lists. None is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array
from scatterflow.files.json import to_json

T = TypeVar("T")

COMPRESSED_BYTES = 65536
"""Arrays of at least this size are compressed."""


def write_fields(
    group: h5py.Group,
    item: Any,
    units: Mapping[str, str] | None = None,
    linked: Mapping[str, h5py.Dataset] | None = None,
) -> None:
    """Write the fields of a dataclass into a group.

    units: unit by field. linked: datasets of the same file that hold a field already, by field; that
    field becomes another name (hard link) of it.
    """
    for field in fields(item):
        value = getattr(item, field.name)
        if value is None:
            continue
        if linked and field.name in linked:
            group[field.name] = linked[field.name]
            continue
        dataset = _write_value(group, field.name, value)
        if units and field.name in units:
            dataset.attrs["units"] = units[field.name]


def _write_value(group: h5py.Group, name: str, value: Any) -> h5py.Dataset:
    if isinstance(value, np.ndarray):
        return write_large(group, name, value)
    if isinstance(value, bool):
        return write_array(group, name, np.bool_(value))
    if isinstance(value, str | int | float | np.generic):
        return write_array(group, name, value)
    form = "tuple" if isinstance(value, tuple) else "json"
    return write_array(group, name, to_json(value, indent=None), form=form)


def write_large(group: h5py.Group, name: str, values: np.ndarray) -> h5py.Dataset:
    """A dataset of an array, compressed (deflate, lossless) where that pays."""
    if values.nbytes < COMPRESSED_BYTES or values.dtype.kind not in "biuf":
        return write_array(group, name, values)
    return group.create_dataset(
        name, data=values, compression="gzip", compression_opts=4, shuffle=True, track_times=False
    )


def read_fields(group: h5py.Group, kind: type[T], instead: Mapping[str, Any] | None = None) -> T:
    """The dataclass `kind` that `write_fields` wrote into a group; what is not there is None.

    instead: values of fields that are not to be read.
    """
    found = dict(instead or {})
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in found:
            found[field.name] = _read_value(group[field.name]) if field.name in group else None
    return kind(**found)


def _read_value(dataset: h5py.Dataset) -> Any:
    form = dataset.attrs.get("form")
    if form is not None:
        value = json.loads(dataset.asstr()[()])
        return tuple(value) if form == "tuple" else value
    if h5py.check_string_dtype(dataset.dtype):
        texts = dataset.asstr()[()]
        return texts if isinstance(texts, str) else np.asarray(texts.tolist())
    value = dataset[()]
    return value if isinstance(value, np.ndarray) else value.item()
