"""Where the data of a European XFEL run lies: which row of which file belongs to which train or pulse.

A source's rows of a train are INDEX/<source>/<group>/{first, count}; a multi-module detector numbers its rows
by image/pulseId as well, JUNGFRAU has its memory cells as an axis of each row. Opening and index are
EXtra-data's; rows are read by themselves, so that a chunk reads nothing but its shots.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import h5py
import numpy as np

from scatterflow.errors import FrameError, UserError
from scatterflow.files.hdf5_inside import check_inside
from scatterflow.sources.shots import ABSENT, aligned_rows, read_rows

if TYPE_CHECKING:
    from extra_data import DataCollection, KeyData, SourceData
    from extra_data.reader import FileAccess

PULSES_PER_TRAIN = 10_000
"""tag = trainId x this + pulseId; there are at most 2700 pulses in a train."""


@dataclass(frozen=True)
class StoredRows:
    """Every row of one key: its train and pulse, its file (number), its row there, its memory cell."""

    key: KeyData
    train: np.ndarray
    pulse: np.ndarray
    file: np.ndarray
    row: np.ndarray
    cell: np.ndarray

    @property
    def tags(self) -> np.ndarray:
        """(rows,) int64: tag of each row."""
        return self.train * PULSES_PER_TRAIN + self.pulse

    def take(self, at: np.ndarray, out: np.ndarray, select: tuple[int, ...], place: str) -> None:
        """Fill out (n, ...) from rows `at` (n,) of this table, ABSENT left as it is.

        select: index into each entry, as (0,) for the first plane. Raises FrameError for unreadable data.
        """
        there = at != ABSENT
        with_cells = self.cell[0] != ABSENT if len(self.cell) else False
        for number in np.unique(self.file[at[there]]):
            mine = there & (self.file[np.where(there, at, 0)] == number)
            rows = np.where(mine, self.row[np.where(mine, at, 0)], ABSENT)
            access = self.key.files[number]
            dataset = access.file[self.key.hdf5_data_path]
            where = f"{access.filename}, {place}"
            if with_cells:
                _read_cells(dataset, rows, self.cell[np.where(mine, at, 0)], out, where)
            else:
                read_rows(dataset, rows, out, where, select)


def _read_cells(dataset, rows, cells, out, place) -> None:
    for row in np.unique(rows[rows != ABSENT]):
        mine = np.flatnonzero(rows == row)
        first, last = int(cells[mine].min()), int(cells[mine].max()) + 1
        try:
            out[mine] = dataset[int(row), first:last][cells[mine] - first]
        except OSError as error:
            raise FrameError(
                f"frames cannot be read ({error})", f"{place}, row {row}", "copy the file again"
            ) from error


def stored_rows(key: KeyData, pulses: bool, cells: bool) -> StoredRows:
    """The rows of a key. pulses: numbered by image.pulseId. cells: the first axis of an entry."""
    parts = [_rows_of_file(key, number, pulses) for number in range(len(key.files))]
    train, pulse, file, row = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    cell = np.full(len(row), ABSENT, np.int64)
    if cells:
        count = key.entry_shape[0]
        train, file, row = (np.repeat(column, count) for column in (train, file, row))
        cell = np.tile(np.arange(count, dtype=np.int64), len(pulse))
        pulse = cell
    return StoredRows(key, train, pulse, file, row, cell)


def _rows_of_file(key: KeyData, number: int, pulses: bool):
    access = key.files[number]
    first, count = access.get_index(key.source, key.index_group)
    wanted = np.asarray(access.validity_flag, bool)
    trains = access.train_ids[wanted].astype(np.int64)
    first, count = first[wanted].astype(np.int64), count[wanted].astype(np.int64)
    train = np.repeat(trains, count)
    row = np.arange(len(train)) + np.repeat(first - (np.cumsum(count) - count), count)
    pulse = np.zeros(len(row), np.int64)
    if pulses:
        stored = access.file[f"INSTRUMENT/{key.source}/image/pulseId"][()].reshape(-1)
        pulse = stored[row].astype(np.int64)
    return train, pulse, np.full(len(row), number, np.int64), row


def rows_by_tag(tags: np.ndarray, rows: StoredRows, what: str) -> tuple[np.ndarray, list[str]]:
    """Place of every shot in the table, by train and pulse; see `aligned_rows`."""
    return aligned_rows(tags, rows.tags, what)


def rows_by_train(trains: np.ndarray, rows: StoredRows, what: str) -> tuple[np.ndarray, list[str]]:
    """Place of every shot's train in the table; trains: (shots,) of the shots, not decreasing."""
    unique, inverse = np.unique(trains, return_inverse=True)
    at, notes = aligned_rows(unique, rows.train, what)
    # Trains beyond those of the shots are no mistake of a slow source.
    return at[inverse], [note for note in notes if "belong to no shot" not in note]


