"""Fetching raw data and returning results, verified by size and SHA-256.

Stage: the manifest of the distant folder says what is to come. A file arrives under another name, is
continued where a connection was cut, is verified, made read-only and only then gets its name: what stands
in the raw folder is whole. A file that is there already is never written to; if it is another one, that
is refused.

Deliver: as much in the other direction; each file is read back before it gets its name, because SFTP has
no checksums. The manifest goes last.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NoReturn, TypeVar

from scatterflow.errors import UserError
from scatterflow.files.atomic import flush_to_disk, write_text
from scatterflow.staging.manifest import (
    MANIFEST,
    FileMark,
    chosen,
    manifest_text,
    mark_file,
    mark_folder,
    read_manifest,
)
from scatterflow.staging.places import ConnectionCutError, Place

# Files of one connection, so that progress is told and little has to be read back at once.
FILES_AT_ONCE = 100
BYTES_AT_ONCE = 2_000_000_000
LONGEST_PAUSE_SECONDS = 120.0
# Marks of what was staged and verified, in the raw folder.
RECEIPT = ".staged.tsv"

Result = TypeVar("Result")


@dataclass
class Transferred:
    """What a transfer did. moved: paths that were copied now; there: those that were there already."""

    moved: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    bytes: int = 0
    interruptions: int = 0


def stage(
    place: Place,
    folder: Path,
    patterns: list[str] | None = None,
    *,
    attempts: int = 5,
    pause_seconds: float = 5.0,
    again: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Transferred:
    """Fetch what the manifest of a place lists (the paths that match, if there are patterns).

    again: read all files that are here already, not only their sizes. attempts: connections that may be
    cut in a row without a byte more. Raises UserError for a file that is not what the manifest says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = Transferred()
    tries = _Tries(place, attempts, pause_seconds, done, tell)
    marks = chosen(_distant_manifest(place, tries), patterns or [])
    receipt = _receipt(folder)
    missing: dict[str, FileMark] = {}
    for path, mark in marks.items():
        if not (folder / path).exists():
            missing[path] = mark
            continue
        _check_present(folder / path, mark, place, verified=receipt.get(path) == mark and not again)
        done.there.append(path)
    _check_space(folder, missing)
    for some in _portions(missing):
        _fetch(place, folder, {path: missing[path] for path in some}, tries)
        done.moved += some
        done.bytes += sum(missing[path].bytes for path in some)
        tell(f"{len(done.moved)} of {len(missing)} files fetched")
    write_text(folder / RECEIPT, manifest_text({**receipt, **marks}))
    return done


def deliver(
    place: Place,
    folder: Path,
    *,
    attempts: int = 5,
    pause_seconds: float = 5.0,
    tell: Callable[[str], None] = lambda text: None,
) -> Transferred:
    """Return all files of a folder to a place, those left out that its manifest says are there already."""
    if not folder.is_dir():
        raise UserError(
            f"there is no folder {folder}", "below the working folder", "run the workflow first"
        )
    done = Transferred()
    tries = _Tries(place, attempts, pause_seconds, done, tell)
    marks = mark_folder(folder)
    manifest_text(marks)  # a name that it cannot hold is better known before the transfer
    known = _distant_manifest(place, tries) if tries.run(lambda: place.sizes([MANIFEST])) else {}
    sizes = tries.run(lambda: place.sizes(list(marks)))
    missing = {}
    for path, mark in marks.items():
        if known.get(path) == mark and sizes.get(path) == mark.bytes:
            done.there.append(path)
        else:
            missing[path] = mark
    for some in _portions(missing):
        _store(place, folder, {path: missing[path] for path in some}, tries)
        done.moved += some
        done.bytes += sum(missing[path].bytes for path in some)
        tell(f"{len(done.moved)} of {len(missing)} files returned")
    # What is there of earlier results stays, and stays listed.
    if {**known, **marks} != known:
        _store_manifest(place, {**known, **marks}, tries)
    return done


