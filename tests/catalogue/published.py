"""Results ready to be published, with raw files that they name, for the tests of the publishers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import h5py

from scatterflow.catalogue.publish import Publication, publication
from scatterflow.catalogue.record_file import write_record
from scatterflow.files.nexus import add_group, add_note
from scatterflow.files.provenance import raw_file_record

from .example_records import example_record, write_result

LICENCE = [{"rights": "CC-BY-4.0"}]
SECRET = "secret-token-0123456789"


def good_record(number: int = 1, **changed: Any) -> dict[str, Any]:
    """A record with a licence; number 1 is of xpcs, 0 and 3 of saxswaxs, 2 of shots; 4 has failed."""
    record = example_record(number)
    record["datacite"]["rightsList"] = LICENCE
    return {**record, **changed}


def published(folder: Path, record: dict[str, Any] | None = None) -> Publication:
    """A result in FOLDER/results that names two raw files in FOLDER/raw, the larger without a SHA-256."""
    record = write_result(folder / "results", record or good_record())
    raw = folder / "raw" / record["run"]
    raw.mkdir(parents=True, exist_ok=True)
    for name, size in (("frames.imm", 1000), ("large frames.imm", 5000)):
        (raw / name).write_bytes(bytes(range(250)) * (size // 250))
    entries = [
        {**raw_file_record(path), "path": path.relative_to(folder).as_posix()}
        for path in sorted(raw.iterdir())
    ]
    entries[1]["sha256"] = None
    result = folder / "results" / record["id"] / "result.nxs"
    with h5py.File(result, "a") as file:
        provenance = add_group(file["entry"], "provenance", "NXcollection")
        add_note(provenance, "raw_files", entries, "raw files")
    return described_again(folder, record)


def described_again(folder: Path, record: dict[str, Any]) -> Publication:
    """The record's files as they are now."""
    place = folder / "results" / record["id"]
    for entry in record["files"]:
        content = (place / entry["path"]).read_bytes()
        entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_record(place / "record.json", record)
    return publication(folder / "results", record["id"])
