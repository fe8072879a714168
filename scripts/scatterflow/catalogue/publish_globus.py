"""Results as an ingest document of Globus Search: one GMetaEntry per result, GMetaLists of at most 10 MB.

The entry holds what the portal of APS 8-ID reads: `dc` (DataCite), `files` (a remote file manifest with
`globus://` and `https://` addresses) and `project_metadata`. An index fixes the type of a field when it
first sees it and holds 1000 fields at most: so fields have one type each (`globus_schema.json`), what is
unknown is left out (never 0), and metadata of the instrument are a list of names and values. Format and
limits: https://docs.globus.org/api/search/ingest/ and /limits/.

Nothing is sent: `globus search ingest INDEX FILE` does that, with your own rights.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scatterflow.catalogue.publish import Publication, PublishedFile, open_file
from scatterflow.errors import UserError, shortened
from scatterflow.files.atomic import write_text
from scatterflow.files.json import to_json

SCHEMA_FILE = Path(__file__).with_name("globus_schema.json")
LARGEST_DOCUMENT = 9_500_000
"""Bytes; a request may have 10 MB."""
LONGEST_TEXT = 32_000
"""Characters of a field; the service takes 32 KB."""
_VERSION = "2016-11-09"


def entry(published: Publication, target: dict[str, Any]) -> dict[str, Any]:
    """The GMetaEntry of a result; target: `publication.globus` of the configuration.

    Raises UserError if something of the record has no place in it, naming the field.
    """
    subject = _address(published, target, "")
    made = {
        "@datatype": "GMetaEntry",
        "@version": _VERSION,
        "subject": subject,
        "id": "metadata",
        "visible_to": list(target["visible_to"]),
        "content": {
            "dc": _dc(published.record, subject),
            "files": [_file(published, target, file) for file in published.files],
            "project_metadata": _project_metadata(published),
        },
    }
    _check(made, published.name)
    return made


def documents(entries: list[dict[str, Any]]) -> list[str]:
    """Entries as JSON texts of GIngest documents, as few as the limit of a request allows."""
    groups: list[list[dict[str, Any]]] = []
    size = 0
    for each in entries:
        length = len(to_json(each).encode()) + 2
        if not groups or size + length > LARGEST_DOCUMENT:
            groups.append([])
            size = 1000
        groups[-1].append(each)
        size += length
    return [to_json(_ingest(group)) + "\n" for group in groups]


def write_documents(path: str | Path, entries: list[dict[str, Any]]) -> list[Path]:
    """Write the documents of entries: PATH, or PATH with `-1`, `-2`... before its suffix if they are several.

    Returns the paths. Older parts of the same name are removed: they would be sent with the new ones.
    """
    path = Path(path)
    texts = documents(entries)
    paths = [path.with_stem(f"{path.stem}-{number + 1}") for number in range(len(texts))]
    if len(texts) == 1:
        paths = [path]
    for old in [path, *path.parent.glob(f"{path.stem}-*{path.suffix}")]:
        part = old.stem.removeprefix(f"{path.stem}-")
        if old not in paths and (old == path or part.isdigit()):
            old.unlink(missing_ok=True)
    for each, text in zip(paths, texts, strict=True):
        write_text(each, text)
    return paths


@cache
def document_validator() -> Any:
    """Validator of a whole document."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def _check(made: dict[str, Any], name: str) -> None:
    _raise_first(document_validator().iter_errors(_ingest([made])), f"result {name}")


def _raise_first(errors: Any, where: str) -> None:
    from jsonschema.exceptions import best_match

    error = best_match(errors)
    if error is not None:
        field = ".".join(map(str, error.absolute_path)) or "the whole"
        raise UserError(
            f"Globus Search would not take it: {shortened(error.message, 200)}",
            f"{where}, field {shortened(field, 200)}",
            "shorten or correct it in the run table or the configuration, and run snakemake again",
        )


def _ingest(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@datatype": "GIngest",
        "@version": _VERSION,
        "ingest_type": "GMetaList",
        "ingest_data": {"@datatype": "GMetaList", "@version": _VERSION, "gmeta": entries},
    }


# The parts of an entry ---------------------------------------------------------------------------


def _address(published: Publication, target: dict[str, Any], name: str) -> str:
    return f"globus://{target['collection']}{_remote_path(published, target, name)}"


