"""Lists of events: gathered, made dense, taken from dense frames."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.sources.events import Events, dense_frames, frame_range, gathered, sparse_events

LISTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 11), st.integers(0, 70000)))


def arrays(items):
    return (np.array([item[i] for item in items], np.int64) for i in range(3))


@given(LISTS)
@settings(max_examples=60, deadline=None)
def test_events_are_gathered(items):
    expected: Counter[tuple[int, int]] = Counter()
    for frame, pixel, count in items:
        expected[frame, pixel] += count
    expected = {key: count for key, count in expected.items() if count}
    events = gathered(*arrays(items), 12)
    assert list(zip(events.frame, events.pixel, strict=True)) == sorted(expected)
    assert events.count.tolist() == [expected[key] for key in sorted(expected)]
    assert (events.frame.dtype, events.pixel.dtype, events.count.dtype) == ("i8", "i8", "u4")
    dense = dense_frames(events, 5, (3, 4))
    assert dense.sum() == sum(expected.values())
    again = sparse_events(dense)
    for name in ("frame", "pixel", "count"):
        np.testing.assert_array_equal(getattr(again, name), getattr(events, name))


@given(LISTS, st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_a_range_of_frames(items, start, stop):
    start, stop = sorted((start, stop))
    events = gathered(*arrays(items), 12)
    part = frame_range(events, start, stop)
    dense = dense_frames(events, 5, (3, 4))[start:stop]
    np.testing.assert_array_equal(dense_frames(part, stop - start, (3, 4)), dense)


def test_counts_that_do_not_fit():
    one = np.zeros(2, np.int64)
    with pytest.raises(UserError, match="4294967296"):
        gathered(one, one, np.array([2**32 - 1, 1]), 4)
    events = Events(np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([256], np.uint32))
    with pytest.raises(UserError, match="256 does not fit pixels of type uint8"):
        dense_frames(events, 1, (1, 1), np.dtype(np.uint8))
    assert dense_frames(events, 1, (1, 1), np.dtype(np.uint16))[0, 0, 0] == 256
