"""What a folder holds: size and SHA-256 of every file, in a table MANIFEST.tsv.

Columns `bytes`, `sha256`, `path`, separated by tabs; paths relative to the folder, with `/`. A file whose
manifest has arrived is complete: the manifest is written last.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scatterflow.errors import UserError, shortened
from scatterflow.files.checksums import file_sha256

MANIFEST = "MANIFEST.tsv"
HEADER = "bytes\tsha256\tpath"
_LINE = re.compile(r"(\d{1,18})\t([0-9a-f]{64})\t(.+)")


@dataclass(frozen=True)
class FileMark:
    """By which a file is known again: its size, and the SHA-256 of its bytes."""

    bytes: int
    sha256: str


def mark_file(path: Path) -> FileMark:
    """The mark of a file as it is now."""
    return FileMark(path.stat().st_size, file_sha256(path))


def mark_folder(folder: Path) -> dict[str, FileMark]:
    """Marks of all files below a folder by their paths, hidden ones and a manifest left out."""
    return {path: mark_file(folder / path) for path in sorted(_files(folder))}


def _files(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(place, name)
            if not name.startswith(".") and path != folder / MANIFEST and path.is_file():
                yield path.relative_to(folder).as_posix()


def manifest_text(marks: dict[str, FileMark]) -> str:
    """A manifest; raises UserError for a name that would break its lines."""
    for path in marks:
        _check(path, MANIFEST)
    lines = [f"{mark.bytes}\t{mark.sha256}\t{path}" for path, mark in marks.items()]
    return "\n".join([HEADER, *lines]) + "\n"


def read_manifest(text: str, origin: str) -> dict[str, FileMark]:
    """Marks by path. Raises UserError for what is no manifest, or leads out of the folder."""
    lines = text.splitlines()
    if not lines or lines[0] != HEADER or not text.endswith("\n"):
        raise UserError(
            "this is no complete manifest",
            origin,
            "make it with `scatterflow manifest FOLDER` where the data is",
        )
    marks = {}
    for number, line in enumerate(lines[1:], start=2):
        found = _LINE.fullmatch(line)
        if not found:
            raise UserError(
                f"not a line of a manifest: {shortened(line)}",
                f"{origin}, line {number}",
                "expected: bytes, sha256 and path, separated by tabs",
            )
        path = _check(found[3], f"{origin}, line {number}")
        marks[path] = FileMark(int(found[1]), found[2])
    return marks


def _check(path: str, where: str) -> str:
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or str(PurePosixPath(path)) != path:
        raise UserError(
            f"the path {shortened(path)} is not below the folder",
            where,
            "paths are relative, without `..`",
        )
    if re.search(r"[\x00-\x1f\x7f]", path):
        raise UserError(
            f"the name {shortened(path)} holds control characters", where, "rename the file"
        )
    return path


def chosen(marks: dict[str, FileMark], patterns: Iterable[str]) -> dict[str, FileMark]:
    """Those whose path matches one of the patterns (`*`, `?`, `[...]`; `*` crosses folders); all without any.

    Raises UserError for a pattern that nothing matches.
    """
    from fnmatch import fnmatchcase

    patterns = list(patterns)
    for pattern in patterns:
        if not any(fnmatchcase(path, pattern) for path in marks):
            raise UserError(
                f"nothing in the manifest matches {shortened(pattern)}",
                f"{len(marks)} files",
                "patterns are relative to the raw folder, as `run12/*`",
            )
    if not patterns:
        return marks
    return {
        path: mark
        for path, mark in marks.items()
        if any(fnmatchcase(path, pattern) for pattern in patterns)
    }
