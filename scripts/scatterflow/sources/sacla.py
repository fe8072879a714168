"""SACLA runs in the HDF5 files of DataConvert (format "run_data_format", version 3).

    /run_<n>/event_info/tag_number_list (shots,)      and one value per tag under event_info/**
    /run_<n>/detector_2d_<i>/detector_info/*          name, absolute gain (e-/ADU), pixel size, position
    /run_<n>/detector_2d_<i>/tag_<t>/detector_data    one image; not every tag has one
    /run_<n>/run_info/**, exp_info/**                 once a run

The eight panels of an octal MPCCD are eight detectors named STEM-1 ... STEM-8; here they are the tiles of
one detector STEM. A shot has the detector if it has all of its panels. Recipe:

    format: sacla
    file: "{raw}"              # the file; `run_number`: which run of it, if it holds several
    detectors: {octal: MPCCD-8-2-001, side: MPCCD-1N0-M06-002}   # name: detector ID, or a list of IDs
    scalars: ...               # see shot_scalars; stored names are relative to event_info
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from scatterflow.errors import FrameError, UserError, suggestion
from scatterflow.files.hdf5 import dataset_names, unit_of
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_file import plain, plain_values, run_file
from scatterflow.sources.shot_scalars import all_names, scalar_table, wanted_scalars
from scatterflow.sources.shots import (
    ABSENT,
    ShotDetectorInfo,
    absent_frames,
    aligned_rows,
    detector_of,
    missing_tags,
    ordered_tags,
    shot_range,
    times_in_ns,
    unknown_times,
)

if TYPE_CHECKING:
    import pandas as pd

TAGS, TIMES = "tag_number_list", "time_stamp"
OCTAL = 5
_PANEL = re.compile(r"(.+)-([1-8])")
_UNITS = {
    "time_stamp": "s",
    "_in_joule": "J",
    "_in_coulomb": "C",
    "_in_eV": "eV",
    "_in_psec": "ps",
    "_in_volt": "V",
    "_in_meter": "m",
    "_in_micro_meter": "um",
    "_in_degree": "degree",
}
STATUS, TEMPERATURE = "detector_status", "temperature"


class SaclaSource:
    """See `ShotSource`."""

    def __init__(self, location: RunLocation) -> None:
        self.location = location
        self._file = run_file(location)
        self._group = _run_group(self._file.open(), location, self._file.place)
        run = self._run()
        self._panels = _panel_groups(run)
        self.tags, self._rows, self.notes = self._tags(run)
        self.shots = len(self.tags)
        self._tiles = self._tiles_of_detectors()
        self.detectors = {
            name: self._detector_info(name, panels) for name, panels in self._tiles.items()
        }
        self._scalars = self._stored_scalars(run)

    @property
    def scalar_names(self) -> list[str]:
        """See `ShotSource.scalar_names`; stored names are relative to event_info.

        Besides these, <ID>/detector_status and <ID>/temperature of a panel can be asked for by name: one
        small dataset is read per tag.
        """
        return all_names(self.location.recipe, self._scalars)

    def read(self, detector: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """See `ShotSource.read`."""
        info = detector_of(self.detectors, detector, self.location.run)
        start, stop = shot_range(start, stop, self.shots)
        frames = absent_frames(stop - start, info.shape, info.dtype)
        present = info.present[start:stop].copy()
        tiled = frames if info.shape[2:] else frames[:, None]
        run = self._run()
        for tile, panel in enumerate(self._tiles[detector]):
            group = run[self._panels[panel]]
            for shot in np.flatnonzero(present):
                self._read_panel(group, panel, int(self.tags[start + shot]), tiled[shot, tile])
        return frames, present

    def scalars(
        self, start: int = 0, stop: int | None = None, names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `ShotSource.scalars`; names: which ones, configured or stored."""
        start, stop = shot_range(start, stop, self.shots)
        recipe = self.location.recipe
        everything = names is None and not recipe.get("scalars")
        panels = [f"{name}/{what}" for name in self._panels for what in (STATUS, TEMPERATURE)]
        known = self._scalars if everything else [*self._scalars, *panels]
        wanted = wanted_scalars(recipe, known, names, self._file.place)
        rows = self._rows[start:stop]
        tags = self.tags[start:stop]
        return scalar_table(tags, wanted, lambda name: self._values(name, rows, tags))

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """See `ShotSource.times`; from event_info/time_stamp, to the microsecond."""
        start, stop = shot_range(start, stop, self.shots)
        if TIMES not in self._scalars:
            return unknown_times(stop - start)
        seconds = self._run()[f"event_info/{TIMES}"][()][self._rows[start:stop]]
        # A float64 of these seconds holds a quarter of a microsecond.
        return times_in_ns(np.round(seconds * 1e6).astype(np.int64) * 1000)

    def metadata(self) -> dict[str, Any]:
        """Values of run_info and exp_info, and `detectors` = {name: detector_info of each panel}."""
        run = self._run()
        panels = {
            name: [plain_values(run[f"{self._panels[p]}/detector_info"]) for p in ids]
            for name, ids in self._tiles.items()
        }
        # One panel needs no list.
        detectors = {name: info if len(info) > 1 else info[0] for name, info in panels.items()}
        return {
            "facility": "SACLA",
            "tag": "tag number",
            "run_number": int(self._group.removeprefix("run_")),
            **plain_values(run.get("run_info")),
            **plain_values(run.get("exp_info")),
            "detectors": detectors,
        }

    def slow(self) -> dict[str, Any]:
        """Numbers of run_info, as sacla_config/photon_energy_in_eV."""
        values = plain_values(self._run().get("run_info"))
        return {name: value for name, value in values.items() if isinstance(value, int | float)}

    def files(self) -> list[Path]:
        """The file."""
        return [self._file.path]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _run(self) -> h5py.Group:
        return self._file.open()[self._group]

    def _tags(self, run: h5py.Group) -> tuple[np.ndarray, np.ndarray, list[str]]:
        if f"event_info/{TAGS}" in run:
            stored = run[f"event_info/{TAGS}"][()]
        elif self._panels:
            # Averaged images, as of a dark run, come without a list of tags.
            stored = _tags_of_images(run[next(iter(self._panels.values()))])
        else:
            raise UserError(
                "neither a list of tags nor a detector",
                f"{self._file.place}, {self._group}",
                "write the file again with DataConvert",
            )
        tags, rows, notes = ordered_tags(stored, f"{self._group}/event_info/{TAGS}")
        return tags, rows, notes + missing_tags(tags, "tags")

    def _tiles_of_detectors(self) -> dict[str, list[str]]:
        """Panel IDs of every detector, by its name."""
        configured = self.location.recipe.get("detectors")
        if configured is None:
            return _grouped(self._run(), self._panels)
        return {name: self._panel_ids(name, entry) for name, entry in configured.items()}

    def _panel_ids(self, name: str, entry: str | list[str]) -> list[str]:
        grouped = _grouped(self._run(), self._panels)
        if isinstance(entry, str):
            entry = grouped.get(entry, [entry])
        for panel in entry:
            if panel not in self._panels:
                raise UserError(
                    f"the run has no detector {panel!r}",
                    f"{self._file.place}, {self._group}, detector {name}",
                    suggestion(panel, {*self._panels, *grouped}),
                )
        return list(entry)

    def _detector_info(self, name: str, panels: list[str]) -> ShotDetectorInfo:
        run = self._run()
        there = np.empty((len(panels), self.shots), bool)
        shapes, dtype = set(), np.dtype(np.float32)
        for tile, panel in enumerate(panels):
            images = _tags_of_images(run[self._panels[panel]])
            if len(images):
                first = run[f"{self._panels[panel]}/tag_{images[0]}/detector_data"]
                shapes.add(first.shape)
                dtype = first.dtype
            rows, notes = aligned_rows(self.tags, images, f"images of {panel}")
            there[tile] = rows != ABSENT
            self.notes += notes
        present: np.ndarray = np.all(there, axis=0)
        if lost := int((~present).sum()):
            self.notes.append(f"detector {name}: no image in {lost} of {self.shots} shots")
        if uneven := int((there.any(axis=0) & ~present).sum()):
            self.notes.append(f"detector {name}: only some panels in {uneven} shots, left out")
        if len(shapes) > 1:
            raise UserError(
                f"panels of different shapes: {sorted(shapes)}",
                f"{self._file.place}, detector {name}",
                "give them as detectors of their own",
            )
        shape = shapes.pop() if shapes else (0, 0)
        return ShotDetectorInfo((len(panels), *shape) if len(panels) > 1 else shape, dtype, present)

    def _read_panel(self, group: h5py.Group, panel: str, tag: int, out: np.ndarray) -> None:
        place = f"{self._file.place}, detector {panel}, tag {tag}"
        dataset = group[f"tag_{tag}/detector_data"]
        if dataset.shape != out.shape or dataset.dtype != out.dtype:
            raise FrameError(
                f"an image of {dataset.dtype} {dataset.shape} among {out.dtype} {out.shape}",
                place,
                "leave this tag out when converting",
            )
        try:
            dataset.read_direct(out)
        except OSError as error:
            raise FrameError(
                f"the image cannot be read ({error})", place, "copy the file again"
            ) from error

    def _stored_scalars(self, run: h5py.Group) -> list[str]:
        group = run.get("event_info")
        rows = None if group is None or TAGS not in group else group[TAGS].shape[0]
        names = []
        for name in dataset_names(group) if rows is not None else []:
            dataset = group[name]
            if name == TAGS or dataset.dtype.kind not in "biuf" or dataset.ndim != 1:
                continue
            if dataset.shape[0] == rows:
                names.append(name)
            else:
                self.notes.append(
                    f"event_info/{name}: {dataset.shape[0]} values for {rows} tags, left out"
                )
        return names

    def _values(self, name: str, rows: np.ndarray, tags: np.ndarray) -> tuple[Any, str]:
        panel, _, what = name.rpartition("/")
        if panel in self._panels and what in (STATUS, TEMPERATURE):
            return _value_per_image(self._run()[self._panels[panel]], what, tags), ""
        dataset = self._run()[f"event_info/{name}"]
        return dataset[()][rows], unit_of(dataset) or _unit_in_name(name)


