"""Results in SciCat: derived datasets with files, metadata, techniques and the raw datasets behind them.

By scitacean (https://scicatproject.github.io/scitacean), SciCat's own client in Python. A dataset in SciCat
is never overwritten: a result whose record has changed becomes a new one, which names the one that it
replaces. The identifier is kept in `publications.json` beside the record: nothing is uploaded twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scatterflow.catalogue.publish import Publication, receipt, write_receipt
from scatterflow.errors import UserError, shortened
from scatterflow.files.provenance import now

TOKEN = "SCICAT_TOKEN"
TARGET = "scicat"


def connect(target: dict[str, Any]) -> Any:
    """scitacean's client of a server; target: `publication.scicat` of the configuration.

    Raises UserError if scitacean is not installed or the environment holds no token.
    """
    scitacean = _scitacean()
    token = os.environ.get(TOKEN)
    if not token:
        raise UserError(
            "SciCat needs a token",
            f"environment variable {TOKEN}",
            "copy it from SciCat's user page",
        )
    with _answering(target["address"]):
        return scitacean.Client.from_token(
            url=target["address"],
            token=token,
            file_transfer=file_transfer(target),
            allow_http=target["address"].startswith("http://"),
        )


def file_transfer(target: dict[str, Any]) -> Any:
    """How files get to where SciCat's users find them; None if they are there."""
    if target["transfer"] == "none":
        return None
    from scitacean.transfer.copy import CopyFileTransfer

    return CopyFileTransfer()


def source_folder(published: Publication, target: dict[str, Any]) -> str:
    """Folder of a dataset's files; copies of a changed result go beside those of older datasets."""
    folder = f"{target['source_folder'].rstrip('/')}/{published.name}"
    return folder if target["transfer"] == "none" else f"{folder}/{published.digest[:12]}"


def publish(client: Any, published: Publication, target: dict[str, Any]) -> str:
    """Upload a result; returns `unchanged PID`, or `uploaded PID` with what it replaces.

    Raises UserError if the server refuses.
    """
    before = receipt(published, TARGET)
    if before is not None and before["address"] != target["address"]:
        before = None  # published to another server
    if before is not None and before["digest"] == published.digest:
        return f"unchanged {before['pid']}"
    replaced = None if before is None else before["pid"]
    with _answering(f"{target['address']}, result {published.name}"):
        if target["transfer"] == "copy":
            # scitacean makes the dataset's folder alone.
            for file in published.files:
                Path(source_folder(published, target), file.name).parent.mkdir(
                    parents=True, exist_ok=True
                )
        uploaded = client.upload_new_dataset_now(dataset(published, target, replaced))
    pid = str(uploaded.pid)
    entry = {"address": target["address"], "pid": pid, "digest": published.digest, "time": now()}
    write_receipt(published, TARGET, entry)
    return f"uploaded {pid}" + (f", replaces {replaced}" if replaced else "")


def dataset(published: Publication, target: dict[str, Any], replaced: str | None = None) -> Any:
    """The derived dataset of a result, as scitacean's object; replaced: identifier of an older one."""
    scitacean = _scitacean()
    record = published.record
    datacite, experiment, times = record["datacite"], record["experiment"], record["times"]
    made = scitacean.Dataset(
        type="derived",
        name=datacite["titles"][0]["title"],
        description=f"{record['technique']['label']}: reduction {record['reduction']}",
        owner=target["owner"],
        owner_group=target["owner_group"],
        access_groups=list(target["access_groups"]),
        contact_email=target["contact_email"],
        principal_investigators=[creator["name"] for creator in datacite["creators"]],
        creation_location=f"{experiment['facility']}:{experiment['beamline']}",
        creation_time=datetime.fromisoformat(times["reduced"] or times["described"]),
        data_format="NeXus",
        input_datasets=_input_datasets(record, target),
        used_software=_software(record),
        techniques=_techniques(record),
        keywords=[subject["subject"] for subject in datacite["subjects"]],
        license=_licence(datacite),
        run_number=record["run"],
        proposal_ids=[experiment["proposal"]] if experiment["proposal"] else None,
        source_folder=source_folder(published, target),
        checksum_algorithm="sha256",
        meta=scientific_metadata(published, replaced),
    )
    made.add_files(*_files(published, target, made.creation_time))
    thumbnail = next((file for file in published.files if file.role == "thumbnail"), None)
    if thumbnail is not None:
        made.attachments = []
        made.add_attachment(thumbnail.path, caption=f"{published.name}: {record['sample'] or ''}")
    return made


