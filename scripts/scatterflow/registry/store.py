"""The registry as a folder of files: many writers on many hosts, no server, no locks.

    registry.json                                marks the folder
    detectors/<detector>.json                    shape of a detector's frames, stated once
    objects/<2 digits>/<sha256>                  contents (see objects.py)
    records/<kind>/<detector>/<name>/v000001.json  versions (see records.py)
    incoming/                                    files that are being written

Everything is written to `incoming/`, flushed to disk, and given its final name by `link()`, which
fails if the name is taken: of many writers one gets version 7, the others try 8. Objects come
before the records that name them, so what is visible is whole. Nothing is ever written to again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError, shortened
from scatterflow.names import check_name
from scatterflow.registry import objects, records
from scatterflow.registry.records import KINDS, Record

MARK = {"format": "scatterflow registry", "version": 1}
VERSION_FILE = re.compile(r"v(\d{6,})\.json\Z")
_MOST_ATTEMPTS = 10_000


class FileRegistry:
    """A registry in a folder. Opening reads nothing but its mark; a missing folder is made by `add`."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()

    def __str__(self) -> str:
        return f"registry {self.root}"

    @property
    def location(self) -> str:
        """Its folder."""
        return str(self.root)

    def exists(self) -> bool:
        """Whether anything has been registered yet."""
        return (self.root / "registry.json").is_file()

    # Reading ---------------------------------------------------------------------------------------

    def history(
        self, kind: str | None = None, detector: str | None = None, name: str | None = None
    ) -> list[Record]:
        """All records, tombstones too, by kind, detector, name and version; of one of these if given."""
        records.named(kind or "mask", detector or "x", name or "x", str(self))
        self.check_mark()
        found = []
        for folder in self._folders(kind, detector, name):
            found += self._records_in(folder)
        return found

    def read(self, record: Record) -> bytes:
        """The content of a record, verified; raises UserError naming the object if it is not whole."""
        if record.sha256 is None:
            raise UserError(f"{record.title} is a deletion and holds nothing", str(self))
        return self.read_object(record.sha256, record.title)

    def read_object(self, sha256: str, what: str) -> bytes:
        """The content of an object, verified; what: for messages."""
        path = self.object_path(sha256)
        place = f"object {path} ({what})"
        try:
            stored = read_file(path, objects.LARGEST_CONTENT)
        except FileNotFoundError:
            raise UserError(
                f"the object {sha256} is missing",
                place,
                "restore it from a backup, or register the same content again",
            ) from None
        return objects.unpack(stored, sha256, place)

    def shape(self, detector: str) -> tuple[int, int] | None:
        """(rows, columns) of a detector's frames; None if no one has stated it."""
        try:
            text = read_file(self._detector_path(detector), records.LARGEST_RECORD)
        except FileNotFoundError:
            return None
        try:
            stated = json.loads(text)
            rows, columns = stated["shape"]
            if stated["detector"] != detector or not (rows > 0 and columns > 0):
                raise ValueError("another detector, or no shape")
            return int(rows), int(columns)
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                "the detector's description cannot be read",
                str(self._detector_path(detector)),
                "restore it from a backup",
            ) from error

    # Writing ---------------------------------------------------------------------------------------

    def add(
        self, record: Record, content: bytes | None, expected_version: int | None = None
    ) -> Record:
        """Store a content and a record of it under the next version, which is returned.

        content: None for a tombstone. expected_version: the version that must be the last one now
        (0: there is none); UserError if another writer was faster.
        """
        records.named(record.kind, record.detector, record.name, str(self))
        self.make()
        if content is not None:
            sha256 = self._put(content)
            record = replace(record, sha256=sha256, size=len(content))
        folder = self._folder(record.kind, record.detector, record.name)
        self._refuse_alike(folder)
        folder.mkdir(parents=True, exist_ok=True)
        stored = self._add_version(folder, records.signed(record), expected_version)
        # A sweep may have met the object between its writing and its first use.
        if content is not None and not self.object_path(stored.sha256 or "").exists():
            self._put(content)
        return stored

    def state_shape(self, detector: str, shape: tuple[int, int]) -> None:
        """State the shape of a detector's frames; raises UserError if another one is stated already."""
        self.make()
        path = self._detector_path(detector)
        self._refuse_alike(path)
        text = json.dumps({"detector": detector, "shape": list(shape)}) + "\n"
        if not path.exists():
            self._publish(text.encode(), path)
        stated = self.shape(detector)
        if stated != tuple(shape):
            raise UserError(
                f"the frames of detector {detector} are {_times(stated)} pixels, not {_times(shape)}",
                str(path),
                "give a mask of the detector's shape, or another detector name; if what was stated first is "
                "wrong, delete what has it and remove this file",
            )

    def make(self) -> None:
        """Make the folder if it is not there; raises UserError if it holds something else."""
        if self.exists():
            return
        if self.root.is_dir() and any(self.root.iterdir()) and not self._is_being_made():
            raise UserError(
                "this folder holds other things than a registry",
                str(self.root),
                "name an empty folder, or one that does not exist",
            )
        for name in ("objects", "records", "detectors", "incoming"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._publish((json.dumps(MARK) + "\n").encode(), self.root / "registry.json")

    def _add_version(self, folder: Path, record: Record, expected: int | None) -> Record:
        for _ in range(_MOST_ATTEMPTS):
            last = max(self.versions(folder), default=0)
            if expected is not None and last != expected:
                raise UserError(
                    f"{record.kind} {record.detector}/{record.name} is at version {last}, not {expected}",
                    str(self),
                    "look at what has been registered meanwhile, then register again",
                )
            previous = self.record(folder, last) if last else None
            record = replace(
                record,
                version=last + 1,
                previous=records.record_digest(previous) if previous else None,
            )
            text = records.to_text(record).encode()
            if len(text) > records.LARGEST_RECORD:
                raise UserError(
                    f"the record takes {len(text)} bytes, more than {records.LARGEST_RECORD}",
                    record.title,
                    "shorten comment, metadata or source",
                )
            if self._publish(text, folder / f"v{record.version:06d}.json"):
                return record
        raise UserError(
            f"others were faster {_MOST_ATTEMPTS} times", str(folder), "register again later"
        )

    def _put(self, content: bytes) -> str:
        """Store an object; one that is there already is verified, and mended if damaged."""
        sha256 = objects.content_sha256(content)
        path = self.object_path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError, UserError):
            stored = read_file(path, objects.LARGEST_CONTENT)
            objects.unpack(stored, sha256, str(path))
            # New again, that no sweep takes it before its record is there. Where another user owns it this is
            # not allowed; `add` looks after that in any case.
            with contextlib.suppress(PermissionError):
                os.utime(path)
            return sha256
        temporary = self._write_incoming(objects.pack(content))
        try:
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)
        return sha256

    def _publish(self, content: bytes, path: Path) -> bool:
        """Give content a name that no one has; False if it is taken."""
        temporary = self._write_incoming(content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            # A file server may answer a repeated request of a link that it has made.
            return temporary.stat().st_nlink == 2
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV):
                raise UserError(
                    f"this file system cannot make hard links ({error.strerror})",
                    str(self.root),
                    "put the registry on another file system",
                ) from error
            raise
        finally:
            temporary.unlink(missing_ok=True)
        _flush_folder(path.parent)
        return True

    def _write_incoming(self, content: bytes) -> Path:
        path = self.root / "incoming" / f"{uuid.uuid4().hex}.tmp"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444)
        try:
            view = memoryview(content)
            while len(view):
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return path

    # Paths -----------------------------------------------------------------------------------------

    def object_path(self, sha256: str) -> Path:
        """Where an object is kept."""
        records.check_sha256(sha256)
        return self.root / "objects" / sha256[:2] / sha256

    def _detector_path(self, detector: str) -> Path:
        records.named("mask", detector, "x", str(self))
        return self.root / "detectors" / f"{detector}.json"

    def _folder(self, kind: str, detector: str, name: str) -> Path:
        return self.root / "records" / kind / detector / name

    def _folders(self, kind: str | None, detector: str | None, name: str | None) -> Iterator[Path]:
        for one in [kind] if kind else KINDS:
            kind_folder = self.root / "records" / one
            for two in [detector] if detector else _names_in(kind_folder):
                for three in [name] if name else _names_in(kind_folder / two):
                    records.named(one, two, three, str(self))
                    yield kind_folder / two / three

    def _records_in(self, folder: Path) -> list[Record]:
        return [self.record(folder, version) for version in sorted(self.versions(folder))]

    def versions(self, folder: Path) -> list[int]:
        try:
            names = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return []
        return [int(found[1]) for found in map(VERSION_FILE.match, names) if found]

    def record(self, folder: Path, version: int) -> Record:
        path = folder / f"v{version:06d}.json"
        record = records.from_text(read_file(path, records.LARGEST_RECORD), str(path))
        stated = (record.kind, record.detector, record.name, record.version)
        if stated != (*folder.parts[-3:], version):
            raise UserError(
                f"the record says that it is {record.title}",
                str(path),
                "it was moved or copied here by hand: remove it, and register the content",
            )
        return record

    def _refuse_alike(self, path: Path) -> None:
        """Names that differ in case only are one on some file systems, and one to most readers."""
        for part in (path, path.parent):
            for other in entries(part.parent):
                if other != part.name and other.lower() == part.name.lower():
                    raise UserError(
                        f"{shortened(part.stem)} and {shortened(Path(other).stem)}, which is there "
                        "already, differ in case only",
                        str(self),
                        "use the name that is there, or a different one",
                    )

    def _is_being_made(self) -> bool:
        return {path.name for path in self.root.iterdir()} <= {
            *("objects", "records", "detectors", "incoming", "registry.json")
        }

    def check_mark(self) -> None:
        if not self.exists():
            raise UserError(
                "there is no registry",
                str(self.root),
                "correct the path; the first `registry register` makes one",
            )
        try:
            version = json.loads(read_file(self.root / "registry.json", 65536))["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                "the registry's mark cannot be read",
                str(self.root / "registry.json"),
                f"it must hold {json.dumps(MARK)}",
            ) from error
        if version != MARK["version"]:
            raise UserError(
                f"the registry has format version {version}, this program knows {MARK['version']}",
                str(self.root),
                "use a newer scatterflow",
            )


def entries(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _names_in(folder: Path) -> list[str]:
    """Entries that are names; anything else that lies there is reported by `verify`."""
    return [entry for entry in sorted(entries(folder)) if is_name(entry)]


def is_name(text: str) -> bool:
    try:
        check_name(text)
    except ValueError:
        return False
    return True


def read_file(path: Path, limit: int) -> bytes:
    """A regular file's bytes; symbolic links are not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _no_plain_file("a symbolic link", path) from error
        raise
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _no_plain_file("no plain file", path)
        if status.st_size > limit:
            raise _no_plain_file(f"{status.st_size} bytes long", path)
        return stream.read(limit + 1)


def _no_plain_file(what: str, path: Path) -> UserError:
    return UserError(f"the registry holds {what} here", str(path), "remove it, and look who put it")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _times(shape: Any) -> str:
    return " x ".join(map(str, shape))
