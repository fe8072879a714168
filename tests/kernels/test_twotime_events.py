"""Pairs of events against products of the same counts as dense frames."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels import twotime_events as kernels

FRAMES, PIXELS = 12, 7


def events_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """starts, frame, count of (frames, pixels)."""
    position, frame = np.nonzero(values.T)
    starts = np.searchsorted(position, np.arange(values.shape[1] + 1))
    return starts.astype(np.int64), frame.astype(np.int32), values[frame, position]


def drawn(seed: int, dtype: type, most: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, most, (FRAMES, PIXELS)) * (rng.random((FRAMES, PIXELS)) < 0.4)
    return values.astype(dtype)


def band(values, rows, columns, pixels, dtype):
    """Sums of frames rows x columns over a range of pixels, by pairs of events."""
    starts, frame, count = events_of(values)
    begin, end = np.empty(PIXELS, np.int64), np.empty(PIXELS, np.int64)
    kernels.find_events(starts, frame, columns[0], begin)
    kernels.find_events(starts, frame, columns[1], end)
    position = np.repeat(np.arange(PIXELS), np.diff(starts)).astype(np.int32)
    listed = np.flatnonzero(
        (frame >= rows[0]) & (frame < rows[1]) & (position >= pixels[0]) & (position < pixels[1])
    )
    out = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), dtype)
    if np.issubdtype(values.dtype, np.floating):
        add, events = kernels.add_pairs_of_fractions, (frame, count)
    else:
        add, events = kernels.add_pairs, kernels.packed(frame, count)
    add(listed, position[listed], begin, end, *events, rows[0], columns[0], out)
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, FRAMES),
    st.tuples(st.integers(0, PIXELS), st.integers(0, PIXELS)).map(sorted),
    st.sampled_from([(np.uint8, 256), (np.uint16, 65536), (np.uint32, 2**25)]),
)
def test_pairs_are_exact(seed, cut, pixels, kind):
    values = drawn(seed, *kind)
    wide = values[:, slice(*pixels)].astype(np.int64)
    whole = wide @ wide.T
    beside = band(values, (0, cut), (cut, FRAMES), pixels, np.int64)
    assert np.array_equal(beside, whole[:cut, cut:])
    # A band of a tile on the diagonal: its own columns begin before its rows.
    found = band(values, (cut, FRAMES), (0, FRAMES), pixels, np.int64)
    assert np.array_equal(found, np.triu(whole)[cut:])


def test_fractions_are_multiplied_as_float64():
    values = drawn(3, np.float32, 100) / np.float32(3)
    wide = values.astype(np.float64)
    found = band(values, (0, FRAMES), (0, FRAMES), (0, PIXELS), float)
    assert found == pytest.approx(np.triu(wide @ wide.T), rel=1e-14)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(0, FRAMES), st.integers(0, FRAMES)).map(sorted),
)
def test_panels_hold_the_frames(seed, frames):
    values = drawn(seed, np.uint16, 65536)
    starts, frame, count = events_of(values)
    begin, end = np.empty(PIXELS, np.int64), np.empty(PIXELS, np.int64)
    kernels.find_events(starts, frame, frames[0], begin)
    kernels.find_events(starts, frame, frames[1], end)
    panel = np.zeros((frames[1] - frames[0], PIXELS), np.float32)
    kernels.fill_panel(begin, end, frame, count, frames[0], panel)
    assert np.array_equal(panel, values[slice(*frames)])


def test_sums_of_a_group():
    values = drawn(5, np.uint32, 2**20)
    starts, frame, count = events_of(values)
    sums, squares = np.zeros((FRAMES, 2)), np.zeros((FRAMES, 2))
    kernels.sum_event_group(starts, frame, count, np.array([0, 2, 6]), 1, sums, squares)
    part = values[:, 2:6].astype(np.int64)
    assert np.array_equal(sums, np.stack([0 * part.sum(axis=1), part.sum(axis=1)], axis=1))
    assert np.array_equal(squares[:, 1], (part**2).sum(axis=1))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, FRAMES + 2))
def test_bands_list_their_events_by_position(seed, size):
    starts, frame, _ = events_of(drawn(seed, np.uint8, 256))
    number = np.zeros(-(-FRAMES // size), np.int64)
    kernels.count_in_bands(starts, frame, size, number)
    at = np.concatenate(([0], np.cumsum(number)))
    event, position = np.empty(len(frame), np.int64), np.empty(len(frame), np.int32)
    kernels.list_bands(starts, frame, size, at[:-1].copy(), event, position)
    for band_number, (first, last) in enumerate(pairwise(at)):
        assert np.array_equal(event[first:last], np.flatnonzero(frame // size == band_number))
    assert np.array_equal(position, np.searchsorted(starts, event, side="right") - 1)


@pytest.mark.parametrize(
    ("last_frame", "largest"), [(5, 255), (2**24, 1), (5, 256), (9, 2**32 - 1)]
)
def test_packed_events_keep_frame_and_count(last_frame, largest):
    frame = np.array([0, 3, last_frame], np.int32)
    count = np.array([1, largest, 2], np.uint32)
    words, shift = kernels.packed(frame, count)
    assert np.array_equal(words >> np.uint64(shift), frame)
    assert np.array_equal(words & np.uint64(2**shift - 1), count)
    assert words.itemsize == (4 if last_frame < 2**24 and largest < 2**8 else 8)
