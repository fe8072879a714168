"""Event words unpacked, against the bits one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels.event_bits import BEYOND, NOT_ASCENDING, SOUND
from scatterflow.kernels.event_words import unpack_words

ROWS, COLUMNS = 6, 7


def unpacked(words, frames, mask=(1 << 21) - 1, by_columns=False):
    size = len(words)
    out = np.full(size, -1, np.int64), np.full(size, -1, np.int64), np.zeros(size, np.uint32)
    packed = np.array(words, np.uint64)
    return unpack_words(packed, frames, mask, (ROWS, COLUMNS), by_columns, *out), out


@given(
    st.lists(
        st.tuples(st.integers(100, 120), st.integers(0, ROWS * COLUMNS - 1), st.integers(0, 4095))
    ),
    st.integers(0, 7),
    st.integers(0, 15),
    st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_words_are_unpacked_whatever_the_other_bits_are(events, high, low, by_columns):
    events = sorted(events)
    words = [f << 40 | high << 37 | p << 16 | low << 12 | c for f, p, c in events]
    found, (frame, pixel, count) = unpacked(words, (100, 121), by_columns=by_columns)
    assert found == (SOUND, len(words))
    assert frame.tolist() == [f - 100 for f, _, _ in events]
    if by_columns:
        # Index = column * rows + row.
        expected = [p % ROWS * COLUMNS + p // ROWS for _, p, _ in events]
    else:
        expected = [p for _, p, _ in events]
    assert pixel.tolist() == expected
    assert count.tolist() == [c for _, _, c in events]


def test_what_is_wrong_is_found_at_its_word():
    frames = (3, 9)
    for wrong, fault in (
        (4 << 40, NOT_ASCENDING),
        (9 << 40, NOT_ASCENDING),
        (6 << 40 | 42 << 16, BEYOND),
        (6 << 40 | 1 << 36, BEYOND),
    ):
        words = [3 << 40, 5 << 40, wrong, 7 << 40]
        assert unpacked(words, frames)[0] == (fault, 2)
    assert unpacked([2 << 40], frames)[0] == (NOT_ASCENDING, 0)
    assert unpacked([], frames)[0] == (SOUND, 0)


def test_bits_of_the_index_that_do_not_count():
    found, (_, pixel, _) = unpacked([1 << 36 | 41 << 16], (0, 1), mask=(1 << 20) - 1)
    assert found == (SOUND, 1)
    assert pixel.tolist() == [41]