def _remote_path(published: Publication, target: dict[str, Any], name: str) -> str:
    folder = target["path"].rstrip("/")
    return quote(f"{folder}/{published.name}/{name}")


def _dc(record: dict[str, Any], subject: str) -> dict[str, Any]:
    datacite = record["datacite"]
    own = {"identifier": subject, "identifierType": "GlobusSearchSubject"}
    software = record["processing"]["software"]
    return {
        **datacite,
        "identifiers": [own, *datacite.get("identifiers", [])],
        "publicationYear": str(datacite["publicationYear"]),
        "version": str(software.get("commit") or software.get("scatterflow") or "1"),
    }


def _file(published: Publication, target: dict[str, Any], file: PublishedFile) -> dict[str, Any]:
    found: dict[str, Any] = {
        "filename": file.name,
        "url": _address(published, target, file.name),
        "length": file.bytes,
        "mime_type": file.mime,
        "sha256": file.sha256,
        "role": file.role,
    }
    if target["https_address"]:
        path = _remote_path(published, target, file.name)
        found["https_url"] = target["https_address"].rstrip("/") + path
    if file.mime == "image/png":
        found["width"], found["height"] = _png_size(file)
    return found


def _png_size(file: PublishedFile) -> tuple[int, int]:
    """Width and height of a PNG, from its header chunk."""
    with open_file(file) as stream:
        start = stream.read(24)
    if start[:8] != b"\x89PNG\r\n\x1a\n" or start[12:16] != b"IHDR":
        raise UserError("the file is no PNG", str(file.path), "run snakemake again")
    return int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")


def _project_metadata(published: Publication) -> dict[str, Any]:
    record = published.record
    experiment, processing = record["experiment"], record["processing"]
    found = {
        "run": record["run"],
        "reduction": record["reduction"],
        "parent": experiment["proposal"] or experiment["title"],
        "cycle": experiment["cycle"],
        "sample": record["sample"],
        "facility": experiment["facility"],
        "beamline": experiment["beamline"],
        "proposal": experiment["proposal"],
        "technique": record["technique"]["name"],
        "technique_label": record["technique"]["label"],
        "technique_term": record["technique"]["term"],
        "detectors": [detector["name"] for detector in record["detectors"]],
        "energy_keV": _value(record["energy"], "value"),
        "exposure_time_s": _value(record["exposure_time"], "value"),
        "q_low_per_angstrom": _value(record["q_range"], "low"),
        "q_high_per_angstrom": _value(record["q_range"], "high"),
        "frames": record["frames"],
        **{name: record["times"][name] for name in ("run_start", "run_end", "reduced")},
        "masks": [_known(mask) for mask in record["masks"]],
        "reprocessing": _known({"suffix": record["reduction"], "qmap": _qmap(record["qmap"])}),
        "quality": {
            "verdict": record["quality"]["verdict"],
            "warned": record["quality"]["warned"],
        },
        "tools": _tools(processing["software"]),
        "raw_files": processing["raw_files"],
        "raw_bytes": processing["raw_bytes"],
        "record_digest": published.digest,
        "metadata": _metadata(record["metadata"]),
    }
    return _known(found)


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is unknown or empty text."""
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _value(quantity: dict[str, Any] | None, name: str) -> Any:
    return None if quantity is None else quantity[name]


def _qmap(qmap: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if qmap is None else {"name": qmap["name"], "sha256": qmap["sha256"]}


def _tools(software: dict[str, Any]) -> list[dict[str, str]]:
    versions = {"scatterflow": software.get("commit") or software.get("scatterflow")}
    versions |= {"python": software.get("python"), **(software.get("packages") or {})}
    return [
        {"name": name, "version": str(version)} for name, version in versions.items() if version
    ]


def _metadata(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Columns of the run table and scalars of the raw files, by name."""
    table = metadata["run_table"].items()
    found = [{"name": f"run_table.{name}", "text": text} for name, text in table if text]
    for name, entry in metadata["raw"].items():
        value = entry["value"]
        # bool before number: in Python it is one.
        kind = "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
        item = _known({"name": name, kind: value, "unit": entry["unit"]})
        if kind in item:
            found.append(item)
    return found
