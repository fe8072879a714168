"""European XFEL runs (RAW or CORR), through EXtra-data.

A run with a detector of many frames per train (AGIPD, LPD, DSSC: image/pulseId; JUNGFRAU in burst mode:
memory cells) has one shot per pulse that any of its modules recorded, tag = trainId x 10000 + pulseId (or
number of the cell); any other run has one shot per train, tag = trainId x 10000. What is measured once a
train (cameras, control data) holds for each of its pulses. The modules of a detector are its tiles; a shot
has the detector if all modules have it. Recipe:

    format: euxfel
    folder: "{raw}"
    detectors:                    # without: all multi-module detectors, by their Karabo ID
      agipd: SPB_DET_AGIPD1M-1    # Karabo ID; or {source: "ID/DET/{module}CH0:xtdf", key: image.data,
                                  #   modules: [0, 1], plane: 0}
      camera: {source: "SPB_IRU_CAM/CAM/SIDEMIC:daqOutput", key: data.image.pixels}
    scalars: {gmd: SA1_XTD2_XGM/XGM/DOOCS/pulseEnergy.photonFlux}   # "<source>/<key>"; see shot_scalars
    pulses: {first: 0, step: 1}   # keys with one value per pulse: value i is of pulseId first + i step
    suspect_trains: false         # true: also trains whose ID did not come from the time server

Raw AGIPD frames have two planes: 0 the signal (taken unless `plane` says otherwise), 1 the gain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.sources.base import RunLocation
from scatterflow.sources.euxfel_index import (
    PULSES_PER_TRAIN,
    StoredRows,
    is_scalar,
    open_run,
    plain_key,
    rows_by_tag,
    rows_by_train,
    scalar_keys,
    stored_rows,
)
from scatterflow.sources.patterns import run_path
from scatterflow.sources.shot_file import plain
from scatterflow.sources.shot_scalars import all_names, at_rows, scalar_table, wanted_scalars
from scatterflow.sources.shots import (
    ABSENT,
    ShotDetectorInfo,
    absent_frames,
    detector_of,
    missing_tags,
    ordered_tags,
    shot_range,
)

if TYPE_CHECKING:
    import pandas as pd

BUILT_IN = ("trainId", "pulseId")
_XTDF = re.compile(r"(?P<id>.+)/(?:DET|CORR)/(?P<module>\d+)CH\d+:\w+")
_JUNGFRAU = re.compile(r"(?P<id>.+)/(?:DET|CORR)/JNGFR(?P<module>\d+):\w+")
_KEYS = (("image.data", _XTDF), ("data.adc", _JUNGFRAU))


@dataclass(frozen=True)
class Modules:
    """One detector: the rows of each of its modules, the index into an entry, and how rows are known."""

    key: str
    rows: list[StoredRows]
    select: tuple[int, ...]
    by_pulse: bool
    shape: tuple[int, ...]


@dataclass(frozen=True)
class SlowKey:
    """A scalar's rows; per shot the row of its train, and the value therein (ABSENT: it has none)."""

    rows: StoredRows
    at: np.ndarray
    index: np.ndarray


