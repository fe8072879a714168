"""Upkeep of a registry of files: is everything whole, and away with what no record names.

A writer stores an object, then its record, then looks whether the object is still there. A sweep
takes an object that no record names and that is old enough aside, looks at the records again, and
puts it back if one names it by now: whichever comes first, no record loses its object.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.files.json import read_json
from scatterflow.registry import records
from scatterflow.registry.opening import open_registry
from scatterflow.registry.records import KINDS, Record
from scatterflow.registry.store import VERSION_FILE, FileRegistry, entries, is_name
from scatterflow.registry.versions import RegistryLike, live

GRACE_HOURS = 24.0


@dataclass
class Findings:
    """What `verify` found. problems: what must be mended; notes: leftovers that do no harm."""

    records: int = 0
    objects: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(registry: RegistryLike = None) -> Findings:
    """Read every record and every object, and check them against each other."""
    store = open_registry(registry)
    if not isinstance(store, FileRegistry):
        return _verify_tiled(store)
    store.check_mark()
    findings = Findings()
    found: list[Record] = []
    for folder in _record_folders(store, findings):
        found += _verify_history(store, folder, findings)
    findings.records = len(found)
    _verify_shapes(store, found, findings)
    _verify_objects(store, found, findings)
    leftovers = len(entries(store.root / "incoming"))
    if leftovers:
        findings.notes.append(
            f"{leftovers} unfinished files in incoming/, of writers that were killed or still write: "
            "a sweep removes old ones"
        )
    return findings


def _verify_tiled(store: Any) -> Findings:
    """A registry in a Tiled database: every complete version must read as it was registered."""
    findings = Findings()
    for record in live(store.history()):
        findings.records += 1
        try:
            store.read(record)
            findings.objects += 1
        except UserError as error:
            findings.problems.append(_one_line(error))
    if unfinished := store.incomplete():
        findings.notes.append(
            f"{len(unfinished)} versions are being written, or their writers died: "
            f"{', '.join(unfinished[:5])}; no one sees them"
        )
    return findings


def _files(registry: RegistryLike) -> FileRegistry:
    store = open_registry(registry)
    if not isinstance(store, FileRegistry):
        raise UserError("only a registry in a folder is swept", str(store), "name a folder")
    return store


def _record_folders(store: FileRegistry, findings: Findings) -> Iterator[Path]:
    """Folders of all names; what is no name is a problem."""
    for kind in entries(store.root / "records"):
        if kind not in KINDS:
            findings.problems.append(f"{store.root / 'records' / kind}: this is no kind")
            continue
        for detector in sorted(entries(store.root / "records" / kind)):
            folder = store.root / "records" / kind / detector
            for path in (folder, *(folder / name for name in sorted(entries(folder)))):
                if not is_name(path.name) or path.is_symlink() or not path.is_dir():
                    findings.problems.append(f"{path}: this is no folder of a name")
                elif path != folder:
                    yield path


def _verify_history(store: FileRegistry, folder: Path, findings: Findings) -> list[Record]:
    findings.problems += [
        f"{folder / entry}: this is no record"
        for entry in entries(folder)
        if not VERSION_FILE.match(entry)
    ]
    versions = sorted(store.versions(folder))
    if versions != list(range(1, len(versions) + 1)):
        findings.problems.append(f"{folder}: versions are missing: {versions}")
    found: list[Record] = []
    for version in versions:
        try:
            record = store.record(folder, version)
        except (UserError, OSError) as error:
            findings.problems.append(_one_line(error))
            continue
        before = found[-1] if found and found[-1].version == version - 1 else None
        if before and record.previous != records.record_digest(before):
            findings.problems.append(f"{record.title}: the version before it was exchanged")
        found.append(record)
    return found


def _verify_shapes(store: FileRegistry, found: list[Record], findings: Findings) -> None:
    """A detector's stated shape is what every new mask is held against: it must be that of the old ones."""
    for entry in sorted(entries(store.root / "detectors")):
        path = store.root / "detectors" / entry
        if not entry.endswith(".json") or not is_name(entry[:-5]):
            findings.problems.append(f"{path}: this describes no detector")
            continue
        try:
            stated = store.shape(entry[:-5])
        except (UserError, OSError) as error:
            findings.problems.append(_one_line(error))
            continue
        for record in found:
            if record.detector == entry[:-5] and record.shape and record.shape[-2:] != stated:
                findings.problems.append(
                    f"{path}: it states {stated}, {record.title} has {record.shape[-2:]}"
                )
                break


