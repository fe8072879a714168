"""Writers of X-ray laser runs, for the demo and for tests: SACLA, European XFEL, LCLS small data.

Layouts as in `scatterflow.sources.sacla`, `euxfel` (format 1.2) and `smalldata`. Equal arguments give
equal bytes: no dates, no object times. Every file appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import write_array, writing

if TYPE_CHECKING:
    import h5py

OCTAL, SINGLE = 5, 6
"""SACLA's types of detectors."""


def write_sacla(
    path: str | Path,
    run_number: int,
    tags: np.ndarray,
    frames: Mapping[str, np.ndarray],
    present: Mapping[str, np.ndarray] | None = None,
    event_info: Mapping[str, np.ndarray] | None = None,
    detector_info: Mapping[str, Mapping[str, Any]] | None = None,
    run_info: Mapping[str, Any] | None = None,
) -> None:
    """Write one run as DataConvert does.

    tags: (n,) int. frames: {detector ID: (n, rows, columns), or (n, tiles, rows, columns) of a detector
    whose tiles become the panels ID-1, ID-2, ...}, in the dtype to be stored. present: {ID: (n,) bool}, or
    (n, tiles) bool; absent images are not written. event_info: {path below event_info: (n,) values}.
    detector_info: {ID: {field: value}}, the same for all panels. run_info: {path below run_info: value}.

    Raises UserError for arrays that do not have one entry per tag.
    """
    tags = np.asarray(tags)
    _check_entries(path, len(tags), {**frames, **(event_info or {})})
    with writing(path) as file:
        about = file.create_group("file_info")
        write_array(about, "format_type", "run_data_format")
        write_array(about, "run_number_list", np.array([run_number], np.int32))
        write_array(about, "version", "3.20")
        run = file.create_group(f"run_{run_number}")
        write_array(run, "exp_info/comment", "simulated")
        write_array(run, "run_info/start_tag_number", np.int32(tags[0] if len(tags) else 0))
        write_array(run, "run_info/end_tag_number", np.int32(tags[-1] if len(tags) else 0))
        for name, value in (run_info or {}).items():
            write_array(run, f"run_info/{name}", value)
        write_array(run, "event_info/tag_number_list", tags.astype(np.int32))
        for name, values in (event_info or {}).items():
            write_array(run, f"event_info/{name}", values)
        number = 0
        for name, stack in frames.items():
            there = _present(present, name, stack)
            tiled = stack if stack.ndim == 4 else stack[:, None]
            for tile in range(tiled.shape[1]):
                number += 1
                panel = f"{name}-{tile + 1}" if stack.ndim == 4 else name
                info = {
                    "detector_name": panel,
                    "detector_type": np.int32(OCTAL if stack.ndim == 4 else SINGLE),
                    **(detector_info or {}).get(name, {}),
                }
                group = run.create_group(f"detector_2d_{number}")
                _write_panel(group, info, tags, tiled[:, tile], there[:, tile])
        listed = np.arange(1, number + 1, dtype=np.int32)
        write_array(run, "run_info/detector_config/detector_2d_list", listed)


def _write_panel(group, info, tags, frames, there) -> None:
    for name, value in info.items():
        write_array(group, f"detector_info/{name}", value)
    for tag, frame in zip(tags[there], frames[there], strict=True):
        shot = group.create_group(f"tag_{int(tag)}")
        write_array(shot, "detector_data", frame)
        write_array(shot, "detector_status", np.int32(0))


def write_smalldata(
    path: str | Path,
    timestamps: np.ndarray,
    fields: Mapping[str, np.ndarray],
    run_level: Mapping[str, Any] | None = None,
    lcls2: bool = False,
) -> None:
    """Write one run as smalldata_tools does.

    timestamps: (n,) integers, seconds << 32 | nanoseconds; int64 `event_time` with `fiducials`, or, with
    lcls2, uint64 `timestamp`. fields: {path: (n, ...)}, as lightStatus/xray, ipm2/sum, damage/epix_1,
    epix_1/ROI_area. run_level: {path: value}, as Sums/epix_1_calib, UserDataCfg/epix_1/ped.

    Raises UserError for arrays that do not have one entry per timestamp.
    """
    _check_entries(path, len(timestamps), fields)
    with writing(path) as file:
        if lcls2:
            write_array(file, "timestamp", np.asarray(timestamps, np.uint64))
        else:
            times = np.asarray(timestamps, np.int64)
            write_array(file, "event_time", times)
            write_array(file, "fiducials", times & 0x1FFFF)
        for name, values in {**fields, **(run_level or {})}.items():
            write_array(file, name, values)


