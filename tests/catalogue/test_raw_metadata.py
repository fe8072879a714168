"""Metadata of raw files: flat, limited, nothing lost silently."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.catalogue.raw_metadata import (
    DEEPEST,
    LONGEST_NAME,
    LONGEST_TEXT,
    MOST_ENTRIES,
    flat_metadata,
)
from scatterflow.catalogue.record_file import check_record

from .example_records import example_record


def flat(metadata: dict, units: dict | None = None) -> tuple[dict, list[str]]:
    notes: list[str] = []
    return flat_metadata(metadata, units or {}, notes), notes


def test_nested_and_path_names_become_dotted() -> None:
    found, notes = flat(
        {
            "motors": {"samx": 1.5, "deep": {"er": 2}},
            "/entry/title": "x",
            "list": [1, 2],
            "none": None,
        },
        {"/entry/title": ""},
    )
    assert found == {
        "motors.samx": {"value": 1.5, "unit": None},
        "motors.deep.er": {"value": 2, "unit": None},
        "entry.title": {"value": "x", "unit": None},
        "none": {"value": None, "unit": None},
    }
    assert notes == []


def test_units_are_kept() -> None:
    found, _ = flat({"/entry/energy": 8.0}, {"/entry/energy": "keV"})
    assert found["entry.energy"] == {"value": 8.0, "unit": "keV"}


def test_null_stays_null_and_what_is_not_finite_becomes_null_with_a_note() -> None:
    found, notes = flat(
        {"a": math.nan, "b": -math.inf, "c": 1e308, "d": None, "e": 0.0, "f": False}
    )
    assert [item["value"] for item in found.values()] == [None, None, 1e308, None, 0.0, False]
    assert notes == ["metadata not finite, unknown here: a, b"]


# Attack 19: huge metadata.
def test_number_depth_and_length_are_limited_and_noted() -> None:
    deep: dict = {"end": 1}
    for _ in range(10_000):
        deep = {"x": deep}
    found, notes = flat({"deep": deep, "long": "y" * 5000, **{f"n{i}": i for i in range(3000)}})
    assert len(found) == MOST_ENTRIES
    assert found["long"]["value"] == "y" * (LONGEST_TEXT - 3) + "..."
    assert len(notes) == 3
    assert notes[0].startswith(f"metadata deeper than {DEEPEST} levels, left out: deep.x")
    assert notes[2].endswith("(1001 in all)")


def test_two_names_that_become_one_do_not_overwrite_each_other() -> None:
    found, notes = flat({"a": {"b": 1}, "a.b": 2})
    assert found == {"a.b": {"value": 1, "unit": None}}
    assert notes == ["metadata of a name that stands twice, left out: a.b"]


def test_large_whole_numbers_are_kept_as_text() -> None:
    found, notes = flat({"id": 2**80, "small": -(2**62)})
    assert found["id"]["value"] == hex(2**80)
    assert found["small"]["value"] == -(2**62)
    assert len(notes) == 1


# Attack 23: control characters in names and texts.
def test_control_characters_do_not_reach_records() -> None:
    found, _ = flat({"a\x1b[31m\n": "x\x00y\ud800z\n\t", "b": 1}, {"b": "\x07m"})
    assert all(name.isprintable() or "\n" in name for name in found)
    assert found["b"]["unit"] == "\ufffdm"
    (text,) = [item["value"] for item in found.values() if isinstance(item["value"], str)]
    assert text == "x\ufffdy\ufffdz\n\t"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=30,
)


@given(st.dictionaries(st.text(max_size=400), VALUES, max_size=10))
@settings(max_examples=50, deadline=None)
def test_any_metadata_make_a_valid_record(metadata) -> None:
    found, notes = flat(metadata)
    assert all(len(name) <= LONGEST_NAME for name in found)
    record = example_record(notes=notes)
    record["metadata"]["raw"] = found
    check_record(record, "record")
