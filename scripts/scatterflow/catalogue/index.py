"""The index of all records: one SQLite file, rebuilt from results/RUN/REDUCTION/record.json at any time.

Tables: `records` (one row a record, its JSON and what lists are sorted by), `facets` (record, facet, value),
`words` (FTS5, https://sqlite.org/fts5.html). Only records whose size or time (ns) changed are read again,
`full` reads all; a record is kept with its sha256. The file is made beside and renamed, so that readers, and
a second host whose locks a shared file system does not pass on, only ever see a whole index. The journal is
SQLite's rollback journal, never WAL, which shared file systems spoil.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scatterflow.catalogue.facet_values import facet_values, searched_text
from scatterflow.catalogue.record_file import NAME, parse_record, read_bytes
from scatterflow.errors import UserError, shortened
from scatterflow.files.atomic import whole_file
from scatterflow.names import check_name

VERSION = 1
"""Of the tables; an index of another version is made anew."""
TABLES = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE records (
    id TEXT PRIMARY KEY, time TEXT, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL, number INTEGER NOT NULL UNIQUE, json TEXT NOT NULL
);
CREATE INDEX records_time ON records (time);
CREATE TABLE facets (
    id TEXT NOT NULL, facet TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (id, facet, value)
) WITHOUT ROWID;
CREATE INDEX facets_value ON facets (facet, value, id);
CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = "unicode61 remove_diacritics 2");
"""
logger = logging.getLogger("scatterflow")


@dataclass
class Indexed:
    """What building an index found. records: in the index now; refused: one message for each record that is
    not, because it is spoilt or leads elsewhere."""

    records: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """A record on disk."""

    path: Path
    size: int
    mtime_ns: int


def build_index(results: str | Path, database: str | Path, full: bool = False) -> Indexed:
    """Bring the index up to date with the records below `results`.

    full: read every record again, also those whose size and time did not change.
    Raises UserError while another process builds it. A record that is spoilt is left out, with a warning.
    """
    results, database = Path(results), Path(database)
    with _only_writer(database):
        try:
            done = _update(results, database, anew=full or not _is_index(database))
        except sqlite3.DatabaseError:  # damaged in its midst
            done = _update(results, database, anew=True)
    for message in done.refused:
        logger.warning("warning: %s", message)
    logger.info(
        "%d records in the index: %d added, %d changed, %d removed, %d refused",
        *(done.records, done.added, done.changed, done.removed, len(done.refused)),
    )
    return done


def open_index(path: str | Path) -> sqlite3.Connection:
    """The index, to be read only; raises UserError if there is none or it is damaged."""
    path = Path(path)
    if not path.is_file():
        raise UserError(
            "there is no index of results",
            str(path),
            "make it: python scripts/scatterflow index",
        )
    if not _is_index(path):
        raise damaged(path)
    return _connect(path, "mode=ro&immutable=1")


def damaged(path: Path) -> UserError:
    """What is wrong with an index that cannot be read."""
    return UserError(
        "this is no index of this version of scatterflow, or it is damaged",
        str(path),
        "make it anew: python scripts/scatterflow index --full",
    )


def _connect(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True)