def write_euxfel(
    folder: str | Path,
    run_number: int,
    train_ids: np.ndarray,
    pulse_ids: np.ndarray,
    frames: Mapping[str, np.ndarray],
    present: Mapping[str, np.ndarray] | None = None,
    control: Mapping[str, np.ndarray] | None = None,
    instrument: Mapping[str, np.ndarray] | None = None,
    run_values: Mapping[str, Any] | None = None,
    trains_per_sequence: int = 256,
    raw: bool = False,
) -> list[Path]:
    """Write one run as the European XFEL's data acquisition does, format 1.2; returns the files.

    train_ids: (trains,) uint64. pulse_ids: (pulses,) of every train. frames: {Karabo ID, as
    SPB_DET_AGIPD1M-1: (trains x pulses, modules, rows, columns)}: one file a module and sequence, source
    <ID>/DET/<m>CH0:xtdf. present: {ID: (trains x pulses, modules) bool}: an absent frame is not written; a
    train without any frame of a module is missing in that module's files. control: {"<source>/<key>":
    (trains,)}. instrument: {"<source>:<channel>/<group>/<key>": (trains, ...)}, one entry a train.
    run_values: {"<source>/<key>": value} for RUN. raw: frames as raw data has them: a plane of gains
    (zeros) beside the signal, ids as columns.

    Raises UserError for arrays that do not have one entry per train, or frame.
    """
    folder, trains = Path(folder), np.asarray(train_ids, np.uint64)
    _check_entries(folder, len(trains), {**(control or {}), **(instrument or {})})
    _check_entries(folder, len(trains) * len(pulse_ids), frames)
    kind = "RAW" if raw else "CORR"
    written = []
    for start in range(0, max(len(trains), 1), trains_per_sequence):
        part = slice(start, start + trains_per_sequence)
        sequence = start // trains_per_sequence
        for detector, stack in frames.items():
            name = detector.split("_")[-1].rstrip("-0123456789M").upper() or "DET"
            there = _present(present, detector, stack)
            # (trains, pulses, modules, ...)
            shape = (len(trains), len(pulse_ids))
            stack = stack.reshape(*shape, *stack.shape[1:])[part]
            there = there.reshape(*shape, -1)[part]
            for module in range(stack.shape[2]):
                path = folder / f"{kind}-R{run_number:04d}-{name}{module:02d}-S{sequence:05d}.h5"
                _write_module(
                    path,
                    (run_number, sequence),
                    f"{detector}/DET/{module}CH0:xtdf",
                    trains[part],
                    np.asarray(pulse_ids),
                    stack[:, :, module],
                    there[:, :, module],
                    raw,
                )
                written.append(path)
        path = folder / f"{kind}-R{run_number:04d}-DA01-S{sequence:05d}.h5"
        _write_slow(
            path,
            (run_number, sequence),
            trains[part],
            {name: np.asarray(values)[part] for name, values in (control or {}).items()},
            {name: np.asarray(values)[part] for name, values in (instrument or {}).items()},
            run_values or {},
        )
        written.append(path)
    return written


def _write_module(path, numbers, source, trains, pulses, frames, there, raw) -> None:
    recorded = there.any(axis=1)
    trains, frames, there = trains[recorded], frames[recorded], there[recorded]
    counts = there.sum(axis=1).astype(np.uint64)
    train_of, pulse_at = np.nonzero(there)
    data = frames[train_of, pulse_at]
    ids = {
        "trainId": trains[train_of],
        "pulseId": pulses[pulse_at].astype(np.uint64),
        "cellId": pulse_at.astype(np.uint16),
    }
    if raw:
        # Analogue signal and digitised gain, one behind the other.
        data = np.stack([data, np.zeros_like(data)], axis=1)
        ids = {name: values[:, None] for name, values in ids.items()}
    with writing(path) as file:
        _write_index(file, numbers, trains, [f"INSTRUMENT/{source}/image"])
        _write_counts(file, f"{source}/image", counts)
        image = file.create_group(f"INSTRUMENT/{source}/image")
        chunks = (1, *data.shape[1:]) if len(data) else None
        image.create_dataset("data", data=data, chunks=chunks, track_times=False)
        for name, values in ids.items():
            write_array(image, name, values)


