"""A result as an RO-Crate: one zip with the workflow, its configuration, the results, and who made them how.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the profiles Workflow Run Crate 0.5 and Process Run
Crate 0.5 (https://w3id.org/ro/wfrun). The main entity is the Snakefile; a CreateAction tells that it made the
results of raw files and configuration, further actions when each rule ran. Raw files are named by their
checksum (RFC 6920, `ni:///sha-256;...`) and not copied. The same record, workflow and configuration give
the same bytes.
"""

from __future__ import annotations

import base64
import re
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from scatterflow.catalogue.crate_files import RawFile, mime_of
from scatterflow.catalogue.publish import Publication, PublishedFile, open_file
from scatterflow.errors import UserError
from scatterflow.files.atomic import whole_file
from scatterflow.files.checksums import file_sha256
from scatterflow.files.json import to_json

NAME = "ro-crate.zip"
METADATA = "ro-crate-metadata.json"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
REPROCESS = "config/reprocess.yaml"
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*\Z")
# Compressed already, or by HDF5: deflating them again costs time and gains nothing.
STORED = ("application/x-hdf5", "image/png")


@dataclass(frozen=True)
class CrateContents:
    """What goes into a crate beside the record's own files; names are those in the crate."""

    workflow: Mapping[str, Path]
    configuration: Mapping[str, Path]
    raw: tuple[RawFile, ...]


def write_crate(path: str | Path, published: Publication, contents: CrateContents) -> str:
    """Write the crate of a result, whole; returns `written` or `unchanged`.

    Raises UserError if the package rocrate is not installed or the record names no licence.
    """
    crate = _described(published, contents)
    members = _members(published, contents)
    date = _zip_date(published.record["times"]["reduced"] or published.record["times"]["described"])
    with whole_file(path) as temporary:
        with zipfile.ZipFile(temporary, "w", allowZip64=True) as archive:
            _add(archive, METADATA, to_json(crate.metadata.generate()).encode(), date)
            for folder in _folders(contents):
                archive.writestr(zipfile.ZipInfo(folder, date), b"")
            for name in sorted(members):
                _add(archive, name, members[name], date)
        unchanged = Path(path).is_file() and file_sha256(path) == file_sha256(temporary)
    return "unchanged" if unchanged else "written"


# The zip -----------------------------------------------------------------------------------------


def _members(
    published: Publication, contents: CrateContents
) -> dict[str, bytes | Path | PublishedFile]:
    """Name in the crate -> what stands there."""
    folder = f"results/{published.name}"
    members: dict[str, bytes | Path | PublishedFile] = {**contents.workflow}
    members |= contents.configuration
    members |= {f"{folder}/{file.name}": file for file in published.files}
    members[f"{folder}/record.json"] = (to_json(published.record) + "\n").encode()
    members[REPROCESS] = published.record["reprocess"]["configuration"].encode()
    return members


def _add(
    archive: zipfile.ZipFile,
    name: str,
    content: bytes | Path | PublishedFile,
    date: tuple[int, int, int, int, int, int],
) -> None:
    # Date and mode are fixed: else two crates of one result would differ.
    entry = zipfile.ZipInfo(name, date)
    entry.external_attr = 0o644 << 16
    stored = isinstance(content, PublishedFile) and content.mime in STORED
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    if isinstance(content, bytes):
        archive.writestr(entry, content)
        return
    source = open_file(content) if isinstance(content, PublishedFile) else content.open("rb")
    with source, archive.open(entry, "w", force_zip64=True) as stream:
        shutil.copyfileobj(source, stream, 1 << 20)


def _zip_date(time: str) -> tuple[int, int, int, int, int, int]:
    when = datetime.fromisoformat(time)
    # What zip can say begins in 1980, in steps of two seconds.
    return (
        max(when.year, 1980),
        when.month,
        when.day,
        when.hour,
        when.minute,
        when.second // 2 * 2,
    )


# The description ---------------------------------------------------------------------------------


def _described(published: Publication, contents: CrateContents) -> Any:
    """The crate as rocrate's object, without files."""
    rocrate = _rocrate()
    record = published.record
    crate = rocrate.ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(TERMS)
    people = _one_or_all([_person(crate, found) for found in record["datacite"]["creators"]])
    _describe_root(crate, record, people)
    workflow = _describe_workflow(crate, record, contents)
    inputs = [_describe_file(crate, name, path) for name, path in contents.configuration.items()]
    inputs += [_describe_raw(crate, raw) for raw in contents.raw]
    results = _describe_results(crate, published)
    steps = record["processing"]["steps"]
    action = crate.add_action(
        workflow,
        identifier="#run",
        object=inputs,
        result=results,
        properties={
            "name": f"reduction {record['reduction']} of run {record['run']}",
            "description": record["reprocess"]["command"],
            **_times(
                [step["started"] for step in steps],
                [record["times"]["reduced"], *(step["finished"] for step in steps)],
            ),
        },
    )
    actions = [action] + [
        _describe_step(crate, number, step, workflow) for number, step in enumerate(steps)
    ]
    for each in actions:
        each["agent"] = people
    crate.root_dataset["mentions"] = _one_or_all(actions)
    return crate