class EuxfelSource:
    """See `ShotSource`."""

    def __init__(self, location: RunLocation) -> None:
        self.location = location
        recipe = location.recipe
        self._place = f"run {location.run}"
        self._folder = run_path(location, recipe.get("folder", "{raw}"))
        suspect = bool(recipe.get("suspect_trains", False))
        self._run, self.notes = open_run(self._folder, location.run, suspect)
        self._modules = {
            name: self._opened(name, sources, key, plane)
            for name, (sources, key, plane) in self._configured().items()
        }
        self.tags = self._shot_tags()
        self.shots = len(self.tags)
        self._slow: dict[tuple[str, str], SlowKey] = {}
        self._at: dict[str, list[np.ndarray]] = {}
        self.detectors = {name: self._info(name) for name in self._modules}

    @property
    def trains(self) -> np.ndarray:
        """(shots,) int64: trainId of every shot."""
        return self.tags // PULSES_PER_TRAIN

    @property
    def scalar_names(self) -> list[str]:
        """See `ShotSource.scalar_names`; stored: trainId, pulseId, and "<source>/<key>" of all numbers
        per train (or pulse)."""
        return all_names(self.location.recipe, self._stored_names)

    def read(self, detector: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """See `ShotSource.read`."""
        info = detector_of(self.detectors, detector, self.location.run)
        start, stop = shot_range(start, stop, self.shots)
        modules, present = self._modules[detector], info.present[start:stop].copy()
        frames = absent_frames(stop - start, info.shape, info.dtype)
        tiled = frames if len(modules.rows) > 1 else frames[:, None]
        for tile, (rows, at) in enumerate(zip(modules.rows, self._at[detector], strict=True)):
            wanted = np.where(present, at[start:stop], ABSENT)
            place = f"{self._place}, {rows.key.source}"
            rows.take(wanted, tiled[:, tile], modules.select, place)
        return frames, present

    def scalars(
        self, start: int = 0, stop: int | None = None, names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `ShotSource.scalars`."""
        start, stop = shot_range(start, stop, self.shots)
        recipe = self.location.recipe
        wanted = wanted_scalars(recipe, self._known(names), names, self._place)
        tags = self.tags[start:stop]
        return scalar_table(tags, wanted, lambda name: self._values(name, start, stop))

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """See `ShotSource.times`; those of the trains."""
        start, stop = shot_range(start, stop, self.shots)
        stamps = self._run.train_timestamps()
        known = np.array(self._run.train_ids, np.int64)
        return stamps[np.searchsorted(known, self.trains[start:stop])]

    def metadata(self) -> dict[str, Any]:
        """What the files say of the run, and `detectors` = {name: sources, key}."""
        stated = self._run.run_metadata() if self._run.files[0].format_version != "0.5" else {}
        detectors = {
            name: {
                "key": modules.key,
                "sources": [rows.key.source for rows in modules.rows],
                "raw": bool(modules.select),
            }
            for name, modules in self._modules.items()
        }
        values = {key: plain(value) for key, value in stated.items()}
        return {
            "facility": "European XFEL",
            "tag": "trainId x 10000 + pulseId",
            **values,
            "detectors": detectors,
        }

    def slow(self) -> dict[str, Any]:
        """Values of RUN (at the start of the run), {"<source>/<key>": number or text}."""
        values = {}
        for source in sorted(self._run.control_sources - set(self._run.legacy_sources)):
            for key, value in self._run.get_run_values(source).items():
                value = plain(value)
                if key.endswith(".value") and isinstance(value, int | float | str):
                    values[f"{source}/{key.removesuffix('.value')}"] = value
        return values

    def files(self) -> list[Path]:
        """All files of the run's folder."""
        return sorted(Path(access.filename) for access in self._run.files)

    def close(self) -> None:
        """Close all files."""
        for access in self._run.files:
            access.close()

    def _configured(self) -> dict[str, tuple[list[str], str, int]]:
        """(sources of the modules, key, plane) of every detector, by its name."""
        found = self._multi_module()
        configured = self.location.recipe.get("detectors")
        if configured is None:
            return found
        return {name: self._one_configured(name, e, found) for name, e in configured.items()}

    def _one_configured(self, name, entry, found) -> tuple[list[str], str, int]:
        where = f"{self._place}, detector {name}"
        if isinstance(entry, str):
            if entry not in found:
                raise UserError(
                    f"the run has no detector {entry!r}", where, suggestion(entry, found)
                )
            return found[entry]
        source, wanted = entry["source"], entry.get("modules")
        pattern = re.compile(re.escape(source).replace(re.escape("{module}"), r"(\d+)"))
        known = self._run.instrument_sources
        matched = {match[0]: match for name in known if (match := pattern.fullmatch(name))}
        numbered = {int(match[1]) if match.groups() else 0: name for name, match in matched.items()}
        if not numbered:
            raise UserError(f"the run has no source {source!r}", where, suggestion(source, known))
        wanted = sorted(numbered) if wanted is None else wanted
        lacking = [str(module) for module in wanted if module not in numbered]
        if lacking:
            raise UserError(
                f"the run has no module {', '.join(lacking)}",
                where,
                f"the modules are {', '.join(str(module) for module in sorted(numbered))}",
            )
        return [numbered[module] for module in wanted], entry["key"], int(entry.get("plane", 0))

    def _multi_module(self) -> dict[str, tuple[list[str], str, int]]:
        modules: dict[tuple[str, str], dict[int, str]] = {}
        for source in sorted(self._run.instrument_sources - set(self._run.legacy_sources)):
            for key, pattern in _KEYS:
                match = pattern.fullmatch(source)
                if match and key in self._run[source]:
                    modules.setdefault((match["id"], key), {})[int(match["module"])] = source
        return {
            name: ([sources[number] for number in sorted(sources)], key, 0)
            for (name, key), sources in modules.items()
        }

    def _opened(self, name: str, sources: list[str], key: str, plane: int) -> Modules:
        where = f"{self._place}, detector {name}"
        keys = []
        for source in sources:
            if key not in self._run[source]:
                known = self._run[source].keys()
                raise UserError(f"{source} has no key {key!r}", where, suggestion(key, known))
            keys.append(self._run[source, key])
        shapes = {(data.entry_shape, data.dtype) for data in keys}
        if len(shapes) > 1:
            raise UserError(
                f"modules of different shapes: {sorted(str(shape) for shape in shapes)}",
                where,
                "give them as detectors of their own",
            )
        shape = keys[0].entry_shape
        by_pulse = key.startswith("image.") and "image.pulseId" in self._run[sources[0]]
        cells = not by_pulse and len(shape) == 3
        select: tuple[int, ...] = ()
        if by_pulse and len(shape) == 3:
            if not 0 <= plane < shape[0]:
                raise UserError(f"no plane {plane} in frames of {shape}", where, "correct `plane`")
            if shape[0] > 1:
                self.notes.append(
                    f"detector {name}: plane {plane} of {shape[0]} (0: signal, 1: gain)"
                )
            select = (plane,)
        rows = [stored_rows(data, by_pulse, cells) for data in keys]
        return Modules(
            key, rows, select, by_pulse or cells, shape[1:] if select or cells else shape
        )

    def _shot_tags(self) -> np.ndarray:
        recorded = [
            rows.tags
            for modules in self._modules.values()
            for rows in modules.rows
            if modules.by_pulse
        ]
        trains = np.array(self._run.train_ids, np.int64)
        if not recorded:
            self.notes += missing_tags(trains, "trains", step=1)
            return trains * PULSES_PER_TRAIN
        tags = ordered_tags(np.unique(np.concatenate(recorded)), "pulses")[0]
        without = np.setdiff1d(trains, tags // PULSES_PER_TRAIN)
        if len(without):
            self.notes.append(
                f"trains: {len(without)} of {len(trains)} without any pulse of a detector, no shots"
            )
        self.notes += missing_tags(trains, "trains", step=1)
        return tags

    def _info(self, name: str) -> ShotDetectorInfo:
        modules, there = self._modules[name], []
        self._at[name] = []
        for rows in modules.rows:
            what = f"detector {name}, {rows.key.source}"
            if modules.by_pulse:
                at, notes = rows_by_tag(self.tags, rows, what)
            else:
                at, notes = rows_by_train(self.trains, rows, what)
            self.notes += notes
            self._at[name].append(at)
            there.append(at != ABSENT)
        present = np.all(there, axis=0)
        uneven = int((np.any(there, axis=0) & ~present).sum())
        if lost := int((~present).sum()):
            self.notes.append(f"detector {name}: nothing in {lost} of {self.shots} shots")
        if uneven:
            self.notes.append(f"detector {name}: only some modules in {uneven} shots, left out")
        shape = (len(there), *modules.shape) if len(there) > 1 else modules.shape
        return ShotDetectorInfo(shape, modules.rows[0].key.dtype, present)

    @cached_property
    def _stored_names(self) -> list[str]:
        return [*BUILT_IN, *scalar_keys(self._run, self._arrays)]

    @property
    def _arrays(self) -> bool:
        return "pulses" in self.location.recipe

    def _known(self, names: Sequence[str] | None) -> list[str]:
        """Stored names among which the wanted ones are looked up; all of a run takes long to list."""
        configured = self.location.recipe.get("scalars") or {}
        if names is None and not configured:
            return self._stored_names
        entries = [configured.get(name, name) for name in (configured if names is None else names)]
        asked = [entry if isinstance(entry, str) else entry["name"] for entry in entries]
        known = [name for name in asked if name in BUILT_IN or self._is_stored(name)]
        return known if len(known) == len(asked) else self._stored_names

    def _is_stored(self, name: str) -> bool:
        source, key = plain_key(name, self._place)
        known = source in self._run.all_sources and key in self._run[source]
        return known and is_scalar(self._run[source], key, self._arrays)

    def _values(self, name: str, start: int, stop: int) -> tuple[np.ndarray, str]:
        if name == "trainId":
            return self.trains[start:stop], ""
        if name == "pulseId":
            return self.tags[start:stop] % PULSES_PER_TRAIN, ""
        source, key = plain_key(name, self._place)
        slow = self._slow_key(source, key)
        at, index = slow.at[start:stop], slow.index[start:stop]
        unique, inverse = np.unique(at, return_inverse=True)
        values = np.zeros((len(unique), *slow.rows.key.entry_shape), slow.rows.key.dtype)
        where = f"{self._place}, {name}"
        slow.rows.take(unique, values, (), where)
        # One value per train, or a row of them, one per pulse.
        per_train = values.size // max(len(unique), 1)
        row = np.where(index == ABSENT, ABSENT, inverse * per_train + index)
        lacking = bool((slow.index == ABSENT).any())
        return at_rows(values.reshape(-1), row, lacking, where), slow.rows.key.units or ""

    def _slow_key(self, source: str, key: str) -> SlowKey:
        if (source, key) not in self._slow:
            rows = stored_rows(self._run[source, key], pulses=False, cells=False)
            at, _ = rows_by_train(self.trains, rows, f"{source}/{key}")
            index = np.where(at == ABSENT, ABSENT, 0)
            if rows.key.entry_shape:
                index = self._index_of_pulse(at, rows.key.entry_shape[0])
            self._slow[source, key] = SlowKey(rows, at, index)
        return self._slow[source, key]

    def _index_of_pulse(self, at: np.ndarray, values: int) -> np.ndarray:
        """Which value of its train is each shot's own: value i is of pulse first + i step."""
        pattern = self.location.recipe["pulses"]
        pulse = self.tags % PULSES_PER_TRAIN
        index, rest = np.divmod(pulse - int(pattern["first"]), int(pattern["step"]))
        fits = (rest == 0) & (index >= 0) & (index < values) & (at != ABSENT)
        return np.where(fits, index, ABSENT)