def _run_group(file: h5py.File, location: RunLocation, place: str) -> str:
    runs = [name for name in file if re.fullmatch(r"run_\d+", name)]
    number = location.recipe.get("run_number")
    if number is None and len(runs) == 1:
        return runs[0]
    if f"run_{number}" in runs:
        return f"run_{number}"
    if not runs:
        raise UserError("no SACLA run in the file", place, "check `format` of the source")
    what = "several runs in the file" if number is None else f"no run {number} in the file"
    raise UserError(what, place, f"set `run_number` to one of {', '.join(r[4:] for r in runs)}")


def _panel_groups(run: h5py.Group) -> dict[str, str]:
    """Group of every panel or single detector, by its ID, in the order of their numbers."""
    groups = {}
    names = (match for name in run if (match := re.fullmatch(r"detector_2d_(\d+)", name)))
    for match in sorted(names, key=lambda match: int(match[1])):
        stated = run[match[0]].get("detector_info/detector_name")
        groups[str(plain(stated[()])) if stated is not None else match[0]] = match[0]
    return groups


def _grouped(run: h5py.Group, panels: dict[str, str]) -> dict[str, list[str]]:
    """Detectors of a run: octal panels under their common stem, others by themselves."""
    grouped: dict[str, list[str]] = {}
    for panel, group in panels.items():
        kind = run[group].get("detector_info/detector_type")
        match = _PANEL.fullmatch(panel) if kind is not None and plain(kind[()]) == OCTAL else None
        grouped.setdefault(match[1] if match else panel, []).append(panel)
    return {name: sorted(ids) for name, ids in grouped.items()}


def _tags_of_images(group: h5py.Group) -> np.ndarray:
    links, names = group.id.links, []
    # Of all ways through many thousand names, the fastest; h5py stops at a value that is not None.
    links.iterate(lambda name: names.append(name) if name.startswith(b"tag_") else None)
    tags = [int(name[4:]) for name in names if links.exists(name + b"/detector_data")]
    return np.sort(np.array(tags, np.int64))


def _value_per_image(group: h5py.Group, what: str, tags: np.ndarray) -> np.ndarray:
    found = (group.get(f"tag_{tag}/{what}") for tag in tags)
    return np.array([np.nan if item is None else float(plain(item[()])) for item in found])


def _unit_in_name(name: str) -> str:
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")
