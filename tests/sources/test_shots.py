"""Alignment by tag, against dictionaries; opening of sources."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.shot_runs import opened

from scatterflow.errors import UserError
from scatterflow.sources.shot_scalars import at_rows
from scatterflow.sources.shots import (
    ABSENT,
    aligned_rows,
    as_tags,
    contiguous_spans,
    lcls_times,
    missing_tags,
    ordered_tags,
)

TAGS = st.lists(st.integers(0, 30), max_size=40)


@given(stored=TAGS, shots=TAGS)
@settings(max_examples=60, deadline=None)
def test_rows_are_those_of_the_tags(stored, shots):
    first = {}
    for row, tag in enumerate(stored):
        first.setdefault(tag, row)
    tags = np.unique(np.array(shots, np.int64))
    rows, notes = aligned_rows(tags, np.array(stored, np.int64), "images")
    assert rows.tolist() == [first.get(tag, ABSENT) for tag in tags.tolist()]
    assert any("more than once" in note for note in notes) == (len(first) < len(stored))
    assert any("belong to no shot" in note for note in notes) == bool(set(stored) - set(shots))


@given(stored=TAGS)
@settings(max_examples=40, deadline=None)
def test_tags_are_sorted_and_unique(stored):
    tags, rows, notes = ordered_tags(np.array(stored, np.int64), "tags")
    assert tags.tolist() == sorted(set(stored))
    assert [stored[row] for row in rows] == tags.tolist()
    assert rows.tolist() == [stored.index(tag) for tag in tags.tolist()]
    increasing = list(dict.fromkeys(stored)) == sorted(set(stored))
    assert any("not in order" in note for note in notes) == (not increasing)


@given(rows=st.lists(st.integers(-1, 5), max_size=20))
@settings(max_examples=40, deadline=None)
def test_spans_cover_every_row_once(rows):
    rows = np.array(rows, np.int64)
    covered = []
    for start, stop in contiguous_spans(rows):
        assert stop > start
        assert rows[start:stop].tolist() == list(range(rows[start], rows[start] + stop - start))
        covered += range(start, stop)
    assert covered == np.flatnonzero(rows != ABSENT).tolist()


def test_neighbouring_timestamps_of_64_bits_stay_apart():
    # As float64 these three are one number.
    stored = np.array([2**62 + 1, 2**62 + 2, 2**62 + 3], np.uint64)
    tags = np.array([2**62 + 2], np.int64)
    assert aligned_rows(tags, stored, "x")[0].tolist() == [1]
    assert as_tags(stored, "x").dtype == np.uint64


def test_tags_that_are_none():
    for bad in (np.zeros((3, 2)), np.array(["a"]), np.array([1.0, np.nan])):
        with pytest.raises(UserError, match="tags"):
            as_tags(bad, "here")


def test_seconds_become_microseconds():
    assert as_tags(np.array([1768489200.123456, 0.5]), "x").tolist() == [1768489200123456, 500000]


def test_gaps_are_told():
    assert missing_tags(np.array([2, 4, 6, 12, 14]), "tags") == [
        "tags: 2 missing (step 2) in 1 gaps: 6..12"
    ]
    assert missing_tags(np.array([2, 4, 6, 8]), "tags") == []


def test_integers_become_floats_only_where_shots_lack_them():
    few, rows = np.array([3, 7], np.int32), np.array([1, 0])
    assert at_rows(few, rows, False, "x").dtype == np.int32
    # A chunk in which every shot has it is no other than the rest of the run.
    assert at_rows(few, rows, True, "x").dtype == np.float64
    np.testing.assert_array_equal(at_rows(few, np.array([1, ABSENT]), True, "x"), [7, np.nan])
    assert at_rows(few.astype(np.float32), rows, True, "x").dtype == np.float32
    with pytest.raises(UserError, match=r"beyond 2\^53"):
        at_rows(np.array([2**60 + 1]), np.array([0]), True, "x")


def test_lcls_times():
    tag = (1768489200 << 32) | 123456789
    assert str(lcls_times(np.array([tag]))[0]) == "2026-01-15T15:00:00.123456789"


def test_unknown_format(tmp_path):
    with pytest.raises(UserError, match="unknown format 'sacle'") as caught:
        opened(tmp_path, "a.h5", "sacle")
    assert caught.value.how == "did you mean 'sacla'?"