def _verify_objects(store: FileRegistry, found: list[Record], findings: Findings) -> None:
    titles = {record.sha256: record.title for record in found if record.sha256}
    needed = {record.sha256: record.title for record in live(found) if record.sha256}
    present = set()
    for path in object_files(store, findings):
        present.add(path.name)
        try:
            store.read_object(path.name, titles.get(path.name, "named by no record"))
            findings.objects += 1
        except (UserError, OSError) as error:
            findings.problems.append(_one_line(error))
    for sha256, title in needed.items():
        if sha256 not in present:
            findings.problems.append(f"{title}: its object {sha256} is missing")
    unused = len(present - set(titles))
    if unused:
        findings.notes.append(f"{unused} objects that no record names: a sweep removes old ones")


def object_files(store: FileRegistry, findings: Findings | None = None) -> Iterator[Path]:
    """All objects' files; what else lies among them is a problem."""
    for part in sorted(entries(store.root / "objects")):
        for name in sorted(entries(store.root / "objects" / part)):
            path = store.root / "objects" / part / name
            try:
                if store.object_path(name) == path:
                    yield path
                    continue
            except ValueError:
                pass
            if findings:
                findings.problems.append(f"{path}: this is no object")


def _one_line(error: Exception) -> str:
    if isinstance(error, UserError):
        return f"{error.where}: {error.what}"
    return str(error)


# Sweeping -----------------------------------------------------------------------------------------


@dataclass
class Swept:
    """What `sweep` removed, or (dry run) would remove: objects by name, their bytes, leftovers."""

    objects: list[str] = field(default_factory=list)
    bytes: int = 0
    leftovers: int = 0


def sweep(
    registry: RegistryLike = None,
    *,
    older_than_hours: float = GRACE_HOURS,
    pins: Iterable[str | Path] = (),
    dry_run: bool = False,
) -> Swept:
    """Remove objects that only deleted versions name, or none, and leftovers of killed writers.

    older_than_hours: objects that are younger stay, for their record may be on its way; leftovers stay
    for a day in any case. pins: files, or folders of them, whose objects stay. Raises UserError for a
    record that cannot be read: what it names is unknown.
    """
    store = _files(registry)
    swept = Swept()
    if not dry_run:
        _put_back(store)
    limit = time.time() - 3600 * older_than_hours
    kept = _named_by(store) | _pinned(pins)
    for path in list(object_files(store)):
        status = _status(path)
        if status is None or path.name in kept or not status.st_mtime <= limit:
            continue
        if dry_run or _remove(store, path):
            swept.objects.append(path.name)
            swept.bytes += status.st_size
    for name in entries(store.root / "incoming"):
        path = store.root / "incoming" / name
        status = _status(path)
        if status and status.st_mtime <= min(limit, time.time() - 3600 * GRACE_HOURS):
            swept.leftovers += 1
            if not dry_run:
                path.unlink(missing_ok=True)
    return swept


def _status(path: Path) -> os.stat_result | None:
    """None for a file that is gone: a writer has finished it, or another sweep was here."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _named_by(store: FileRegistry) -> set[str]:
    return {record.sha256 for record in live(store.history()) if record.sha256}


def _remove(store: FileRegistry, path: Path) -> bool:
    aside = store.root / "incoming" / f"{path.name}.{uuid.uuid4().hex}.swept"
    try:
        path.rename(aside)
    except FileNotFoundError:  # another sweep
        return False
    if path.name in _named_by(store):
        with contextlib.suppress(FileNotFoundError):  # another sweep has put it back
            aside.rename(path)
        return False
    aside.unlink(missing_ok=True)
    return True


def _put_back(store: FileRegistry) -> None:
    """Objects that a sweep had taken aside when it was killed, if a record names them."""
    aside = [name for name in entries(store.root / "incoming") if name.endswith(".swept")]
    kept = _named_by(store) if aside else set()
    for name in aside:
        sha256 = name.partition(".")[0]
        if sha256 in kept:
            with contextlib.suppress(FileNotFoundError):
                (store.root / "incoming" / name).rename(store.object_path(sha256))


def _pinned(pins: Iterable[str | Path]) -> set[str]:
    found = set()
    for pin in map(Path, pins):
        for path in pin.rglob("*.json") if pin.is_dir() else [pin]:
            try:
                found.add(records.check_sha256(read_json(path)["sha256"]))
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(
                    f"this is no pin ({error})", str(path), "name pins, or their folder"
                ) from None
    return found
