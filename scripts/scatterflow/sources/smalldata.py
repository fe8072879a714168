"""LCLS small data files (`<experiment>_Run####.h5`) of smalldata_tools and psana.

    event_time int64 (n,) or timestamp uint64 (n,)    the tags: seconds << 32 | nanoseconds
    <group>/<field> (n,)                              scalars per shot
    <detector>/<field> (n, ...)                       small arrays per shot: they are the detectors here
    damage/<detector> (n,)                            1 where the shot has the detector
    Sums/<detector>_<name>, UserDataCfg/<detector>/*  once a run

Recipe:

    format: smalldata
    detectors: {roi: epix_1/ROI_area}    # name: dataset; without, every array per shot by its own path
    scalars: ...                         # see shot_scalars

Lists of variable length (groups var_*) are left to those who read the small data file itself.
Layout: smalldata_tools (SLAC), lcls-II's `smalldata`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import dataset_names, unit_of
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_file import (
    ShotFile,
    plain,
    plain_values,
    run_file,
)
from scatterflow.sources.shot_scalars import all_names, scalar_table, wanted_scalars
from scatterflow.sources.shots import (
    ABSENT,
    ShotDetectorInfo,
    absent_frames,
    detector_of,
    lcls_times,
    ordered_tags,
    read_rows,
    shot_range,
)

if TYPE_CHECKING:
    import pandas as pd

TAGS = ("timestamp", "event_time")
ONCE = ("Sums", "UserDataCfg", "intg", "epics_archiver")
VARIABLE_LENGTH = "var_"


class SmalldataSource:
    """See `ShotSource`."""

    def __init__(self, location: RunLocation) -> None:
        self.location = location
        self._file = run_file(location)
        file = self._file.open()
        name = next((name for name in TAGS if name in file), None)
        if name is None:
            raise UserError(
                "neither timestamp nor event_time: no small data file of a run",
                self._file.place,
                "give the file <experiment>_Run####.h5; a cube is read by `cube_metadata`",
            )
        self.tags, self._rows, self.notes = ordered_tags(file[name][()], name)
        self.shots = len(self.tags)
        self._per_shot = _datasets_per_shot(file, len(file[name]))
        self._scalars = [name for name, ndim in self._per_shot.items() if ndim == 1]
        self._arrays = self._arrays_of_detectors()
        self.detectors = {name: self._info(name, path) for name, path in self._arrays.items()}

    @property
    def scalar_names(self) -> list[str]:
        """See `ShotSource.scalar_names`; stored ones are paths of datasets with one number per shot."""
        return all_names(self.location.recipe, self._scalars)

    def read(self, detector: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """See `ShotSource.read`."""
        info = detector_of(self.detectors, detector, self.location.run)
        start, stop = shot_range(start, stop, self.shots)
        present = info.present[start:stop].copy()
        frames = absent_frames(stop - start, info.shape, info.dtype)
        path = self._arrays[detector]
        rows = np.where(present, self._rows[start:stop], ABSENT)
        read_rows(self._file.dataset(path), rows, frames, f"{self._file.place}, {path}")
        return frames, present

    def scalars(
        self, start: int = 0, stop: int | None = None, names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `ShotSource.scalars`."""
        start, stop = shot_range(start, stop, self.shots)
        rows = self._rows[start:stop]
        recipe = self.location.recipe
        wanted = wanted_scalars(recipe, self._scalars, names, self._file.place)

        def values(name: str) -> tuple[Any, str]:
            dataset = self._file.dataset(name)
            # Rows are nearly always in order: the part that holds them is read, no more.
            first, last = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, 0)
            return dataset[first:last][rows - first], unit_of(dataset)

        return scalar_table(self.tags[start:stop], wanted, values)

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """See `ShotSource.times`; the tags are times."""
        start, stop = shot_range(start, stop, self.shots)
        return lcls_times(self.tags[start:stop])

    def metadata(self) -> dict[str, Any]:
        """`detectors`: the stored configuration (UserDataCfg) of each: single values and short arrays."""
        configured = self._file.open().get("UserDataCfg")
        groups = [] if configured is None else list(configured)
        return {
            "facility": "LCLS",
            "tag": "event time: seconds << 32 | nanoseconds",
            "detectors": {name: plain_values(configured[name]) for name in groups},
        }

    def slow(self) -> dict[str, Any]:
        """Sums and archived values, {path: number or array}."""
        file = self._file.open()
        groups = [group for group in ("Sums", "epics_archiver") if group in file]
        paths = [f"{group}/{name}" for group in groups for name in dataset_names(file[group])]
        return {path: _whole(file[path]) for path in paths}

    def files(self) -> list[Path]:
        """The file."""
        return [self._file.path]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _arrays_of_detectors(self) -> dict[str, str]:
        arrays = [name for name, ndim in self._per_shot.items() if ndim > 1]
        configured = self.location.recipe.get("detectors")
        if configured is None:
            return {name: name for name in arrays}
        for name, path in configured.items():
            self._file.dataset(path)
            if path not in arrays:
                raise UserError(
                    f"{path!r} is no array per shot", f"{self._file.place}, detector {name}", ""
                )
        return dict(configured)

    def _info(self, name: str, path: str) -> ShotDetectorInfo:
        dataset = self._file.dataset(path)
        damage = f"damage/{path.split('/')[0]}"
        present = np.ones(self.shots, bool)
        if damage in self._per_shot:
            present = (self._file.dataset(damage)[()] == 1)[self._rows]
            if lost := int((~present).sum()):
                self.notes.append(f"detector {name}: damaged in {lost} of {self.shots} shots")
        return ShotDetectorInfo(dataset.shape[1:], dataset.dtype, present)


def cube_metadata(path: str | Path) -> dict[str, Any]:
    """What a cube (`Cube_<experiment>_Run####_<name>.h5`) holds, without its arrays.

    Returns `datasets` = {path: {"shape", "dtype", "unit"}}, `bins` (number, from the dataset of the same
    name or nEntries), `entries` (shots per bin, as a list), `configuration`: single values and short arrays.
    Raises UserError for a file that is no cube.
    """
    file = ShotFile(Path(path), "cube")
    try:
        opened = file.open()
        names = dataset_names(opened)
        entries = next((name for name in names if name.split("/")[-1] == "nEntries"), None)
        if entries is None:
            raise UserError("no cube: it lacks nEntries", str(path), "give a file Cube_*.h5")
        counts = opened[entries][()]
        datasets = {
            name: {
                "shape": opened[name].shape,
                "dtype": str(opened[name].dtype),
                "unit": unit_of(opened[name]),
            }
            for name in names
        }
        return {
            "datasets": datasets,
            "bins": int(np.size(counts)),
            "entries": np.asarray(counts).tolist(),
            "configuration": plain_values(opened),
        }
    finally:
        file.close()


def _datasets_per_shot(file: h5py.File, rows: int) -> dict[str, int]:
    """Dimensions of every numeric dataset with one entry per shot, by its path."""
    found = {}
    for name in dataset_names(file):
        dataset = file[name]
        parts = name.split("/")
        if parts[0] in ONCE or any(part.startswith(VARIABLE_LENGTH) for part in parts[:-1]):
            continue
        if dataset.dtype.kind in "biuf" and dataset.ndim and dataset.shape[0] == rows:
            found[name] = dataset.ndim
    return found


def _whole(dataset: h5py.Dataset) -> Any:
    value = dataset[()]
    return value if isinstance(value, np.ndarray) and value.size > 1 else plain(value)
