"""One HDF5 file of shots, open while it is read; what is wrong with it is said in one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import dataset_names
from scatterflow.files.hdf5_inside import check_inside
from scatterflow.sources.base import RunLocation
from scatterflow.sources.patterns import run_path
from scatterflow.sources.raw_faults import missing_file_advice, system_error

MOST_TEXT = 1000
MOST_BYTES = 100_000  # a text may be declared as long as memory


class ShotFile:
    """A file that opens with the first use, and again after `close`."""

    def __init__(self, path: Path, run: str) -> None:
        self.path = path
        self.place = f"{path}, run {run}"
        self._file: h5py.File | None = None

    def open(self) -> h5py.File:
        """The open file; raises UserError if it is missing, no HDF5 file, or leads out of its folder."""
        if self._file is None:
            try:
                file = h5py.File(self.path, "r", locking=False)
            except FileNotFoundError:
                how = missing_file_advice(self.path, "correct `raw` in the run table")
                raise UserError("raw file is missing", self.place, how) from None
            except OSError as error:
                raise system_error(error, self.path) or UserError(
                    f"not a complete HDF5 file ({error})",
                    self.place,
                    "copy it again from the facility",
                ) from error
            check_inside(file, self.path)
            self._file = file
        return self._file

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def dataset(self, name: str) -> h5py.Dataset:
        """A dataset; raises UserError, with the nearest name beside it, if there is none."""
        found = self.open().get(name)
        if not isinstance(found, h5py.Dataset):
            raise UserError(
                f"no dataset {name!r}", self.place, suggestion(name, dataset_names(self.open()))
            )
        return found


def run_file(location: RunLocation) -> ShotFile:
    """The run's one file: the pattern `file` of the recipe, or the run table's `raw`."""
    return ShotFile(run_path(location, location.recipe.get("file", "{raw}")), location.run)


def plain_values(group: h5py.Group | None) -> dict[str, Any]:
    """The single numbers, texts and short arrays (up to 100 values) below a group, {name: value}."""
    values: dict[str, Any] = {}
    if group is None:
        return values
    for name in dataset_names(group):
        dataset = group[name]
        few = dataset.size is not None and 0 < dataset.size <= 100
        if few and dataset.nbytes <= MOST_BYTES:
            values[name] = plain(dataset[()])
    return values


def plain(value: Any) -> Any:
    """A value as Python keeps it: bytes as text, single elements as themselves, arrays as lists."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")[:MOST_TEXT]
    if isinstance(value, np.ndarray):
        items = [plain(item) for item in value.reshape(-1).tolist()]
        return items[0] if value.size == 1 else items
    return value.item() if isinstance(value, np.generic) else value
