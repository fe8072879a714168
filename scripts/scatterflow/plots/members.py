"""Members of a result file (`result.nxs`), for what figures read: what is missing or damaged is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, text_of


@contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """A result file, open for reading; raises UserError if it is none."""
    with reading(path) as file:
        member(file, "entry")
        yield file


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """A member by name; raises UserError if it is missing."""
    if name not in group:
        raise UserError(
            f"{name!r} is missing in the result file",
            f"{group.file.filename}, {group.name}",
            "delete the result and run snakemake again",
        )
    return group[name]


def read_array(group: h5py.Group, name: str) -> np.ndarray:
    """A dataset by name, whole; raises UserError as `member` and `read_rows`."""
    dataset = member(group, name)
    return read_rows(dataset, 0, dataset.shape[0]) if dataset.ndim else np.asarray(dataset[()])


def read_rows(dataset: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    """Rows start..stop-1; raises UserError for a file that is damaged there."""
    try:
        return dataset[start:stop]
    except OSError as error:
        raise UserError(
            f"cannot be read ({error})",
            f"{dataset.file.filename}, {dataset.name}",
            "the file is damaged: delete the result and run snakemake again",
        ) from error


def text_attribute(item: h5py.Group | h5py.Dataset, name: str) -> str:
    """An attribute as text, empty where there is none."""
    return text_of(item.attrs.get(name))


def heading(file: h5py.File) -> str:
    """`run, sample`, as far as the file says."""
    parts = []
    for name in ("entry_identifier", "sample/name"):
        if (item := file["entry"].get(name)) is not None:
            parts.append(text_of(item[()]))
    return " · ".join(part for part in parts if part) or Path(file.filename).parent.name
