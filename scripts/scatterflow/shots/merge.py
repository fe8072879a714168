"""The small data file of a run, from the partial files of its chunks.

    /tag (n,)                               tags, increasing
    /<group>/<field> (n,)                   columns of the default detectors: lightStatus, ipm2, tt, scan, ...
    /damage/<detector> (n,)                 1: the shot has a frame of the detector
    /<detector>/<function>_<key> (n, ...)   results of functions; NaN, or 0 of integers, without a frame
    /<detector>/var_<function>_<key>/*      lists of variable length, one behind the other
    /<detector>/var_<function>_<key>_len    (n,) their lengths
    /variables/<name> (n,)                  computed variables
    /filters/<name> (n,) bool               passed; attributes removed, undefined: numbers of shots
    /Sums/<detector>_<name>                 sums over the run, and how many shots, `_count`
    /UserDataCfg/<detector>/*               ped, rms, gain, mask, x, y, z; bins of functions; parameters
                                            <function>__<parameter>
    /provenance                             NXnotes

Paths are those of SLAC's smalldata_tools (`<experiment>_Run####.h5`); `units` on everything that has one.
Rows are in the order of tags. Chunks stream through: one is held at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import dataset_names, reading, write_array, writing
from scatterflow.files.hdf5_fields import write_large
from scatterflow.files.provenance import now
from scatterflow.progress import progress
from scatterflow.shots.calibrated import CalibratedDetector
from scatterflow.shots.entry import write_run_provenance
from scatterflow.shots.filters import apply_filters
from scatterflow.shots.small_data import FILTERS, LISTS, read_scalars
from scatterflow.shots.statistics import statistic_from_state
from scatterflow.shots.sums import ShotSums
from scatterflow.shots.table import ShotTable
from scatterflow.shots.variables import GROUP, compute_all

ROWS_PER_STORED_CHUNK = 1024
STORED_CHUNK_BYTES = 1_000_000


@dataclass(frozen=True)
class RunSums:
    """What was summed over a run: sums, and statistics (accumulators) by detector and name."""

    sums: dict[str, ShotSums]
    statistics: dict[str, dict[str, Any]]


def merge_shots(
    path: str | Path,
    parts: Sequence[str | Path],
    table: ShotTable,
    detectors: Sequence[CalibratedDetector],
    settings: Mapping[str, Any],
    description: Mapping[str, Any],
    *,
    label: str,
) -> RunSums:
    """Write the small data file of a run, whole.

    parts: partial files of all chunks, in order. settings: `detectors`, `variables`, `filters`. description:
    run, reduction, sample, experiment, and records of masks and darks. Raises UserError: a variable or filter
    that uses what the run does not have, partial files that do not make up the run.
    """
    with writing(path) as file:
        file.attrs.update({"creator": "scatterflow", "file_time": now()})
        file.attrs.update({name: str(description[name]) for name in ("run", "reduction", "sample")})
        write_array(file, "tag", table.tags)
        for name, values in table.columns.items():
            write_array(file, name, values, units=table.units[name])
        summed = _add_parts(file, parts, detectors, settings["detectors"], len(table.tags), label)
        _write_sums(file, summed.sums, {detector.name: detector.unit for detector in detectors})
        for detector in detectors:
            _write_configuration(file, detector, settings["detectors"][detector.name])
        where = f"run {description['run']}, key reductions.{description['reduction']}"
        scalars = read_scalars(file, len(table.tags))
        scalars |= _write_variables(file, settings["variables"], scalars, f"{where}.variables")
        _write_filters(file, settings["filters"], scalars, len(table.tags), f"{where}.filters")
        write_run_provenance(file, table, description)
    return summed


def _add_parts(
    file: h5py.File,
    parts: Sequence[str | Path],
    detectors: Sequence[CalibratedDetector],
    settings: Mapping[str, Any],
    shots: int,
    label: str,
) -> RunSums:
    """Copy the rows of all chunks, and merge their sums in order."""
    sums = {one.name: ShotSums(settings[one.name]["sums"], one.shape) for one in detectors}
    statistics: dict[str, dict[str, Any]] = {one.name: {} for one in detectors}
    done = 0
    with progress(shots, f"merge {label}", "shots") as bar:
        for part in parts:
            with reading(part) as chunk:
                start, stop = int(chunk.attrs["start"]), int(chunk.attrs["stop"])
                if start != done:
                    raise UserError(
                        f"shots {done} to {start - 1} are missing before this chunk",
                        str(part),
                        "delete it and run snakemake again",
                    )
                _copy_rows(file, chunk["shots"], start, stop, shots)
                _copy_lists(file, chunk.get("lists"), start, stop, shots)
                _copy_fixed(file, chunk.get("fixed"))
                for name, own in sums.items():
                    state = _state(chunk[f"sums/{name}"]) if f"sums/{name}" in chunk else {}
                    if own.recipes:
                        own.merge(ShotSums.from_state(list(own.recipes), own.shape, state))
                    _merge_statistics(chunk, name, settings[name]["statistics"], statistics[name])
            done = stop
            bar.add(stop - start)
    if done != shots:
        raise UserError(
            f"the chunks hold {done} shots, the table of the run {shots}",
            str(parts[-1]),
            "delete the folder work/ of the run and run snakemake again",
        )
    return RunSums(sums, statistics)


def _merge_statistics(
    chunk: h5py.File, detector: str, settings: Mapping[str, Any], found: dict[str, Any]
) -> None:
    for name, statistic in settings.items():
        state = _state(chunk[f"statistics/{detector}/{name}"])
        accumulator = statistic_from_state(statistic, state)
        if name in found:
            found[name].merge(accumulator)
        else:
            found[name] = accumulator


def _state(group: h5py.Group) -> dict[str, Any]:
    return {name: group[name][()] for name in dataset_names(group)}


def _copy_rows(file: h5py.File, chunk: h5py.Group, start: int, stop: int, shots: int) -> None:
    for name in dataset_names(chunk):
        values = chunk[name][()]
        if start == 0:
            if name in file:  # damage: what the jobs saw counts, not what the source promised
                del file[name]
            _new_rows(file, name, (shots, *values.shape[1:]), values.dtype)
            file[name].attrs.update(chunk[name].attrs)
        file[name][start:stop] = values


def _new_rows(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """A dataset with a row for each shot, compressed where that pays."""
    options: dict[str, Any] = {}
    row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
    if row_bytes * shape[0] > 65536:
        rows = max(1, min(shape[0], ROWS_PER_STORED_CHUNK, STORED_CHUNK_BYTES // max(row_bytes, 1)))
        options = {
            "chunks": (rows, *shape[1:]),
            "compression": "gzip",
            "compression_opts": 4,
            "shuffle": True,
        }
    file.create_dataset(name, shape, dtype, track_times=False, **options)


def _copy_lists(
    file: h5py.File, lists: h5py.Group | None, start: int, stop: int, shots: int
) -> None:
    if lists is None:
        return
    for detector in lists:
        for key in lists[detector]:
            own, place = lists[detector][key], f"{detector}/{LISTS}{key}"
            if start == 0:
                file.create_dataset(f"{place}_len", (shots,), np.int64, track_times=False)
                file.create_group(place)
            file[f"{place}_len"][start:stop] = own["lengths"][()]
            for name, dataset in own["values"].items():
                _append(file[place], name, dataset[()])


def _append(group: h5py.Group, name: str, values: np.ndarray) -> None:
    """Add values at the end of a dataset that grows."""
    if name not in group:
        # Deflate needs chunks; of entries of a list a few hundred kilobytes.
        rows = max(1, 65536 // max(values[:1].nbytes, values.dtype.itemsize))
        group.create_dataset(
            name,
            (0, *values.shape[1:]),
            values.dtype,
            maxshape=(None, *values.shape[1:]),
            chunks=(rows, *values.shape[1:]),
            compression="gzip",
            compression_opts=4,
            shuffle=True,
            track_times=False,
        )
    before = len(group[name])
    group[name].resize(before + len(values), axis=0)
    group[name][before:] = values


def _copy_fixed(file: h5py.File, fixed: h5py.Group | None) -> None:
    """Bins of functions, the same in every chunk."""
    if fixed is None:
        return
    for name in dataset_names(fixed):
        place = f"UserDataCfg/{name}"
        if place not in file:
            units = str(fixed[name].attrs["units"])
            write_array(file, place, fixed[name][()], units=units)


def _write_sums(file: h5py.File, sums: Mapping[str, ShotSums], units: Mapping[str, str]) -> None:
    for detector, own in sums.items():
        counts = own.counts()
        for name, values in own.finalize().items():
            group = file.require_group("Sums")
            dataset = write_large(group, f"{detector}_{name}", values)
            square = own.recipes[name].square
            dataset.attrs["units"] = f"{units[detector]}^2" if square else units[detector]
            write_large(group, f"{detector}_{name}_count", counts[name])


def _write_configuration(
    file: h5py.File, detector: CalibratedDetector, settings: Mapping[str, Any]
) -> None:
    """Constants, mask, positions and parameters of a detector."""
    group = file.require_group(f"UserDataCfg/{detector.name}")
    names = {"pedestal": "ped", "rms": "rms", "gain": "gain", "offset": "offset"}
    for name, own in names.items():
        if name in detector.constants:
            dataset = write_large(group, own, np.asarray(detector.constants[name]))
            dataset.attrs["units"] = "" if name == "gain" else "ADU"
    write_large(group, "mask", detector.good.astype(np.uint8)).attrs["convention"] = "1 = good"
    if detector.positions is not None:
        for axis, values in zip("xyz", detector.positions, strict=True):
            write_large(group, axis, values).attrs["units"] = "mm"
    write_array(group, "unit", detector.unit)
    for name, value in _parameters(settings["functions"]).items():
        write_array(group, name, value)


def _parameters(functions: Mapping[str, Mapping[str, Any]], before: str = "") -> dict[str, Any]:
    """Parameters of functions, `<function>__<parameter>`, inner ones `<function>_<sub>__...`."""
    from scatterflow.files.json import to_json

    found: dict[str, Any] = {}
    for name, settings in functions.items():
        for key, value in settings.items():
            if key == "functions":
                found |= _parameters(value, f"{before}{name}_")
            elif isinstance(value, str | int | float):
                found[f"{before}{name}__{key}"] = value
            else:
                found[f"{before}{name}__{key}"] = to_json(value, indent=None)
    return found


def _write_variables(
    file: h5py.File, variables: Mapping[str, Any], scalars: Mapping[str, np.ndarray], where: str
) -> dict[str, np.ndarray]:
    """Write computed variables; their values by path and by bare name."""
    found: dict[str, np.ndarray] = {}
    for name, (values, unit) in compute_all(variables, scalars, where).items():
        write_array(file, f"{GROUP}/{name}", values, units=unit)
        found[name] = found[f"{GROUP}/{name}"] = values
    return found


def _write_filters(
    file: h5py.File,
    filters: Mapping[str, Any],
    scalars: Mapping[str, np.ndarray],
    shots: int,
    where: str,
) -> None:
    for name, settings in filters.items():
        found = apply_filters({name: settings}, scalars, shots, where)
        dataset = write_array(file, f"{FILTERS}/{name}", found.passed)
        dataset.attrs["removed"] = found.removed[name]
        dataset.attrs["undefined"] = found.undefined[name]