def scientific_metadata(published: Publication, replaced: str | None) -> dict[str, Any]:
    """What SciCat searches by, quantities as value and unit; what is unknown is left out."""
    record = published.record
    quality = record["quality"]
    found = {
        "scatterflow_id": published.name,
        "scatterflow_digest": published.digest,
        "reduction": record["reduction"],
        "sample": record["sample"],
        "cycle": record["experiment"]["cycle"],
        "frames": record["frames"],
        "detectors": [detector["name"] for detector in record["detectors"]],
        "energy": record["energy"],
        "exposure_time": record["exposure_time"],
        "q_range": record["q_range"],
        "run_start": record["times"]["run_start"],
        "run_end": record["times"]["run_end"],
        "masks": record["masks"],
        "qmap": record["qmap"],
        "geometry": record["geometry"],
        "quality": {"verdict": quality["verdict"], "warned": quality["warned"]},
        "parameters": record["processing"]["parameters"],
        "configuration_sha256": record["processing"]["configuration_sha256"],
        "run_table": record["metadata"]["run_table"],
        "raw": {
            name: entry
            for name, entry in record["metadata"]["raw"].items()
            if entry["value"] is not None
        },
        "replaces": replaced,
    }
    return {name: value for name, value in found.items() if value is not None}


def _input_datasets(record: dict[str, Any], target: dict[str, Any]) -> list[Any]:
    """Identifiers of the raw datasets, from the run table."""
    text = record["metadata"]["run_table"].get(target["input_column"], "")
    return [_scitacean().PID.parse(pid.strip()) for pid in text.split(",") if pid.strip()]


def _software(record: dict[str, Any]) -> list[str]:
    software = record["processing"]["software"]
    own = f"scatterflow {software.get('scatterflow')} ({software.get('commit') or 'no commit'})"
    packages = (software.get("packages") or {}).items()
    return [own, *(f"{name} {version}" for name, version in packages if version)]


def _techniques(record: dict[str, Any]) -> list[Any]:
    technique = record["technique"]
    if technique["term"] is None:
        return []
    return [_scitacean().model.Technique(name=technique["label"], pid=technique["term"])]


def _licence(datacite: dict[str, Any]) -> str | None:
    rights = datacite.get("rightsList") or [{}]
    found = rights[0].get("rightsIdentifier") or rights[0].get("rights")
    return None if found is None else str(found)


def _files(published: Publication, target: dict[str, Any], time: datetime) -> Iterator[Any]:
    File = _scitacean().File
    for file in published.files:
        if target["transfer"] == "none":
            yield File.from_remote(
                remote_path=file.name,
                size=file.bytes,
                creation_time=time,
                checksum=file.sha256,
                checksum_algorithm="sha256",
            )
        else:
            yield File.from_local(file.path, remote_path=file.name)


@contextmanager
def _answering(place: str) -> Iterator[None]:
    """What SciCat or scitacean refuse is told in a line."""
    from httpx import HTTPError

    try:
        yield
    except (RuntimeError, ValueError, OSError, HTTPError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"SciCat did not take it: {shortened(reason, 300)[1:-1]}",
            place,
            f"check address, {TOKEN} and `publication.scicat`, then try again",
        ) from error


def _scitacean() -> SimpleNamespace:
    """What is used of the package scitacean, which the workflow itself does not need."""
    try:
        from scitacean import PID, Client, Dataset, File, model
    except ImportError as error:
        raise UserError(
            f"the package scitacean is not installed ({error})",
            "publishing to SciCat",
            "pip install 'scitacean>=26.10'",
        ) from None
    return SimpleNamespace(PID=PID, Client=Client, Dataset=Dataset, File=File, model=model)
