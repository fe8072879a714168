"""Checksums against hashlib fed by hand."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scatterflow.files.checksums import (
    array_sha256,
    file_sha256,
    mask_sha256,
    rows_sha256,
    value_digest,
)

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_a_file_has_the_known_checksum(tmp_path):
    # FIPS 180-2, appendix B.1.
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    with pytest.raises(FileNotFoundError):
        file_sha256(tmp_path / "missing")


def test_a_file_larger_than_a_buffer_is_hashed_whole(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "large").write_bytes(content)
    assert file_sha256(str(tmp_path / "large")) == hashlib.sha256(content).hexdigest()


def test_an_array_is_hashed_with_dtype_shape_and_little_endian_bytes():
    array = np.array([[1, 2], [3, 4]], dtype=">u2")
    expected = hashlib.sha256(b"<u2(2, 2)" + bytes([1, 0, 2, 0, 3, 0, 4, 0])).hexdigest()
    assert array_sha256(array) == expected
    assert array_sha256(array.astype("<u2")) == expected
    assert array_sha256(np.asfortranarray(array)) == expected
    assert array_sha256(np.repeat(array, 2, axis=1)[:, ::2]) == expected
    assert array_sha256(array.T.copy().T) == expected


def test_arrays_that_differ_in_anything_differ():
    base = np.arange(6, dtype=np.int32)
    others = [
        base.reshape(2, 3),
        base.reshape(3, 2),
        base.astype(np.uint32),
        base.astype(np.int64),
        base.view(np.float32),
        base[::-1],
        base[:0],
        base[:0].reshape(0, 2),
        np.array(0, dtype=np.int32),
        np.array([0], dtype=np.int32),
    ]
    digests = {array_sha256(array) for array in [base, *others]}
    assert len(digests) == len(others) + 1


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "å"]),
        np.array([b"a", b"b"]),
        np.array(["2026-01-01"], dtype="M8[s]"),
        np.array([1 + 2j]),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array([True, False]),
        np.float16([1.5, np.nan, np.inf]),
        np.zeros((0, 3)),
    ],
)
def test_any_array_of_values_has_a_checksum(array):
    again = np.frombuffer(array.tobytes(), dtype=array.dtype).reshape(array.shape)
    assert array_sha256(array) == array_sha256(again)
    assert len(array_sha256(array)) == 64


def test_an_array_of_objects_has_none():
    # It would hash addresses, which differ in every process.
    with pytest.raises(TypeError, match="object"):
        array_sha256(np.array([{}, None], dtype=object))


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.int16, arrays.array_shapes(max_dims=3, max_side=5)))
def test_one_changed_element_changes_the_checksum(array):
    changed = array.copy()
    changed.flat[array.size // 2] ^= 1
    assert array_sha256(array) == array_sha256(array.copy())
    assert array_sha256(array) != array_sha256(changed)


def test_a_mask_is_hashed_by_shape_and_packed_bits():
    good = np.array([[True, False, True], [True, True, True]])
    bits = bytes([0b10111100])
    assert mask_sha256(good) == hashlib.sha256(b"good(2, 3)" + bits).hexdigest()
    assert mask_sha256(good) == mask_sha256(good.astype(np.uint8) * 7)
    assert mask_sha256(good) != mask_sha256(~good)
    assert mask_sha256(good) != mask_sha256(good.T)
    assert mask_sha256(good) != mask_sha256(good.reshape(3, 2))


def test_equal_values_have_equal_digests_whatever_their_order_and_kind():
    value = {"b": [1, 2.5, None], "a": {"y": "x", "x": True}}
    same = {"a": {"x": np.bool_(True), "y": "x"}, "b": (np.int64(1), np.float64(2.5), None)}
    assert value_digest(value) == value_digest(same)
    compact = b'{"a": {"x": true, "y": "x"}, "b": [1, 2.5, null]}'
    assert value_digest(value) == hashlib.sha256(compact).hexdigest()[:12]
    assert value_digest(value, 20) == hashlib.sha256(compact).hexdigest()[:20]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {"a": 0}),
        ({"a": None}, {}),
        ([1, 2], [2, 1]),
        ("", None),
        ([[], []], [[[]]]),
        (0.1, 0.1 + 2e-17),
    ],
)
def test_different_values_have_different_digests(one, other):
    assert value_digest(one) != value_digest(other)


def test_digests_are_the_same_in_every_process():
    code = "from scatterflow.files.checksums import value_digest as d; print(d({'s': set('scatterflow')}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(found) == 1


@given(st.dictionaries(st.text(max_size=4), st.integers() | st.floats() | st.text(max_size=4)))
def test_the_order_of_keys_never_matters(value):
    assert value_digest(value) == value_digest(dict(reversed(value.items())))


@pytest.mark.parametrize("dtype", ["float64", "uint32", "bool"])
@pytest.mark.parametrize(("start", "stop"), [(0, 7), (2, 5), (6, 7), (3, 3)])
def test_rows_have_the_checksum_of_their_array(tmp_path, dtype, start, stop):
    import zarr

    values = (np.arange(7 * 3 * 2).reshape(7, 3, 2) % 5).astype(dtype)
    array = zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(2, 3, 2))
    assert rows_sha256(array, start, stop) == array_sha256(values[start:stop])