def _one_or_all(values: list[Any]) -> Any:
    """A value that stands alone is no list, as JSON-LD writes it."""
    return values[0] if len(values) == 1 else values


def _describe_root(crate: Any, record: dict[str, Any], people: Any) -> None:
    rocrate = _rocrate()
    datacite = record["datacite"]
    root = crate.root_dataset
    root["name"] = datacite["titles"][0]["title"]
    root["identifier"] = record["id"]
    root["description"] = _description(record)
    root["datePublished"] = _iso(record["times"]["described"])
    root["author"] = people
    root["keywords"] = _one_or_all([subject["subject"] for subject in datacite["subjects"]])
    root["license"] = _licence(crate, record)
    publisher = {"@type": "Organization", "name": datacite["publisher"]}
    root["publisher"] = crate.add(rocrate.ContextEntity(crate, "#publisher", publisher))
    root["conformsTo"] = [
        crate.add(
            rocrate.ContextEntity(
                crate, profile, {"@type": "CreativeWork", "name": name, "version": version}
            )
        )
        for profile, (name, version) in PROFILES.items()
    ]


def _description(record: dict[str, Any]) -> str:
    sample = f" of {record['sample']}" if record["sample"] else ""
    experiment = record["experiment"]
    return (
        f"{record['technique']['label']}{sample}, {record['frames']} frames, measured at "
        f"{experiment['beamline']}, {experiment['facility']}. Quality: {record['quality']['verdict']}. "
        "Raw files are named by size and SHA-256, and not contained."
    )


def _licence(crate: Any, record: dict[str, Any]) -> Any:
    rights = record["datacite"].get("rightsList") or []
    if not rights:
        raise UserError(
            "a crate names the licence of its data, and the record has none",
            f"result {record['id']}",
            "set `publication.licence` in the configuration, e.g. CC-BY-4.0, and run snakemake again",
        )
    first = rights[0]
    name = first.get("rightsIdentifier") or first["rights"]
    address = first.get("rightsUri")
    if address is None:
        address = f"https://spdx.org/licenses/{name}" if _SPDX.match(name) else "#licence"
    properties = {"@type": "CreativeWork", "name": first["rights"], "identifier": name}
    return crate.add(_rocrate().ContextEntity(crate, address, properties))


def _person(crate: Any, creator: dict[str, Any]) -> Any:
    """A creator; known by an ORCID or the like if the record has one."""
    kind = "Organization" if creator.get("nameType") == "Organizational" else "Person"
    identifiers = [found["nameIdentifier"] for found in creator.get("nameIdentifiers", [])]
    identifier = next((found for found in identifiers if "://" in found), None)
    properties: dict[str, Any] = {"@type": kind, "name": creator["name"]}
    if creator.get("affiliation"):
        properties["affiliation"] = ", ".join(found["name"] for found in creator["affiliation"])
    name = "-".join(creator["name"].split())
    return crate.add(_rocrate().ContextEntity(crate, identifier or f"#{name}", properties))


def _describe_workflow(crate: Any, record: dict[str, Any], contents: CrateContents) -> Any:
    """The Snakefile, which is the main entity, with the scripts that ran; folders of all other code."""
    rocrate = _rocrate()
    software = record["processing"]["software"]
    workflow = crate.add_workflow(
        dest_path="Snakefile",
        main=True,
        lang="snakemake",
        lang_version=(software.get("packages") or {}).get("snakemake"),
        properties=_file_properties("Snakefile", contents.workflow["Snakefile"]),
    )
    workflow["name"] = "scatterflow"
    workflow["version"] = str(software.get("commit") or software.get("scatterflow"))
    workflow["url"] = "https://snakemake.github.io"
    developers = {"@type": "Organization", "name": "The scatterflow developers"}
    workflow["author"] = crate.add(rocrate.ContextEntity(crate, "#developers", developers))
    for name in sorted(set(contents.workflow) - {"Snakefile"}):
        if "/" not in name:
            described = _describe_file(crate, name, contents.workflow[name])
            if name == "README.md":
                described["about"] = crate.root_dataset
    # Hundreds of modules need no entity each: their folder has one.
    for folder in _folders(contents):
        crate.add(rocrate.Dataset(crate, dest_path=folder, properties={"name": folder}))
    ran = {f"scripts/{step['rule']}.py": None for step in record["processing"]["steps"]}
    tools = [
        _describe_file(crate, name, contents.workflow[name], ["File", "SoftwareSourceCode"])
        for name in ran
        if name in contents.workflow
    ]
    for tool in tools:
        tool["version"], tool["url"] = workflow["version"], workflow["url"]
    if tools:
        workflow["hasPart"] = _one_or_all(tools)
    return workflow


