"""JSON: only what every reader can read, and unreadable files as one message."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.files.json import plain, read_json, to_json, write_json


def test_numbers_that_are_none_become_null():
    value = {"a": float("nan"), "b": [np.inf, -np.inf, 1.0], "c": np.array([np.nan, 2.0])}
    assert json.loads(to_json(value)) == {"a": None, "b": [None, None, 1.0], "c": [None, 2.0]}
    assert json.loads(to_json(np.float32("nan"))) is None


def test_numpy_and_paths_become_plain():
    value = {
        "int": np.uint64(2**64 - 1),
        "float": np.float32(0.5),
        "bool": np.bool_(True),
        "text": np.str_("å"),
        "array": np.arange(4, dtype=np.uint8).reshape(2, 2),
        "zero_d": np.array(3),
        "empty": np.zeros((0, 2)),
        "path": Path("a/b"),
        "tuple": (1, 2),
        "set": {"b", "a"},
        3: "key",
    }
    found = plain(value)
    assert found == {
        "int": 2**64 - 1,
        "float": 0.5,
        "bool": True,
        "text": "å",
        "array": [[0, 1], [2, 3]],
        "zero_d": 3,
        "empty": [],
        "path": "a/b",
        "tuple": [1, 2],
        "set": ["a", "b"],
        "3": "key",
    }
    assert type(found["bool"]) is bool
    assert type(found["int"]) is int


def test_keys_are_sorted_so_that_equal_values_give_equal_text():
    assert (
        to_json({"b": 1, "a": {"d": 1, "c": 2}}, indent=None) == '{"a": {"c": 2, "d": 1}, "b": 1}'
    )


def test_two_keys_that_are_one_as_text_are_a_mistake():
    with pytest.raises(ValueError, match="same as text"):
        to_json({1: "a", "1": "b"})


@pytest.mark.parametrize("value", [b"bytes", 1 + 2j, object(), {"a": np.datetime64("2026-01-01")}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(TypeError):
        to_json(value)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_values_survive_a_file(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"a": 1',
        b"{'a': 1}",
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b'"\xff"',
        b"[1] [2]",
        b"\x00" * 20,
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_a_broken_file_is_one_message(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a readable JSON file") as caught:
        read_json(path)
    assert caught.value.where == str(path)
    assert len(str(caught.value)) < 500


def test_a_missing_file_keeps_its_name_for_the_bridge(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        read_json(tmp_path / "x.json")
    assert caught.value.filename == str(tmp_path / "x.json")
