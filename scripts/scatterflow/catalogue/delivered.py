"""The files of a result: what each is, its size, checksum and type."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.files.checksums import file_sha256

MIMES = {
    **dict.fromkeys((".nxs", ".h5", ".hdf", ".hdf5"), "application/x-hdf5"),
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    **dict.fromkeys((".dat", ".txt", ".poni"), "text/plain"),
}
MOST_IN_FOLDER = 1000
"""Files of one folder (an export of each frame) that are listed one by one; of more, none is."""


def delivered_files(
    folder: str | Path, paths: Iterable[str | Path], notes: list[str]
) -> list[dict[str, Any]]:
    """The record's field `files`.

    folder: results/RUN/REDUCTION; paths: the files, and folders of files, in it; an SVG beside a PNG is
    found. notes: folders of too many files are added.
    Raises UserError for a link, and for what lies outside of the folder or does not exist.
    """
    folder = Path(folder)
    hashed: dict[tuple[int, int], str] = {}
    found = {}
    for path in _all_files(folder, map(Path, paths), notes):
        status = _regular(path, folder)
        name = path.relative_to(folder).as_posix()
        identity = (status.st_dev, status.st_ino)
        if identity not in hashed:  # results of xpcs stand there under two names
            hashed[identity] = file_sha256(path)
        found[name] = {
            "path": name,
            "bytes": status.st_size,
            "sha256": hashed[identity],
            "mime": MIMES.get(path.suffix.lower(), "application/octet-stream"),
            "role": role(name),
        }
    return [found[name] for name in sorted(found)]


def role(name: str) -> str:
    """What a file of a result is, by its name."""
    first, base = name.split("/")[0], name.split("/")[-1]
    if first == "plots":
        return "plot"
    if name == "result.nxs" or name.endswith("_results.hdf"):
        return "result"
    if base in ("analysis.nxs", "map.nxs"):
        return "analysis"
    if base.startswith("cube_") and base.endswith(".nxs"):
        return "cube"
    if "/" not in name and base.endswith(".h5"):
        return "small_data"
    return {"thumbnail.png": "thumbnail", "quality.json": "quality"}.get(name, "export")


def _all_files(folder: Path, paths: Iterable[Path], notes: list[str]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            inside = sorted(path.iterdir())
            if len(inside) > MOST_IN_FOLDER:
                name = path.relative_to(folder).as_posix()
                notes.append(f"the {len(inside)} files in {name} are not listed")
                continue
            # Snakemake's mark of a folder's time.
            yield from (item for item in inside if not item.name.startswith("."))
            continue
        yield path
        drawn = path.with_suffix(".svg")
        if path.suffix == ".png" and drawn.is_file():
            yield drawn


def _regular(path: Path, folder: Path) -> os.stat_result:
    """Its status; raises UserError unless it is a regular file in the folder."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise UserError("the file does not exist", str(path), "run snakemake again") from None
    inside = path.resolve().is_relative_to(folder.resolve())
    if not stat.S_ISREG(status.st_mode) or not inside:
        raise UserError(
            "the file is a link, no regular file, or outside of its result's folder",
            str(path),
            "delete it and run snakemake again",
        )
    return status
