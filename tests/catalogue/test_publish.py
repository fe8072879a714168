"""What may be published: the quality gate, and files that are those of the record."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.catalogue.publish import (
    publication,
    receipt,
    refuse_failed,
    result_names,
    write_receipt,
)
from scatterflow.catalogue.record_file import write_record
from scatterflow.errors import UserError

from .example_records import write_result, write_results
from .published import described_again, good_record, published


def test_every_result_with_a_record_is_listed(tmp_path):
    records = write_results(tmp_path, 3)
    (tmp_path / "run_0000" / "unfinished").mkdir()
    (tmp_path / "catalogue").mkdir()
    assert result_names(tmp_path) == sorted(record["id"] for record in records)


def test_a_result_that_passed_or_warns_may_be_published(tmp_path):
    for number in (0, 3):
        record = good_record(number)
        files = write_result(tmp_path, record)["files"]
        found = publication(tmp_path, record["id"])
        assert [(f.name, f.bytes, f.sha256, f.mime, f.role) for f in found.files] == [
            (f["path"], f["bytes"], f["sha256"], f["mime"], f["role"]) for f in files
        ]
        assert all(file.path == found.folder / file.name for file in found.files)


def test_a_result_that_failed_is_refused_with_the_check_and_where_to_look(tmp_path):
    record = write_result(tmp_path, good_record(4))
    with pytest.raises(UserError, match="photons_per_bin") as caught:
        publication(tmp_path, record["id"])
    assert caught.value.where == str(tmp_path / record["id"] / "quality.json")


@pytest.mark.parametrize(("stopped_by", "refused"), [([], False), (["structure"], True)])
def test_the_configuration_may_say_which_checks_stop_publication(tmp_path, stopped_by, refused):
    record = write_result(tmp_path, good_record(4))
    folder = tmp_path / record["id"]
    quality = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
    (folder / "quality.json").write_text(json.dumps({**quality, "stopped_by": stopped_by}))
    if refused:
        with pytest.raises(UserError, match="structure"):
            refuse_failed(record, folder)
    else:
        refuse_failed(record, folder)


@pytest.mark.parametrize(
    "name", ["../x/y", "run/../../x", "/etc/passwd", "run", "a/b/c", "a/.b", "-a/b", ""]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    write_results(tmp_path / "results", 1)
    with pytest.raises(UserError):
        publication(tmp_path / "results", name)


# --- files that are not those of the record -------------------------------------------------------


@pytest.fixture
def result(tmp_path) -> Path:
    """Folder of a result that may be published."""
    published(tmp_path)
    return tmp_path / "results" / "run_0001" / "dynamics"


def refusal(result: Path) -> str:
    with pytest.raises(UserError) as caught:
        publication(result.parents[1], "run_0001/dynamics")
    return str(caught.value)


def test_a_changed_file_of_the_same_size_and_time_is_refused(result):
    path = result / "result.nxs"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "not the one that its record describes" in refusal(result)


def test_a_missing_file_is_refused(result):
    (result / "thumbnail.png").unlink()
    assert "does not exist" in refusal(result)


def test_links_are_refused_even_to_the_same_bytes(result, tmp_path):
    elsewhere = tmp_path / "elsewhere.png"
    (result / "thumbnail.png").rename(elsewhere)
    (result / "thumbnail.png").symlink_to(elsewhere)
    assert "link" in refusal(result)


def test_a_folder_that_is_a_link_out_of_the_results_is_refused(result, tmp_path):
    (result / "plots").rename(tmp_path / "plots")
    (result / "plots").symlink_to(tmp_path / "plots")
    assert "outside of the results" in refusal(result)


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(result):
    (result / "thumbnail.png").unlink()
    os.mkfifo(result / "thumbnail.png")
    refusal(result)


@pytest.mark.parametrize(
    "kind", ["external link", "external storage", "virtual dataset", "in a group"]
)
def test_hdf5_files_that_take_data_from_others_are_refused(result, tmp_path, kind):
    other = tmp_path / "private.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.arange(10, dtype="u1")
    with h5py.File(result / "result.nxs", "a") as file:
        if kind == "external link":
            file["entry/out"] = h5py.ExternalLink(str(other), "/x")
        elif kind == "external storage":
            file.create_dataset("entry/out", (10,), "u1", external=[(str(other), 0, 10)])
        elif kind == "virtual dataset":
            layout = h5py.VirtualLayout((10,), "u1")
            layout[:] = h5py.VirtualSource(str(other), "x", (10,))
            file.create_virtual_dataset("entry/out", layout)
        else:
            file["entry/circle"] = file["entry"]  # hard link upwards: must not be followed for ever
            file["entry/deep/er"] = h5py.ExternalLink(str(other), "/x")
    record = publication_record(result)
    with pytest.raises(UserError, match="takes data from another file"):
        described_again(tmp_path, record)


def test_links_inside_a_file_are_no_fault(result, tmp_path):
    with h5py.File(result / "result.nxs", "a") as file:
        file["entry/circle"] = file["entry"]
        file["entry/soft"] = h5py.SoftLink("/entry/data")
        layout = h5py.VirtualLayout((3, 40), "f8")
        layout[:] = h5py.VirtualSource(".", "entry/data/g2", (3, 40))
        file.create_virtual_dataset("entry/virtual", layout)
    assert described_again(tmp_path, publication_record(result)).files


def publication_record(result: Path) -> dict:
    from scatterflow.catalogue.record_file import read_record

    return read_record(result.parents[1], "run_0001/dynamics")


# --- digest and receipts --------------------------------------------------------------------------


def test_the_digest_knows_all_of_the_record_but_when_it_was_written(tmp_path):
    first = published(tmp_path)
    record = {
        **first.record,
        "times": {**first.record["times"], "described": "2031-01-01T00:00:00Z"},
    }
    write_record(first.folder / "record.json", record)
    assert publication(tmp_path / "results", first.name).digest == first.digest
    write_record(first.folder / "record.json", {**record, "sample": "another"})
    assert publication(tmp_path / "results", first.name).digest != first.digest


def test_receipts_of_several_targets_stand_side_by_side(tmp_path):
    result = published(tmp_path)
    assert receipt(result, "scicat") is None
    write_receipt(result, "scicat", {"pid": "a/1"})
    write_receipt(result, "other", {"pid": "b"})
    assert receipt(result, "scicat") == {"pid": "a/1"}
    assert receipt(result, "other") == {"pid": "b"}
