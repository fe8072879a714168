"""HDF5 helpers: read without locks, write whole, map contiguous arrays into memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError, from_os_error
from scatterflow.files.atomic import whole_file


@contextmanager
def reading(path: str | Path, mend: str = "") -> Iterator[h5py.File]:
    """An HDF5 file open for reading, without file locks (shared file systems may lack them).

    mend: what to do about a file that the workflow did not make. Raises UserError if the file is
    missing or is not a complete HDF5 file.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise UserError(
            "file not found", str(path), mend or "run snakemake again to make it"
        ) from None
    except OSError as error:
        # Deleting helps only where the bytes themselves are at fault.
        if mendable := from_os_error(error):
            raise type(mendable)(mendable.what, str(path), mendable.how) from error
        raise UserError(
            f"not a complete HDF5 file ({error})",
            str(path),
            mend or "delete it and run snakemake again",
        ) from error
    with file:
        yield file


@contextmanager
def writing(path: str | Path) -> Iterator[h5py.File]:
    """A new HDF5 file that appears under `path`, whole, when the block ends.

    Raises OSError if it cannot be written, as on a full disk.
    """
    # v110 and no time stamps: equal content gives equal bytes.
    options = {"libver": ("earliest", "v110"), "track_order": False}
    with whole_file(path) as temporary, open(temporary, "w+b", buffering=0) as raw:
        disk = _Disk(raw)
        try:
            with h5py.File(disk, "w", **options) as file:
                yield file
        finally:
            if disk.error is not None:
                raise OSError(disk.error.errno, disk.error.strerror, str(path)) from None


class _Disk:
    """A file under HDF5 that keeps the first error of a write to itself, for later.

    HDF5 cannot close a file whose last bytes cannot be written: it crashes the process, and the user
    would never learn that the disk is full.
    """

    def __init__(self, raw: io.FileIO) -> None:
        self.error: OSError | None = None
        self._raw = raw
        self.seek, self.tell, self.flush = raw.seek, raw.tell, raw.flush
        self.read, self.readinto = raw.read, raw.readinto

    def write(self, data: memoryview) -> int:
        left = memoryview(data).cast("B")
        with self._kept():
            while len(left) and self.error is None:
                left = left[self._raw.write(left) :]
        return memoryview(data).nbytes

    def truncate(self, size: int) -> int:
        with self._kept():
            self._raw.truncate(size)
        return size

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error


def write_array(group: h5py.Group, name: str, value: Any, **attributes: Any) -> h5py.Dataset:
    """A dataset without time stamps, with attributes; text, one or many, as UTF-8."""
    text = isinstance(value, str) or np.asarray(value).dtype.kind == "U"
    if text and not isinstance(value, str):
        value = np.asarray(value, dtype=object)
    dataset = group.create_dataset(
        name, data=value, dtype=h5py.string_dtype() if text else None, track_times=False
    )
    for key, attribute in attributes.items():
        dataset.attrs[key] = attribute
    return dataset


def text_of(value: Any) -> str:
    """Text as HDF5 gives it, bytes or str; empty for None."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def unit_of(dataset: h5py.Dataset) -> str:
    """Its attribute `units`, one text or an array of one; empty where there is none."""
    stated = np.asarray(dataset.attrs.get("units", "")).reshape(-1)[:1].tolist()
    return text_of(stated[0]) if stated else ""


def dataset_names(group: h5py.Group) -> list[str]:
    """Names of all datasets below a group, relative to it, in alphabetical order."""
    names: list[str] = []

    def visit(name: str | bytes, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name if isinstance(name, str) else name.decode("latin-1"))

    group.visititems(visit)
    return sorted(names)


def mapped(path: str | Path, dataset: h5py.Dataset) -> np.ndarray:
    """A contiguous, uncompressed dataset mapped read-only into memory: jobs share its pages.

    Any other dataset is read. Either way the array cannot be written to.
    """
    offset = dataset.id.get_offset()
    if offset is None or dataset.size == 0 or dataset.dtype.hasobject:
        array = np.asarray(dataset[()])
        array.setflags(write=False)
        return array
    return np.memmap(path, dtype=dataset.dtype, mode="r", offset=offset, shape=dataset.shape)
