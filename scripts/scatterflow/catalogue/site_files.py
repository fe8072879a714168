"""Files of a result as the portal may link to them: regular files in the result's folder, no links."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scatterflow.errors import UserError
from scatterflow.files.atomic import whole_file
from scatterflow.files.confined import open_regular
from scatterflow.files.json import write_json

LARGEST_QUALITY = 2 << 20
HDF5_ENDINGS = (".nxs", ".h5", ".hdf", ".hdf5")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class FoundFile:
    """A file that a record names.

    path: below the result's folder. bytes, sha256, mime, role: as the record says. there: it is a regular
    file of that size. note: why it is not linked, else "".
    """

    path: str
    bytes: int
    sha256: str | None
    mime: str
    role: str
    there: bool
    note: str

    @property
    def url(self) -> str:
        """Address below the result's folder."""
        return quote(self.path)

    @property
    def is_thumbnail(self) -> bool:
        return self.role == "thumbnail"

    @property
    def is_hdf5(self) -> bool:
        return self.path.endswith(HDF5_ENDINGS)


def find_files(results: Path, record: dict[str, Any]) -> list[FoundFile]:
    """The files of a record, each with whether it is there as the record says."""
    folder = results / record["run"] / record["reduction"]
    return [
        FoundFile(
            path=file["path"],
            bytes=file["bytes"],
            sha256=file["sha256"],
            mime=file["mime"],
            role=file["role"],
            there=not (note := _fault(folder, file)),
            note=note,
        )
        for file in record["files"]
    ]


def _fault(folder: Path, file: dict[str, Any]) -> str:
    try:
        with open_regular(folder, file["path"]) as opened:
            size = os.fstat(opened.fileno()).st_size
    except FileNotFoundError:
        return "not there, or not a regular file"
    return "" if size == file["bytes"] else "changed since it was described"


def read_quality(results: Path, record: dict[str, Any]) -> dict[str, Any] | None:
    """quality.json of a result; None if there is none that can be read."""
    folder = results / record["run"] / record["reduction"]
    try:
        with open_regular(folder, "quality.json") as file:
            quality = json.loads(file.read(LARGEST_QUALITY))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    known = isinstance(quality, dict) and quality.get("schema") == "scatterflow-quality-1"
    return quality if known and isinstance(quality.get("checks"), list) else None


def copy_files(
    results: Path, record: dict[str, Any], files: Iterable[FoundFile], target: Path
) -> None:
    """Copy what is there, and the record, to target/RUN/REDUCTION.

    Raises UserError if the content is not as described.
    """
    inner = Path(record["run"], record["reduction"])
    write_json(target / inner / "record.json", record)
    for file in files:
        if not file.there:
            continue
        digest = hashlib.sha256()
        with (
            open_regular(results / inner, file.path) as source,
            whole_file(target / inner / file.path) as temporary,
            open(temporary, "wb") as copied,
        ):
            while block := source.read(_BLOCK):
                digest.update(block)
                copied.write(block)
        if file.sha256 is not None and digest.hexdigest() != file.sha256:
            raise UserError(
                "the file is not the one that the record describes (its sha256 differs)",
                str(results / inner / file.path),
                "run snakemake again, so that the result is described anew",
            )