def _write_slow(path, numbers, trains, control, instrument, run_values) -> None:
    sources = {f"CONTROL/{_source(name)}": None for name in {**control, **run_values}}
    sources |= {f"INSTRUMENT/{'/'.join(_parts(name)[:2])}": None for name in instrument}
    ones = np.ones(len(trains), np.uint64)
    with writing(path) as file:
        _write_index(file, numbers, trains, list(sources))
        for source in sources:
            root, _, name = source.partition("/")
            _write_counts(file, name, ones)
            file.require_group(f"{root}/{name}")
        for name, values in control.items():
            write_array(file, f"CONTROL/{name}/value", values)
            write_array(file, f"CONTROL/{name}/timestamp", np.zeros(len(trains), np.uint64))
            write_array(file, f"RUN/{name}/value", values[:1])
        for name, value in run_values.items():
            write_array(file, f"RUN/{name}/value", np.array([value]))
        for name, values in instrument.items():
            source, group, key = _parts(name)
            write_array(file, f"INSTRUMENT/{source}/{group}/{key}", values)
            if "trainId" not in file[f"INSTRUMENT/{source}/{group}"]:
                write_array(file, f"INSTRUMENT/{source}/{group}/trainId", trains)


def _write_index(file: h5py.File, numbers, trains: np.ndarray, sources: list[str]) -> None:
    run, sequence = numbers
    write_array(file, "INDEX/trainId", trains)
    write_array(file, "INDEX/flag", np.ones(len(trains), np.int32))
    write_array(file, "INDEX/origin", np.full(len(trains), -1, np.int32))
    write_array(file, "INDEX/timestamp", train_times(trains))
    file.require_group("RUN")
    about = file.create_group("METADATA")
    texts = {
        "dataFormatVersion": "1.2",
        "creationDate": "20260115T150000Z",
        "updateDate": "20260115T150000Z",
        "daqLibrary": "simulated",
        "karaboFramework": "simulated",
    }
    for name, text in texts.items():
        about.create_dataset(name, data=np.array([text.encode()]), track_times=False)
    for name, number in {
        "proposalNumber": 0,
        "runNumber": run,
        "sequenceNumber": sequence,
    }.items():
        write_array(about, name, np.array([number], np.uint32))
    listed = about.create_group("dataSources")
    columns = {
        "root": [source.split("/", 1)[0] for source in sources],
        "deviceId": [source.split("/", 1)[1] for source in sources],
        "dataSourceId": sources,
    }
    for name, column in columns.items():
        listed.create_dataset(name, data=np.array(column, "S"), track_times=False)


FIRST_TRAIN_NS = 1768489200_000_000_000
TRAIN_NS = 100_000_000


def train_times(trains: np.ndarray) -> np.ndarray:
    """Times of simulated trains in ns, uint64: ten trains a second from train 0 on."""
    return (FIRST_TRAIN_NS + (trains.astype(np.int64) % 10**6) * TRAIN_NS).astype(np.uint64)


def _write_counts(file: h5py.File, name: str, counts: np.ndarray) -> None:
    first = np.cumsum(counts) - counts
    write_array(file, f"INDEX/{name}/first", first.astype(np.uint64))
    write_array(file, f"INDEX/{name}/count", counts)


def _source(name: str) -> str:
    # Karabo's device IDs have three parts.
    return "/".join(name.split("/")[:3])


def _parts(name: str) -> tuple[str, str, str]:
    """Source with channel, group and key of "<source>:<channel>/<group>/<key>"."""
    source, _, rest = name.partition(":")
    channel, group, key = rest.split("/", 2)
    return f"{source}:{channel}", group, key


def _present(present: Mapping[str, np.ndarray] | None, name: str, stack: np.ndarray) -> np.ndarray:
    """(n, tiles) bool."""
    tiles = stack.shape[1] if stack.ndim == 4 else 1
    there = None if present is None else present.get(name)
    there = np.ones(len(stack), bool) if there is None else np.asarray(there)
    return there if there.ndim == 2 else np.repeat(there[:, None], tiles, axis=1)


def _check_entries(path: str | Path, entries: int, arrays: Mapping[str, Any]) -> None:
    for name, values in arrays.items():
        if np.ndim(values) == 0 or len(values) != entries:
            raise UserError(
                f"{name}: shape {np.shape(values)}", str(path), f"one entry for each of {entries}"
            )