@dataclass
class _Tries:
    """Repeats what was cut off, with growing pauses, as long as something arrives in between."""

    place: Place
    attempts: int
    pause_seconds: float
    done: Transferred
    tell: Callable[[str], None]

    def run(self, work: Callable[[], Result], progress: Callable[[], int] = lambda: 0) -> Result:
        """What `work` returns; progress: how much has arrived, to tell a slow place from a dead one."""
        failures, arrived = 0, self._counted(progress, 0)
        while True:
            try:
                return work()
            except ConnectionCutError as error:
                self.done.interruptions += 1
                before, arrived = arrived, self._counted(progress, arrived)
                failures = 1 if arrived > before else failures + 1
                if failures >= self.attempts:
                    raise UserError(
                        f"the connection was cut {failures} times in a row: {error}",
                        self.place.name,
                        "what has arrived is kept: call the same command again to go on from there",
                    ) from error
                self.tell(f"connection cut, trying again: {error}")
                time.sleep(min(self.pause_seconds * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS))

    def _counted(self, progress: Callable[[], int], otherwise: int) -> int:
        try:
            return progress()
        except ConnectionCutError:
            return otherwise


def _portions(marks: dict[str, FileMark]) -> list[list[str]]:
    """Paths in portions for one connection each."""
    portions: list[list[str]] = []
    size = 0
    for path, mark in marks.items():
        if not portions or len(portions[-1]) == FILES_AT_ONCE or size + mark.bytes > BYTES_AT_ONCE:
            portions.append([])
            size = 0
        portions[-1].append(path)
        size += mark.bytes
    return portions


def _part(path: str, mark: FileMark) -> str:
    """Name of a file that has not arrived whole: another version of it has another name."""
    pure = PurePosixPath(path)
    return str(pure.with_name(f".{pure.name[:180]}.{mark.sha256[:12]}.part"))


def _distant_manifest(place: Place, tries: _Tries) -> dict[str, FileMark]:
    with TemporaryDirectory() as name:
        local = Path(name, MANIFEST)
        tries.run(lambda: place.fetch({MANIFEST: local}))
        if not local.exists():
            raise UserError(
                f"there is no {MANIFEST}",
                place.name,
                "make it with `scatterflow manifest FOLDER` where the data is, when the data is complete",
            )
        return read_manifest(
            local.read_text(encoding="utf-8", errors="replace"), f"{place.name}/{MANIFEST}"
        )


def _fetch(place: Place, folder: Path, marks: dict[str, FileMark], tries: _Tries) -> None:
    wrong = _fetch_once(place, folder, marks, tries)
    # What was continued after a cut may be damaged: once more from its beginning.
    for path in wrong:
        (folder / _part(path, marks[path])).unlink(missing_ok=True)
    for path in _fetch_once(place, folder, {path: marks[path] for path in wrong}, tries):
        _refuse(place, path, marks[path], folder / _part(path, marks[path]))


def _fetch_once(place: Place, folder: Path, marks: dict[str, FileMark], tries: _Tries) -> list[str]:
    """Fetch, verify and name files; returns those that are not what they should be."""
    parts = {path: folder / _part(path, mark) for path, mark in marks.items()}
    for part in parts.values():
        part.parent.mkdir(parents=True, exist_ok=True)
    tries.run(
        lambda: place.fetch(parts),
        lambda: sum(part.stat().st_size for part in parts.values() if part.exists()),
    )
    return [path for path, mark in marks.items() if not _arrived(parts[path], mark, folder / path)]


def _arrived(part: Path, mark: FileMark, final: Path) -> bool:
    """Give a file its name if it is what it should be."""
    if not part.exists() or mark_file(part) != mark:
        return False
    part.chmod(0o444)
    flush_to_disk(part)
    part.rename(final)
    return True