def open_run(folder: Path, run: str, suspect: bool) -> tuple[DataCollection, list[str]]:
    """A run folder through EXtra-data, which leaves nothing in it (no map of the files), and notes.

    suspect: keep trains whose ID did not come from the time server. Of doubled trains the first counts.
    Raises UserError: EXtra-data is not installed, no files, a file that cannot be read.
    """
    try:
        from extra_data import DataCollection
    except ImportError as error:
        raise UserError(
            "reading runs of the European XFEL needs the package extra-data",
            f"run {run}",
            "install it: pip install extra-data",
        ) from error
    place = f"{folder}, run {run}"
    paths = sorted(folder.glob("*.h5")) if folder.is_dir() else []
    paths = [path for path in paths if path.name.lower() != "overview.h5"]
    if not paths:
        what = "no HDF5 files in the folder" if folder.is_dir() else "the run's folder is missing"
        raise UserError(what, place, "correct `raw` in the run table")
    files = [_opened_file(path, run) for path in paths]
    notes = [*_judge_suspects(files, suspect), *_leave_out_doubled(files)]
    try:
        opened = DataCollection(
            files, inc_suspect_trains=False, ctx_closes=True, is_single_run=True
        )
    except ValueError as error:
        raise UserError(
            f"files that contradict each other ({error})", place, "leave the wrong ones out"
        ) from error
    return opened, notes


def _opened_file(path: Path, run: str) -> FileAccess:
    # EXtra-data's own RunDirectory passes over files that it cannot read: their data would be missing.
    from extra_data.reader import FileAccess

    try:
        # As EXtra-data opens its files, which stay open for the next source of the run.
        with h5py.File(path, "r") as file:
            check_inside(file, path, locking=None)
        return FileAccess(str(path))
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"not a complete file of the European XFEL ({error})",
            f"{path}, run {run}",
            "copy it again from the facility",
        ) from error


# EXtra-data has one object per file and process: a second source of a run finds it as the first left it.
_STATED_VALID: WeakKeyDictionary[FileAccess, np.ndarray] = WeakKeyDictionary()


def _judge_suspects(files: list[FileAccess], keep: bool) -> list[str]:
    ids: set[int] = set()
    for file in files:
        if file not in _STATED_VALID:
            _STATED_VALID[file] = np.array(file.validity_flag, bool)
        valid = _STATED_VALID[file]
        ids.update(file.train_ids[~valid].tolist())
        file.validity_flag = np.ones_like(valid) if keep else valid.copy()
    done = "kept" if keep else "left out"
    return [f"{_ids_text('suspect train ID', ids)}, {done}"] if ids else []


def _leave_out_doubled(files: list[FileAccess]) -> list[str]:
    """Mark the second of doubled trains as not valid: EXtra-data refuses runs with them."""
    seen: dict[frozenset[str], set[int]] = {}
    doubled: set[int] = set()
    for file in files:
        known = seen.setdefault(frozenset(file.all_sources), set())
        for number, train in enumerate(file.train_ids.tolist()):
            if not file.validity_flag[number]:
                continue
            if train in known:
                file.validity_flag[number] = False
                doubled.add(train)
            known.add(train)
    text = _ids_text("train", doubled)
    return [f"{text} more than once; the first of each was taken"] if doubled else []


def _ids_text(what: str, ids: set[int]) -> str:
    shown = ", ".join(str(number) for number in sorted(ids)[:5])
    return (
        f"{len(ids)} {what}{'s' if len(ids) > 1 else ''} ({shown}{', ...' if len(ids) > 5 else ''})"
    )


def plain_key(name: str, place: str) -> tuple[str, str]:
    """Source and key of "<source>/<key>", as SA1_XTD2_XGM/XGM/DOOCS:output/data.intensityTD."""
    source, _, key = name.rpartition("/")
    if not source or not key:
        raise UserError(
            f"{name!r} is no scalar of a run", place, "write <source>/<key>, the key with dots"
        )
    return source, key


def scalar_keys(run: DataCollection, arrays: bool) -> list[str]:
    """ "<source>/<key>" of all numbers per train; arrays: with those of one axis (one per pulse)."""
    names = []
    for source in sorted((run.control_sources | run.instrument_sources) - set(run.legacy_sources)):
        data = run[source]
        if data.is_control and data.is_run_only:
            continue
        for key in sorted(data.keys(inc_timestamps=False)):
            if is_scalar(data, key, arrays):
                names.append(f"{source}/{key.removesuffix('.value')}")
    return names


def is_scalar(source: SourceData, name: str, arrays: bool) -> bool:
    """Whether a key is one number per train, or, with arrays, one per pulse; ids are not."""
    if ":xtdf" in source.source or name.split(".")[-1] in ("trainId", "pulseId", "cellId"):
        return False
    try:
        key = source[name]
    except KeyError:
        # A dot within a name in the file, which EXtra-data takes for a slash.
        return False
    if key.dtype.kind not in "biuf":
        return False
    return key.entry_shape == () or (arrays and len(key.entry_shape) == 1)
