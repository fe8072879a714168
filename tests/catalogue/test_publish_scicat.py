"""Results to SciCat by scitacean's own offline client, with its real file transfer by copying."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scatterflow.catalogue import publish_scicat
from scatterflow.config.publication_targets import ScicatTarget
from scatterflow.errors import UserError

from .published import SECRET, described_again, good_record, published

pytest.importorskip("scitacean", reason="scitacean is not installed")
from scitacean import PID, ScicatCommError
from scitacean.testing.client import FakeClient

ADDRESS = "https://scicat.example.org/api/v3"
RAW = "20.500.12269/raw-1"


def target(source_folder: str | Path = "/data/results", transfer: str = "none") -> dict[str, Any]:
    return ScicatTarget(
        address=ADDRESS,
        owner="Marie Curie",
        owner_group="p-1000",
        access_groups=["b2"],
        contact_email="curie@example.org",
        source_folder=str(source_folder),
        transfer=transfer,
    ).model_dump()


def offline(settings: dict[str, Any], **options: Any) -> FakeClient:
    transfer = publish_scicat.file_transfer(settings)
    client = FakeClient.from_token(url=ADDRESS, token=SECRET, file_transfer=transfer)
    client.disabled.update(options)
    return client


def record_with_inputs(**changed: Any) -> dict[str, Any]:
    record = good_record(**changed)
    record["metadata"]["run_table"]["scicat_pid"] = f"{RAW}, 20.500.12269/raw-2"
    return record


def only(client: FakeClient) -> Any:
    ((pid, dataset),) = client.datasets.items()
    assert dataset.pid == pid
    return dataset


def test_a_derived_dataset_says_what_the_record_says(tmp_path):
    result, settings = published(tmp_path, record_with_inputs()), target()
    client = offline(settings)
    said = publish_scicat.publish(client, result, settings)
    dataset = only(client)
    assert said == f"uploaded {dataset.pid}"
    assert (dataset.type, dataset.datasetName) == ("derived", "Dynamics of lysozyme: run_0001")
    assert (dataset.owner, dataset.ownerGroup) == ("Marie Curie", "p-1000")
    assert dataset.accessGroups == ["b2"]
    assert dataset.principalInvestigators == ["Max von Laue"]
    assert dataset.proposalIds == ["P-1000"]
    assert dataset.license == "CC-BY-4.0"
    assert dataset.creationTime == datetime.fromisoformat("2025-03-02T13:20:00+00:00")
    assert [str(pid) for pid in dataset.inputDatasets] == [RAW, "20.500.12269/raw-2"]
    technique = result.record["technique"]
    assert [(t.name, t.pid) for t in dataset.techniques] == [
        (technique["label"], technique["term"])
    ]
    assert dataset.usedSoftware[0].startswith("scatterflow 0.1.0")
    metadata = dataset.scientificMetadata
    assert metadata["energy"] == {"value": 9.0, "unit": "keV"}
    assert metadata["masks"] == result.record["masks"]
    assert metadata["quality"] == {"verdict": "pass", "warned": []}
    assert metadata["raw"]["instrument.temperature"] == {"value": 294.15, "unit": "K"}


def test_files_are_named_with_size_and_checksum_where_they_are(tmp_path):
    result, settings = published(tmp_path), target()
    client = offline(settings)
    publish_scicat.publish(client, result, settings)
    dataset = only(client)
    assert dataset.sourceFolder.posix == "/data/results/run_0001/dynamics"
    (block,) = client.orig_datablocks[dataset.pid]
    assert block.chkAlg == "sha256"
    found = {file.path: (file.size, file.chk) for file in block.dataFileList}
    assert found == {
        path.relative_to(result.folder).as_posix(): (
            path.stat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in result.folder.rglob("*")
        if path.is_file() and path.name not in ("record.json", "publications.json")
    }
    (attachment,) = client.attachments[dataset.pid]
    picture = (result.folder / "thumbnail.png").read_bytes()
    assert attachment.thumbnail.decoded_data() == picture


def test_files_are_copied_to_the_file_server(tmp_path):
    result = published(tmp_path)
    settings = target(tmp_path / "server", "copy")
    client = offline(settings)
    publish_scicat.publish(client, result, settings)
    server = tmp_path / f"server/run_0001/dynamics/{result.digest[:12]}"
    assert only(client).sourceFolder.posix == str(server)
    for file in result.files:
        assert (server / file.name).read_bytes() == file.path.read_bytes()
    (block,) = client.orig_datablocks[only(client).pid]
    assert {file.path: file.chk for file in block.dataFileList} == {
        file.name: file.sha256 for file in result.files
    }


def test_the_same_record_is_not_uploaded_twice(tmp_path):
    result, settings = published(tmp_path), target()
    client = offline(settings)
    publish_scicat.publish(client, result, settings)
    pid = only(client).pid
    assert publish_scicat.publish(client, result, settings) == f"unchanged {pid}"
    assert only(client).pid == pid


@pytest.mark.parametrize("transfer", ["none", "copy"])
def test_a_changed_record_becomes_a_new_dataset_that_names_the_old(tmp_path, transfer):
    result, settings = published(tmp_path), target(tmp_path / "server", transfer)
    client = offline(settings)
    publish_scicat.publish(client, result, settings)
    old = only(client).pid
    changed = described_again(tmp_path, {**result.record, "sample": "another"})
    assert publish_scicat.publish(client, changed, settings).endswith(f"replaces {old}")
    (new,) = set(client.datasets) - {old}
    assert client.datasets[new].scientificMetadata["replaces"] == str(old)
    assert "replaces" not in client.datasets[old].scientificMetadata
    assert publish_scicat.publish(client, changed, settings) == f"unchanged {new}"


def test_another_server_gets_a_dataset_of_its_own(tmp_path):
    result, settings = published(tmp_path), target()
    publish_scicat.publish(offline(settings), result, settings)
    other = {**settings, "address": "https://other.example.org/api/v3"}
    client = offline(other)
    assert "replaces" not in publish_scicat.publish(client, result, other)
    assert len(client.datasets) == 1


def test_what_is_unknown_is_left_out(tmp_path):
    record = good_record(2, sample=None, energy=None, exposure_time=None, q_range=None)
    record["experiment"] |= {"proposal": None, "cycle": None}
    record["times"] |= {"run_start": None, "run_end": None, "reduced": None}
    result, settings = published(tmp_path, record), target()
    client = offline(settings)
    publish_scicat.publish(client, result, settings)
    dataset = only(client)
    unknown = {"sample", "energy", "exposure_time", "q_range", "cycle", "run_start", "qmap"}
    assert not unknown & set(dataset.scientificMetadata)
    assert "instrument.current" not in dataset.scientificMetadata["raw"]
    assert not dataset.proposalIds
    assert not dataset.techniques
    assert not dataset.inputDatasets
    assert dataset.creationTime == datetime.fromisoformat(record["times"]["described"])
    assert dataset.creationTime.astimezone(UTC).isoformat() == "2025-03-03T18:25:00+00:00"


def test_a_server_that_refuses_is_told_in_a_line_and_nothing_is_left(tmp_path):
    result = published(tmp_path)
    settings = target(tmp_path / "server", "copy")
    client = offline(settings, create_dataset_model=ScicatCommError("no permission\nfor p-1000"))
    with pytest.raises(UserError, match="no permission for p-1000") as caught:
        publish_scicat.publish(client, result, settings)
    assert SECRET not in str(caught.value)
    assert not [path for path in (tmp_path / "server").rglob("*") if path.is_file()]
    assert not (result.folder / "publications.json").exists()
    assert publish_scicat.publish(offline(settings), result, settings).startswith("uploaded")


def test_a_server_that_does_not_answer_is_told_in_a_line(tmp_path, monkeypatch):
    """The real client, a port where nobody listens."""
    monkeypatch.setenv(publish_scicat.TOKEN, SECRET)
    settings = {**target(), "address": "http://127.0.0.1:9/api/v3"}
    with pytest.raises(UserError, match="SciCat") as caught:
        publish_scicat.publish(publish_scicat.connect(settings), published(tmp_path), settings)
    assert SECRET not in str(caught.value)


def test_the_token_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv(publish_scicat.TOKEN, raising=False)
    with pytest.raises(UserError, match="token") as caught:
        publish_scicat.connect(target())
    assert publish_scicat.TOKEN in caught.value.where
    assert "token" not in ScicatTarget.model_fields


def test_the_receipt_holds_no_token(tmp_path):
    result, settings = published(tmp_path), target()
    publish_scicat.publish(offline(settings), result, settings)
    (entry,) = json.loads((result.folder / "publications.json").read_text()).values()
    assert set(entry) == {"address", "pid", "digest", "time"}
    assert PID.parse(entry["pid"])