def _refuse(place: Place, path: str, mark: FileMark, part: Path) -> NoReturn:
    where = f"{path}, {place.name}"
    if not part.exists():
        raise UserError("a file of the manifest is not there", where, "copy it there again")
    found = mark_file(part)
    part.unlink()
    if found.bytes != mark.bytes:
        what = f"the file has {found.bytes} bytes, the manifest says {mark.bytes}"
    else:
        what = f"the checksum is {found.sha256[:12]}..., the manifest says {mark.sha256[:12]}..."
    raise UserError(
        what, where, "the file changed after its manifest was made, or is damaged: make both anew"
    )


def _check_present(local: Path, mark: FileMark, place: Place, *, verified: bool) -> None:
    """Refuse a raw file that is not the one that would be fetched; one verified before is not read again."""
    if local.stat().st_size == mark.bytes and (verified or mark_file(local) == mark):
        return
    raise UserError(
        "this raw file is not the one of the manifest, and raw data is never overwritten",
        f"{local}, {place.name}",
        "move it away to fetch the other one",
    )


def _check_space(folder: Path, missing: dict[str, FileMark]) -> None:
    """Refuse to begin what the disk cannot hold."""
    parts = [folder / _part(path, mark) for path, mark in missing.items()]
    arrived = sum(part.stat().st_size for part in parts if part.exists())
    wanted = sum(mark.bytes for mark in missing.values()) - arrived
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if wanted > free:
        raise UserError(
            f"{wanted / 1e9:.3g} GB are to be fetched, {free / 1e9:.3g} GB are free",
            str(folder),
            "free space, or name the runs that are needed",
        )


def _receipt(folder: Path) -> dict[str, FileMark]:
    path = folder / RECEIPT
    return read_manifest(path.read_text(encoding="utf-8"), str(path)) if path.exists() else {}


def _store(place: Place, folder: Path, marks: dict[str, FileMark], tries: _Tries) -> None:
    wrong = _store_once(place, folder, marks, tries)
    parts = [_part(path, mark) for path, mark in wrong.items()]
    tries.run(lambda: place.remove(parts))
    for path in _store_once(place, folder, wrong, tries):
        raise UserError(
            "what was written is not what is read back",
            f"{path}, {place.name}",
            "look for a full or damaged disk there",
        )


def _store_once(
    place: Place, folder: Path, marks: dict[str, FileMark], tries: _Tries
) -> dict[str, FileMark]:
    """Store, read back and name files; returns those that are not there as they are here."""
    files = {_part(path, mark): folder / path for path, mark in marks.items()}
    tries.run(lambda: place.store(files), lambda: sum(place.sizes(list(files)).values()))
    wrong = _read_back(place, folder, marks, tries)
    right = {path: mark for path, mark in marks.items() if path not in wrong}
    tries.run(lambda: place.rename(_still_to_rename(place, right)))
    return wrong


def _still_to_rename(place: Place, marks: dict[str, FileMark]) -> dict[str, str]:
    names = {_part(path, mark): path for path, mark in marks.items()}
    return {part: names[part] for part in place.sizes(list(names))}


def _read_back(
    place: Place, folder: Path, marks: dict[str, FileMark], tries: _Tries
) -> dict[str, FileMark]:
    """Those of the files that are not there as they are here."""
    wrong = {}
    with TemporaryDirectory(dir=folder, prefix=".read-back-") as name:
        copies = {
            _part(path, mark): Path(name, str(i)) for i, (path, mark) in enumerate(marks.items())
        }
        tries.run(lambda: place.fetch(copies))
        for path, mark in marks.items():
            copy = copies[_part(path, mark)]
            if not copy.exists() or mark_file(copy) != mark:
                wrong[path] = mark
    return wrong


def _store_manifest(place: Place, marks: dict[str, FileMark], tries: _Tries) -> None:
    with TemporaryDirectory() as name:
        local = Path(name, MANIFEST)
        local.write_text(manifest_text(marks), encoding="utf-8")
        _store(place, Path(name), {MANIFEST: mark_file(local)}, tries)
