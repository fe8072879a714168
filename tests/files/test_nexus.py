"""NeXus groups, read back with h5py alone."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from scatterflow.files.nexus import (
    add_fields,
    add_group,
    add_note,
    add_parameters,
    add_process,
    read_note,
)

SOFTWARE = {"scatterflow": "1.2.3", "commit": None}


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "x.nxs", "w") as file:
        yield file


def test_a_group_has_its_class_and_attributes(file):
    group = add_group(file, "entry", "NXentry", default="data")
    assert dict(group.attrs) == {"NX_class": "NXentry", "default": "data"}


def test_fields_have_units_and_unknown_values_are_left_out(file):
    add_fields(
        file,
        {
            "distance": (0.5, "m"),
            "mode": (3, ""),
            "title": "t",
            "unknown": None,
            "unknown_too": (None, "mm"),
            "counts": (np.arange(3), "counts"),
        },
    )
    assert sorted(file) == ["counts", "distance", "mode", "title"]
    assert file["distance"].attrs["units"] == "m"
    assert file["mode"].attrs["units"] == ""
    assert "units" not in file["title"].attrs
    assert file["title"].asstr()[()] == "t"


@pytest.mark.parametrize(
    "value", [{"b": [1, 2.5, None, "Å"], "a": {}}, [], "text", {"mask": {"uid": "x"}}, None, 3]
)
def test_a_note_survives(file, value):
    note = add_note(file, "note", value, "what it is")
    assert read_note(file["note"]) == value
    assert note.attrs["NX_class"] == "NXnote"
    assert note["type"].asstr()[()] == "application/json"
    assert note["data"].dtype == np.uint8
    assert json.loads(bytes(note["data"][()])) == value


def test_a_note_holds_no_nan(file):
    add_note(file, "note", {"x": float("nan")}, "")
    assert read_note(file["note"]) == {"x": None}


@pytest.mark.parametrize(
    ("commit", "version"),
    [
        (None, "1.2.3"),
        ("0123456789abcdef0123", "1.2.3+0123456789ab"),
        ("0123456789abcdef0123-modified", "1.2.3+0123456789ab-modified"),
    ],
)
def test_a_process_says_which_code_ran(file, commit, version):
    process = add_process(
        file,
        "integration",
        2,
        {"scatterflow": "1.2.3", "commit": commit},
        "2026-01-15T14:00:00+00:00",
        {"bins": 100},
        reference="doi",
    )
    assert process.attrs["NX_class"] == "NXprocess"
    assert process["sequence_index"][()] == 2
    assert process["program"].asstr()[()] == "scatterflow"
    assert process["version"].asstr()[()] == version
    assert process["date"].asstr()[()] == "2026-01-15T14:00:00+00:00"
    assert process["reference"].asstr()[()] == "doi"
    assert process["input"].attrs["NX_class"] == "NXparameters"
    assert process["input/bins"][()] == 100


def test_parameters_are_fields_and_everything_else_json(file):
    add_parameters(
        file,
        "input",
        {
            "bins": 100,
            "factor": 0.99,
            "unit": "q_nm^-1",
            "solid_angle": True,
            "range": None,
            "limits": (1.0, 2.0),
            "monitor": {"b": 1, "a": None},
            "count": np.uint16(3),
        },
    )
    group = file["input"]
    assert group["bins"][()] == 100
    assert group["factor"][()] == 0.99
    assert group["unit"].asstr()[()] == "q_nm^-1"
    assert group["solid_angle"].dtype == bool
    assert group["solid_angle"][()]
    assert group["range"].asstr()[()] == "none"
    assert json.loads(group["limits"].asstr()[()]) == [1.0, 2.0]
    assert group["monitor"].asstr()[()] == '{"a": null, "b": 1}'
    assert group["count"].dtype == np.uint16
