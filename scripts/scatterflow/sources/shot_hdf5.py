"""Shots in plain HDF5 files: datasets with one entry per shot, each with the tags of its entries.

Recipe:

    format: shot_hdf5
    file: "{raw}"
    tags: /tags                          # the shots; one integer, or one time in seconds, per shot
    detectors:
      camera: /camera/images             # entries as in `tags`
      spectrometer: {data: /spec/data, tags: /spec/tags, file: "{raw}_spec.h5"}
    scalars:
      delay: /motors/delay
      energy: {name: energy, unit: mJ, factor: 1000}
    scalar_data:                         # where stored scalars are that have tags or files of their own
      energy: {data: /gmd/energy, tags: /gmd/tags, file: "{raw}_gmd.h5"}

Times in seconds are compared as whole microseconds. Without `scalars`, every dataset of the file with one
number per shot is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import dataset_names, unit_of
from scatterflow.sources.base import RunLocation
from scatterflow.sources.patterns import run_path
from scatterflow.sources.shot_file import ShotFile, plain_values
from scatterflow.sources.shot_scalars import all_names, at_rows, scalar_table, wanted_scalars
from scatterflow.sources.shots import (
    ABSENT,
    ShotDetectorInfo,
    absent_frames,
    aligned_rows,
    detector_of,
    ordered_tags,
    read_rows,
    shot_range,
    times_in_ns,
    unknown_times,
)

if TYPE_CHECKING:
    import pandas as pd

OWN_FILE = "{raw}"


@dataclass(frozen=True)
class Stored:
    """A dataset per shot: its file, its path, and the row of every shot."""

    file: ShotFile
    path: str
    rows: np.ndarray


class ShotHdf5Source:
    """See `ShotSource`."""

    def __init__(self, location: RunLocation) -> None:
        self.location = location
        recipe = location.recipe
        if "tags" not in recipe:
            raise UserError(
                "`tags` is missing",
                f"run {location.run}, source",
                "name the dataset that holds one tag per shot",
            )
        self._main = recipe.get("file", OWN_FILE)
        self._files: dict[str, ShotFile] = {}
        dataset = self._file(self._main).dataset(recipe["tags"])
        self.tags, self._rows, self.notes = ordered_tags(dataset[()], recipe["tags"])
        self._entries = dataset.shape[0]
        self._tags_are_times = dataset.dtype.kind == "f"
        self.shots = len(self.tags)
        self._data = {
            name: self._stored(name, entry)
            for name, entry in (recipe.get("detectors") or {}).items()
        }
        self.detectors = {name: self._info(name, stored) for name, stored in self._data.items()}
        self._scalars = self._stored_scalars()

    @property
    def scalar_names(self) -> list[str]:
        """See `ShotSource.scalar_names`; stored: `scalar_data`, and the main file's numbers per shot."""
        return all_names(self.location.recipe, sorted(self._scalars))

    def read(self, detector: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """See `ShotSource.read`."""
        info = detector_of(self.detectors, detector, self.location.run)
        start, stop = shot_range(start, stop, self.shots)
        frames = absent_frames(stop - start, info.shape, info.dtype)
        stored = self._data[detector]
        dataset = stored.file.dataset(stored.path)
        read_rows(dataset, stored.rows[start:stop], frames, f"{stored.file.place}, {stored.path}")
        return frames, info.present[start:stop].copy()

    def scalars(
        self, start: int = 0, stop: int | None = None, names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `ShotSource.scalars`."""
        start, stop = shot_range(start, stop, self.shots)
        where = f"run {self.location.run}"
        configured = self.location.recipe.get("scalars") or {}
        recipe = {"scalars": {name: self._whole(entry) for name, entry in configured.items()}}
        wanted = wanted_scalars(recipe, self._scalars, names, where)

        def values(name: str) -> tuple[Any, str]:
            stored = self._scalars[name]
            dataset = stored.file.dataset(stored.path)
            lacking = bool((stored.rows == ABSENT).any())
            found = at_rows(dataset[()], stored.rows[start:stop], lacking, f"{where}, {name}")
            return found, unit_of(dataset)

        return scalar_table(self.tags[start:stop], wanted, values)

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """See `ShotSource.times`; known where the tags are seconds since 1970."""
        start, stop = shot_range(start, stop, self.shots)
        if not self._tags_are_times:
            return unknown_times(stop - start)
        return times_in_ns(self.tags[start:stop] * 1000)

    def metadata(self) -> dict[str, Any]:
        """Single values and short arrays of the main file, {path: value}."""
        per_shot = {stored.path for stored in [*self._scalars.values(), *self._data.values()]}
        values = plain_values(self._file(self._main).open())
        kept = {
            name: value
            for name, value in values.items()
            if f"/{name}" not in per_shot and name not in per_shot
        }
        return {"tag": self.location.recipe["tags"], **kept, "detectors": {}}

    def slow(self) -> dict[str, Any]:
        """The numbers of `metadata`."""
        return {k: v for k, v in self.metadata().items() if isinstance(v, int | float)}

    def files(self) -> list[Path]:
        """The main file, then those of detectors and scalars."""
        return [file.path for file in self._files.values()]

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()

    def _file(self, pattern: str) -> ShotFile:
        if pattern not in self._files:
            path = run_path(self.location, pattern)
            self._files[pattern] = ShotFile(path, self.location.run)
        return self._files[pattern]

    def _stored(self, name: str, entry: str | dict[str, str]) -> Stored:
        entry = {"data": entry} if isinstance(entry, str) else entry
        file = self._file(entry.get("file", self._main))
        dataset = file.dataset(entry["data"])
        if "tags" in entry:
            tags = file.dataset(entry["tags"])
            rows, notes = aligned_rows(self.tags, tags[()], f"{name}: {entry['tags']}")
            self.notes += notes
            entries = tags.shape[0]
        else:
            rows, entries = self._rows, self._entries
        if not dataset.ndim or dataset.shape[0] != entries:
            raise UserError(
                f"{dataset.shape[0] if dataset.ndim else 'one'} entries for {entries} tags",
                f"{file.place}, {entry['data']}",
                "give the dataset `tags` of its own",
            )
        return Stored(file, entry["data"], rows)

    def _info(self, name: str, stored: Stored) -> ShotDetectorInfo:
        dataset = stored.file.dataset(stored.path)
        if dataset.dtype.kind not in "biuf":
            raise UserError(
                f"values of type {dataset.dtype} are no frames", f"{stored.file.place}, {name}", ""
            )
        present = stored.rows != ABSENT
        if lost := int((~present).sum()):
            self.notes.append(f"detector {name}: nothing in {lost} of {self.shots} shots")
        return ShotDetectorInfo(dataset.shape[1:], dataset.dtype, present)

    def _whole(self, entry: str | dict[str, Any]) -> str | dict[str, Any]:
        """An entry of `scalars` with the first / of its path, which may be left out as in other paths."""
        name = entry if isinstance(entry, str) else entry["name"]
        if name in self._scalars or f"/{name}" not in self._scalars:
            return entry
        return f"/{name}" if isinstance(entry, str) else {**entry, "name": f"/{name}"}

    def _stored_scalars(self) -> dict[str, Stored]:
        main = self._file(self._main)
        taken = {stored.path.strip("/") for stored in self._data.values()}
        taken.add(self.location.recipe["tags"].strip("/"))
        found = {}
        for name in dataset_names(main.open()):
            dataset = main.dataset(name)
            one_number = dataset.dtype.kind in "biuf" and dataset.shape == (self._entries,)
            if one_number and name not in taken:
                found[f"/{name}"] = Stored(main, name, self._rows)
        for name, entry in (self.location.recipe.get("scalar_data") or {}).items():
            found[name] = self._stored(name, entry)
        return found