def _is_index(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with closing(_connect(path, "mode=ro&immutable=1")) as index:
            (version,) = index.execute("PRAGMA user_version").fetchone()
            for table in ("records", "facets", "words") if version == VERSION else ():
                index.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
            return bool(version == VERSION)
    except sqlite3.DatabaseError:
        return False


@contextmanager
def _only_writer(database: Path) -> Iterator[None]:
    """Refuse a second writer. The lock goes with its process; that it may not be seen from another host of a
    shared file system costs work twice, no more."""
    import fcntl

    database.parent.mkdir(parents=True, exist_ok=True)
    path = database.with_name(f".{database.name}.lock")
    # Not emptied on opening: that is the other's note.
    with open(path, "a+", encoding="utf-8") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            lock.seek(0)
            raise UserError(
                f"the index is being built by {shortened(lock.read(100).strip()) or 'another process'}",
                str(database),
                "wait until it has finished, then try again",
            ) from None
        except OSError:
            pass  # a file system without locks; the index is renamed into place all the same
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        lock.flush()
        yield


def _records_there(results: Path, refused: list[str]) -> dict[str, Found]:
    """All records, by RUN/REDUCTION; links are not followed: one message for each is added to `refused`."""
    found = {}
    for run in _folders(results, refused):
        for reduction in _folders(Path(run.path), refused):
            path = Path(reduction.path) / NAME
            with suppress(OSError):
                status = path.lstat()
                identity = f"{run.name}/{reduction.name}"
                found[identity] = Found(path, status.st_size, status.st_mtime_ns)
    return found


def _folders(folder: Path, refused: list[str]) -> Iterator[os.DirEntry[str]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in sorted(entries, key=lambda item: item.name):
            with suppress(ValueError):
                check_name(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    yield entry
                elif entry.is_dir():
                    refused.append(f"{entry.path}: a link; results behind it are not in the index")


def _update(results: Path, database: Path, anew: bool) -> Indexed:
    done = Indexed()
    there = _records_there(results, done.refused)
    known = {} if anew else _known(database)
    changed = {
        identity: found
        for identity, found in there.items()
        if known.get(identity) != (found.size, found.mtime_ns)
    }
    gone = known.keys() - there.keys()
    if changed or gone or anew:
        _rewrite(database, changed, gone, anew, done)
    else:
        # Snakemake compares its time with that of the records.
        os.utime(database)
        done.records = len(known)
    return done


def _known(database: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the records in the index."""
    with closing(_connect(database, "mode=ro&immutable=1")) as index:
        rows = index.execute("SELECT id, size, mtime_ns FROM records")
        return {identity: (size, mtime_ns) for identity, size, mtime_ns in rows}


def _rewrite(
    database: Path, changed: Mapping[str, Found], gone: set[str], anew: bool, done: Indexed
) -> None:
    with whole_file(database) as temporary:
        if not anew:
            shutil.copyfile(database, temporary)
        # The copy is ours alone; a shared file system may have no locks to give.
        with closing(_connect(temporary, "mode=rwc&nolock=1")) as index:
            index.execute("PRAGMA journal_mode = MEMORY")
            if anew:
                index.executescript(TABLES)
            with index:
                for identity in gone:
                    _remove(index, identity)
                    done.removed += 1
                for identity, found in changed.items():
                    _take(index, identity, found, done)
            (done.records,) = index.execute("SELECT count(*) FROM records").fetchone()
    database.chmod(0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _take(index: sqlite3.Connection, identity: str, found: Found, done: Indexed) -> None:
    """Put one record into the index in place of the one before."""
    try:
        content = read_bytes(found.path)
        record = parse_record(content, found.path)
    except UserError as error:
        done.removed += _remove(index, identity)
        done.refused.append(f"{error.where or found.path}: {error.what}; left out of the index")
        return
    if _remove(index, identity):
        done.changed += 1
    else:
        done.added += 1
    (number,) = index.execute("SELECT coalesce(max(number), 0) + 1 FROM records").fetchone()
    times = record["times"]
    index.execute(
        "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            identity,
            times["run_start"] or times["reduced"],
            found.size,
            found.mtime_ns,
            hashlib.sha256(content).hexdigest(),
            number,
            json.dumps(record, allow_nan=False),
        ),
    )
    index.executemany(
        "INSERT OR IGNORE INTO facets VALUES (?, ?, ?)",
        [(identity, facet, value) for facet, value in facet_values(record)],
    )
    index.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, searched_text(record)))


def _remove(index: sqlite3.Connection, identity: str) -> int:
    """Take a record out; returns how many there were."""
    row = index.execute("SELECT number FROM records WHERE id = ?", (identity,)).fetchone()
    if row is None:
        return 0
    index.execute("DELETE FROM words WHERE rowid = ?", row)
    index.execute("DELETE FROM facets WHERE id = ?", (identity,))
    index.execute("DELETE FROM records WHERE id = ?", (identity,))
    return 1


def all_records(index: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """All records, the newest run first."""
    for (text,) in index.execute("SELECT json FROM records ORDER BY time DESC, id"):
        yield json.loads(text)
