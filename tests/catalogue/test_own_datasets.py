"""Attacks 6 and 15: result files that show other files' bytes, or declare more than memory holds."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from scatterflow.catalogue.own_datasets import note, number, own, text, values
from scatterflow.errors import UserError
from scatterflow.files.nexus import add_note


@pytest.fixture
def other(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["group/x"] = np.arange(5)
    return path


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "result.nxs", "w") as opened:
        yield opened


def test_own_values_are_read(file) -> None:
    file["entry/a"] = np.arange(3)
    file["entry/soft"] = h5py.SoftLink("/entry/a")
    file["entry/relative"] = h5py.SoftLink("a")
    file["entry/title"] = "Größe"
    file["entry/energy"] = 8.0
    for name in ("a", "soft", "relative"):
        assert values(file, f"/entry/{name}").tolist() == [0, 1, 2]
    assert text(file, "/entry/title") == "Größe"
    assert number(file, "/entry/energy") == 8.0
    assert number(file, "/entry/a") is None
    assert values(file, "/entry/none") is None
    assert values(file, "/entry/a/deeper") is None
    assert values(file, "/entry") is None


def test_notes_are_read(file) -> None:
    add_note(file.create_group("entry/provenance"), "masks", {"a": [1, None]}, "")
    assert note(file, "masks") == {"a": [1, None]}
    assert note(file, "none") is None
    file["entry/provenance/bad/data"] = np.frombuffer(b"[" * 9999, np.uint8)
    with pytest.raises(UserError, match="no JSON"):
        note(file, "bad")


def test_a_link_to_another_file_is_refused(file, other) -> None:
    file["entry/x"] = h5py.ExternalLink(str(other), "/group/x")
    file["entry/group"] = h5py.ExternalLink(str(other), "/group")
    file["entry/around"] = h5py.SoftLink("/entry/group/x")
    assert file["entry/x"].shape == (5,)  # h5py follows it
    for path in ("/entry/x", "/entry/group/x", "/entry/around", "/entry/group/none"):
        with pytest.raises(UserError, match="leads out of the file"):
            values(file, path)


def test_a_link_to_a_file_that_is_not_there_is_refused_without_looking(file) -> None:
    file["entry"] = h5py.ExternalLink("/none/none.h5", "/")
    with pytest.raises(UserError, match="leads out of the file"):
        own(file, "/entry/title")


def test_external_storage_is_refused(file, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"root:x:0:0")
    file.create_dataset("entry/x", (10,), "u1", external=[(str(secret), 0, 10)])
    assert file["entry/x"][()].tobytes() == b"root:x:0:0"  # h5py reads it
    with pytest.raises(UserError, match="another file"):
        values(file, "/entry/x")


def test_a_virtual_dataset_is_refused(file, other) -> None:
    layout = h5py.VirtualLayout((5,), "i8")
    layout[:] = h5py.VirtualSource(str(other), "group/x", (5,))
    file.create_virtual_dataset("entry/x", layout)
    with pytest.raises(UserError, match="another file"):
        values(file, "/entry/x")


def test_a_bomb_is_not_read(file) -> None:
    file.create_dataset("entry/x", (10**12,), "u1", chunks=(10**6,), compression="gzip")
    with pytest.raises(UserError, match="declares more than"):
        values(file, "/entry/x")


def test_links_in_a_circle_end(file) -> None:
    file["entry/a"] = h5py.SoftLink("/entry/b")
    file["entry/b"] = h5py.SoftLink("/entry/a")
    with pytest.raises(UserError, match="circles"):
        values(file, "/entry/a")
