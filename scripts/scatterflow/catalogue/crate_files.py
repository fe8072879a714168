"""Files of a result's RO-Crate besides its own: the workflow, and the configuration as it was used.

Only what the workflow consists of and what the configuration names is taken, no link is followed, and nothing
outside of the project folder: a crate is for others to read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import h5py

from scatterflow.catalogue.publish import Publication, PublishedFile
from scatterflow.errors import UserError
from scatterflow.files.checksums import file_sha256
from scatterflow.files.nexus import read_note
from scatterflow.files.provenance import commit, is_same_file

CLONE = Path(__file__).resolve().parents[3]
WORKFLOW_FILES = ("Snakefile", "LICENSE", "CITATION.cff", "README.md")
WORKFLOW_FOLDERS = ("rules", "scripts", "envs")
WORKFLOW_SUFFIXES = {
    *(".py", ".smk", ".rst", ".yaml", ".json", ".in", ".lock", ".txt", ".sh"),
    *(".html", ".css", ".js", ".ts"),
}
BUILT = {"__pycache__", "node_modules", "dist"}
PINS = Path("resources/pins")
LARGEST_INPUT = 100_000_000
"""Bytes; a larger file that the configuration names is described, not packed."""

# Not the system's table: a crate must not depend on the computer that packs it.
MIME = {
    **dict.fromkeys((".smk", ".poni", ".lock", ".in", ".txt", ".dat", ".sh", ".rst"), "text/plain"),
    **dict.fromkeys((".yaml", ".yml", ".cff"), "application/yaml"),
    **dict.fromkeys((".h5", ".nxs", ".hdf", ".hdf5"), "application/x-hdf5"),
    **dict.fromkeys((".tif", ".tiff"), "image/tiff"),
    ".py": "text/x-python",
    ".md": "text/markdown",
    ".tsv": "text/tab-separated-values",
    ".csv": "text/csv",
    ".json": "application/json",
    ".png": "image/png",
}


@dataclass(frozen=True)
class RawFile:
    """A raw file of a run: named in a crate, not copied."""

    name: str
    bytes: int
    sha256: str | None
    modified: str


def workflow_files(clone: Path = CLONE) -> dict[str, Path]:
    """Name in the crate -> file of everything that the workflow consists of."""
    found = {name: clone / name for name in WORKFLOW_FILES if (clone / name).is_file()}
    for folder in WORKFLOW_FOLDERS:
        for path in _regular_files(clone / folder):
            if path.suffix in WORKFLOW_SUFFIXES:
                found[path.relative_to(clone).as_posix()] = path
    return found


def _regular_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in BUILT and name[0] != ".")
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def configuration_files(
    configfile: str | Path, settings: dict[str, Any], record: dict[str, Any], project: Path
) -> dict[str, Path]:
    """Name in the crate -> file of the configuration, of all it names, and of the masks' pins.

    settings: the validated configuration. What lies outside of the project folder, in the raw folder, or is
    larger than `LARGEST_INPUT` is left out.
    """
    raw = (project / settings["raw"]).resolve()
    named = [str(configfile), *_texts({**settings, "raw": None, "registry": None})]
    named += [entry["file"] for entry in record["geometry"] if entry["file"]]
    found: dict[str, Path] = {}
    for text in named:
        path = _inside(project, text)
        if path is None or path.resolve().is_relative_to(raw):
            continue
        if path.stat().st_size <= LARGEST_INPUT:
            found[path.relative_to(project).as_posix()] = path
    return found | _pins(record, project)


def _texts(value: Any) -> Iterator[str]:
    """All texts in a configuration that may be paths."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str) and "\n" not in value and "{" not in value and len(value) < 500:
        yield value


def _inside(project: Path, text: str) -> Path | None:
    """The regular file of the project folder that a text names, None if it names none."""
    path = Path(os.path.normpath(project / text))
    if not path.is_relative_to(project) or not path.is_file():
        return None
    return path if path.resolve() == project.resolve() / path.relative_to(project) else None


def _pins(record: dict[str, Any], project: Path) -> dict[str, Path]:
    """Pins of the registry's masks that a result used, and their contents."""
    from scatterflow.files.json import read_json

    used = {mask["uid"] for mask in record["masks"]} - {None}
    found: dict[str, Path] = {}
    for path in sorted((project / PINS).glob("*/*.json")):
        pin = read_json(path)
        if pin.get("uid") in used:
            for part in (path, project / PINS / "objects" / str(pin.get("sha256"))):
                if part.is_file() and not part.is_symlink():
                    found[part.relative_to(project).as_posix()] = part
    return found


def raw_files(
    published: Publication, raw: str, project: Path, *, hash_all: bool
) -> tuple[list[RawFile], list[str]]:
    """Raw files that a result was made from, as it says itself, and notes on what is not known of them.

    raw: the configuration's raw folder, which names are relative to. hash_all: read files without a SHA-256
    in the result, if they are still the same by size and time.
    """
    notes = []
    found = {}
    for entry in _raw_entries(published):
        path = project / entry["path"]
        sha256 = entry["sha256"]
        if sha256 is None and hash_all:
            if path.is_file() and is_same_file(path, entry):
                sha256 = file_sha256(path)
            else:
                notes.append(f"raw file {_raw_name(path, raw, project)} is gone or has changed")
        name = _raw_name(path, raw, project)
        found[name] = RawFile(name, entry["size"], sha256, entry["mtime"])
    return list(found.values()), notes


def _raw_entries(published: Publication) -> list[dict[str, Any]]:
    result = next((file for file in published.files if file.role == "result"), None)
    if result is None:
        raise UserError(
            "the record names no result file", str(published.folder), "run snakemake again"
        )
    return _note(result, "raw_files") or []


def _note(file: PublishedFile, name: str) -> Any:
    with h5py.File(file.path) as opened:
        place = f"entry/provenance/{name}"
        return read_note(opened[place]) if place in opened else None


def _raw_name(path: Path, raw: str, project: Path) -> str:
    """A raw file's path below the raw folder; elsewhere its name alone: other folders are private."""
    root = Path(os.path.normpath(project / raw))
    path = Path(os.path.normpath(path))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def mime_of(name: str) -> str:
    """Media type of a file of the workflow, the configuration or the raw data, by its name."""
    suffix = PurePosixPath(name).suffix.lower()
    return MIME.get(suffix, "application/octet-stream" if suffix else "text/plain")


def commit_notes(record: dict[str, Any]) -> list[str]:
    """A note if the workflow's code is no longer what made a result."""
    made, now = record["processing"]["software"].get("commit"), commit()
    if made == now and made is not None and not made.endswith("-modified"):
        return []
    known = f"by {made}" if made else "by a commit that is not known"
    return [f"it was made {known}, the crate holds the workflow of {now or 'no commit'}"]
