"""HDF5 helpers: read without locks, write whole, map contiguous arrays into memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.atomic import whole_file


@contextmanager
def reading(path: str | Path) -> Iterator[h5py.File]:
    """An HDF5 file open for reading, without file locks (shared file systems may lack them).

    Raises UserError if the file is missing or is not a complete HDF5 file.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise UserError("file not found", str(path), "run snakemake again to make it") from None
    except OSError as error:
        raise UserError(
            f"not a complete HDF5 file ({error})", str(path), "delete it and run snakemake again"
        ) from error
    with file:
        yield file


@contextmanager
def writing(path: str | Path) -> Iterator[h5py.File]:
    """A new HDF5 file that appears under `path`, whole, when the block ends."""
    with whole_file(path) as temporary:
        # v110 and no time stamps: equal content gives equal bytes.
        with h5py.File(temporary, "w", libver=("earliest", "v110"), track_order=False) as file:
            yield file


def write_array(group: h5py.Group, name: str, value: Any, **attributes: Any) -> h5py.Dataset:
    """A dataset without time stamps, with attributes; strings as UTF-8."""
    if isinstance(value, str):
        dataset = group.create_dataset(
            name, data=value, dtype=h5py.string_dtype(), track_times=False
        )
    else:
        dataset = group.create_dataset(name, data=value, track_times=False)
    for key, attribute in attributes.items():
        dataset.attrs[key] = attribute
    return dataset


def mapped(path: str | Path, dataset: h5py.Dataset) -> np.ndarray:
    """A contiguous, uncompressed dataset mapped read-only into memory: jobs share its pages."""
    offset = dataset.id.get_offset()
    if offset is None or dataset.size == 0:
        return dataset[()]
    return np.memmap(path, dtype=dataset.dtype, mode="r", offset=offset, shape=dataset.shape)
