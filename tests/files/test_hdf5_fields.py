"""Dataclasses in HDF5: what is written comes back, in its type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import pytest

from scatterflow.files.hdf5_fields import read_fields, write_fields


@dataclass
class Held:
    value: Any


@pytest.mark.parametrize(
    "value",
    [
        3,
        2.5,
        True,
        "text",
        "",
        None,
        (),
        ("q", "phi"),
        (0.5, 1),
        {"a": [1, None, {"b": "c"}]},
        [[0, 5], [5, 9]],
    ],
    ids=repr,
)
def test_single_values_come_back(tmp_path, value):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        write_fields(file, Held(value))
        found = read_fields(file, Held).value
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.uint32, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (0,), (200, 300)])
def test_arrays_come_back_bit_for_bit(tmp_path, dtype, shape):
    values = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        write_fields(file, Held(values), units={"value": "s"})
        found = read_fields(file, Held).value
        assert file["value"].attrs["units"] == "s"
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


def test_texts_come_back_as_an_array(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        write_fields(file, Held(np.array(["a", "bc"])))
        found = read_fields(file, Held).value
    assert found.tolist() == ["a", "bc"]


def test_a_linked_field_is_the_same_dataset(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["elsewhere"] = np.arange(4)
        write_fields(
            file.create_group("g"), Held(np.arange(4)), linked={"value": file["elsewhere"]}
        )
        assert file["g/value"] == file["elsewhere"]