def _folders(contents: CrateContents) -> list[str]:
    """Top folders of the workflow."""
    return sorted({f"{name.partition('/')[0]}/" for name in contents.workflow if "/" in name})


def _describe_file(crate: Any, name: str, path: Path, kind: str | list[str] = "File") -> Any:
    properties = {"@type": kind, **_file_properties(name, path)}
    return crate.add(_rocrate().File(crate, dest_path=name, properties=properties))


def _file_properties(name: str, path: Path) -> dict[str, str]:
    return {
        "name": name,
        "encodingFormat": mime_of(name),
        "contentSize": str(path.stat().st_size),
        "sha256": file_sha256(path),
    }


def _describe_raw(crate: Any, raw: RawFile) -> Any:
    """A raw file, called by its checksum: whoever has the file can tell that it is the one."""
    properties: dict[str, Any] = {
        "@type": "File",
        "name": raw.name,
        "contentSize": str(raw.bytes),
        "dateModified": _iso(raw.modified),
        "encodingFormat": mime_of(raw.name),
        "description": "raw data, not contained in this crate",
    }
    if raw.sha256 is None:
        return crate.add(_rocrate().ContextEntity(crate, f"#raw/{raw.name}", properties))
    address = named_information(raw.sha256)
    if (known := crate.get(address)) is not None:  # the same bytes under another name
        known.append_to("alternateName", raw.name)
        return known
    properties["sha256"] = raw.sha256
    entity = crate.add(_rocrate().ContextEntity(crate, address, properties))
    crate.root_dataset.append_to("hasPart", entity)
    return entity


def named_information(sha256: str) -> str:
    """Name of a content by its checksum, RFC 6920: ni:///sha-256;BASE64."""
    code = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{code}"


def _describe_results(crate: Any, published: Publication) -> list[Any]:
    rocrate = _rocrate()
    folder = f"results/{published.name}"
    described = []
    for file in published.files:
        properties = {
            "name": file.name,
            "description": file.role.replace("_", " "),
            "encodingFormat": file.mime,
            "contentSize": str(file.bytes),
            "sha256": file.sha256,
        }
        name = f"{folder}/{file.name}"
        described.append(crate.add(rocrate.File(crate, dest_path=name, properties=properties)))
    text = {"encodingFormat": "application/json", "description": "the record of this result"}
    properties = {"name": "record.json", **text}
    described.append(
        crate.add(rocrate.File(crate, dest_path=f"{folder}/record.json", properties=properties))
    )
    properties = {
        "name": REPROCESS,
        "encodingFormat": "application/yaml",
        "description": "configuration to reduce the run again",
    }
    crate.add(rocrate.File(crate, dest_path=REPROCESS, properties=properties))
    return described


def _describe_step(crate: Any, number: int, step: dict[str, Any], workflow: Any) -> Any:
    tool = crate.get(f"scripts/{step['rule']}.py") or workflow
    jobs = f"{step['jobs']} jobs" if step["jobs"] != 1 else "1 job"
    host = f", {step['host_kind']}" if step["host_kind"] else ""
    return crate.add_action(
        tool,
        identifier=f"#step-{number + 1}-{step['rule']}",
        properties={
            "@type": "ActivateAction",  # which of the results are its own, the record does not say
            "name": f"rule {step['rule']}",
            "description": f"{jobs}{host}",
            **_times([step["started"]], [step["finished"]]),
        },
    )


def _times(started: list[str | None], finished: list[str | None]) -> dict[str, str]:
    """Start and end of an action, as far as known."""
    found = {}
    if begun := [_iso(time) for time in started if time]:
        found["startTime"] = min(begun, key=datetime.fromisoformat)
    if ended := [_iso(time) for time in finished if time]:
        found["endTime"] = max(ended, key=datetime.fromisoformat)
    return found


def _iso(time: str) -> str:
    """A time with its offset in figures: the profiles' validator takes no Z."""
    return datetime.fromisoformat(time).isoformat()


def _rocrate() -> Any:
    """What is used of the package rocrate, which the workflow itself does not need."""
    from types import SimpleNamespace

    try:
        from rocrate.model.contextentity import ContextEntity
        from rocrate.model.dataset import Dataset
        from rocrate.model.file import File
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise UserError(
            f"the package rocrate is not installed ({error})",
            "publishing an RO-Crate",
            "pip install 'rocrate>=0.16'",
        ) from None
    return SimpleNamespace(ROCrate=ROCrate, ContextEntity=ContextEntity, Dataset=Dataset, File=File)
