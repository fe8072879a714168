"""What an HDF5 file says of its run: single numbers and texts, per-frame scalars, times.

Times: `start_time` and `end_time` of the NXentry (NeXus), `data_collection_date` of an Eiger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.sources.hdf5_links import LinkedFiles, NoSuchDataset, damage_reported
from scatterflow.sources.times import iso_with_zone

if TYPE_CHECKING:
    import h5py

MOST_METADATA = 2000
LONGEST_TEXT = 1000
LARGEST_VALUE = 100_000  # bytes; a text may be declared as long as memory
EIGER_START = "/entry/instrument/detector/detectorSpecific/data_collection_date"


def single_values(file: h5py.File) -> dict[str, Any]:
    """The single numbers and texts of a file, {path in the file: value}; links are not followed."""
    import h5py

    values: dict[str, Any] = {}

    def visit(name: str | bytes, item: object) -> None:
        if len(values) >= MOST_METADATA or not isinstance(item, h5py.Dataset) or item.size != 1:
            return
        if item.external is not None or item.is_virtual or item.dtype.itemsize > LARGEST_VALUE:
            return
        value = _single_value(item)
        if isinstance(value, int | float | str) and len(str(value)) <= LONGEST_TEXT:
            # h5py leaves a name that is no UTF-8 as bytes.
            name = name if isinstance(name, str) else name.decode("latin-1")
            values["/" + name] = value

    file.visititems(visit)
    return values


def values_and_unit(files: LinkedFiles, name: str, frames: int) -> tuple[np.ndarray, str]:
    """A per-frame scalar: the values of a dataset, in its shape, and its attribute `units`.

    frames: of the run. Raises UserError for a dataset that is larger: it is not read.
    """
    dataset, holder = files.dataset(name)
    if dataset.size is None or dataset.size > max(frames, 1):
        raise UserError(
            f"shape {dataset.shape} does not fit: the run has {frames} frames",
            f"{holder}, {name}",
            "a scalar is one number, or one per frame; or correct `frames` of the run table",
        )
    if dataset.is_virtual:
        files.check_pieces(dataset, holder)
    from scatterflow.files.hdf5 import unit_of

    with damage_reported(holder):
        return np.asarray(dataset[()]), unit_of(dataset)


def start_time(files: LinkedFiles) -> dict[str, str]:
    """{"start_time": ISO 8601 with offset}; {} if the file states none, or none with a zone."""
    return _time(files, "start_time", f"{_default_entry(files)}/start_time", EIGER_START)


def end_time(files: LinkedFiles) -> dict[str, str]:
    """{"end_time": ...}, as `start_time`."""
    return _time(files, "end_time", f"{_default_entry(files)}/end_time")


def _time(files: LinkedFiles, key: str, *names: str) -> dict[str, str]:
    for name in names:
        try:
            dataset, holder = files.dataset(name)
        except NoSuchDataset:
            continue
        with damage_reported(holder):
            value = _single_value(dataset) if dataset.size == 1 else None
        time = iso_with_zone(value) if isinstance(value, str) else None
        if time:
            return {key: time}
    return {}


def _default_entry(files: LinkedFiles) -> str:
    from scatterflow.files.hdf5 import text_of

    root, holder = files.find("/")
    with damage_reported(holder):
        name = text_of(root.attrs.get("default", "entry"))
    try:
        files.find(name)
    except UserError:
        return "/entry"
    return name


def _single_value(dataset: h5py.Dataset) -> Any:
    value = np.asarray(dataset[()]).reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value
