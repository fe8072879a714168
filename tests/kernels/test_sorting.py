"""Gathering and sorting kernels against plain loops."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels import event_sorting, sorting
from scatterflow.kernels.event_sorting import TILE
from scatterflow.sources.events import sparse_events
from scatterflow.xpcs.sort_events import count_type, deal_events, deal_frames, sort_parts, tiles_of


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_gathered_counts_are_the_valid_sums(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    frames, average = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    level = data.draw(st.integers(0, 3))
    rows = rng.integers(0, 8, (frames * average, 40)).astype(np.uint16)
    rows[rng.random(rows.shape) < 0.1] = 65535
    pixels = rng.permutation(40)[:30].astype(np.uint32)
    cuts = np.sort(rng.choice(np.arange(1, 30), 2, replace=False))
    pieces = np.array([(0, cuts[0]), (cuts[0], cuts[1]), (cuts[1], 30)], np.int64)
    ok = rng.random(frames) < 0.8
    out = np.full((frames, 30), 99, np.uint8)
    invalid, wrong = np.zeros(30, np.uint32), np.zeros((3, frames), np.int64)
    limits = np.uint16(1), np.uint16(65534)
    found = [
        sorting.gather_counts(
            rows, average, pixels, pieces, *part, *limits, level, ok, out, invalid, wrong
        )
        for part in ((0, 1), (1, 3))
    ]
    stack = rows[:, pixels].astype(np.int64).reshape(frames, average, 30)
    bad = ((stack < 1) | (stack > 65534)).any(axis=1) & ok[:, None]
    expected = np.where(stack > level, stack, 0).sum(axis=1)
    expected[bad | ~ok[:, None]] = 0
    assert np.array_equal(out, expected)
    assert max(found) == expected.max()
    assert np.array_equal(invalid, bad.sum(axis=0))
    for piece, (first, last) in enumerate(pieces):
        assert np.array_equal(wrong[piece], bad[:, first:last].sum(axis=1))


@pytest.mark.parametrize("dtype", [np.int8, np.uint32, np.int64, np.uint64])
def test_a_sum_that_is_too_large_is_told(dtype):
    rows = np.array([[1, 100], [2, 100], [3, 100]], dtype)
    out = np.zeros((1, 2), np.uint8)
    nothing = np.zeros(2, np.uint32), np.zeros((1, 1), np.int64)
    pieces, pixels, ok = np.array([[0, 2]]), np.arange(2, dtype=np.uint32), np.ones(1, bool)
    limits = dtype(0), dtype(120)
    largest = sorting.gather_counts(rows, 3, pixels, pieces, 0, 1, *limits, 0, ok, out, *nothing)
    assert largest == 300
    assert out[0, 0] == 6


@pytest.mark.parametrize(
    ("value", "dark", "level", "gain", "expected"),
    [
        (10.0, 4.0, 0.0, 0.5, 3.0),
        (3.0, 4.0, -5.0, 1.0, 0.0),
        (10.0, 4.0, 6.0, 1.0, 0.0),
        (10.0, 4.0, 5.9, 1.0, 6.0),
        (10.0, np.nan, 0.0, 1.0, np.nan),
        (1.0, 4.0, np.nan, 1.0, np.nan),
        (1.0, 4.0, 0.0, np.nan, np.nan),
    ],
)
def test_corrected(value, dark, level, gain, expected):
    assert sorting.corrected(value, dark, level, gain) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([np.uint8, np.uint32, np.float32]))
def test_sums_of_pieces(seed, dtype):
    rng = np.random.default_rng(seed)
    out = rng.poisson(0.8, (5, 20)).astype(dtype)
    out[0, 0] = 200
    ok = rng.random(5) < 0.7
    kind = np.float64 if dtype is np.float32 else np.int64
    image, squares = np.full(20, 3, kind), np.full(20, 4, kind)
    pieces = np.array([(0, 7), (7, 20)], np.int64)
    sums, occupied = np.zeros((2, 5), kind), np.zeros(2, np.int64)
    sorting.sum_pieces(out, ok, pieces, 0, 2, image, squares, sums, occupied)
    wide = out.astype(kind) * ok[:, None]
    assert np.array_equal(image, 3 + wide.sum(axis=0))
    assert np.array_equal(squares, 4 + (wide**2).sum(axis=0))
    assert np.array_equal(sums, np.stack([wide[:, :7].sum(axis=1), wide[:, 7:].sum(axis=1)]))
    assert occupied.tolist() == [np.count_nonzero(wide[:, :7]), np.count_nonzero(wide[:, 7:])]


def test_squares_as_float64_do_not_wrap():
    out = np.full((3, 1), 2**32 - 1, np.uint32)
    image, squares = np.zeros(1, np.int64), np.zeros(1)
    sums, occupied = np.zeros((1, 3), np.int64), np.zeros(1, np.int64)
    sorting.sum_pieces(
        out, np.ones(3, bool), np.array([[0, 1]]), 0, 1, image, squares, sums, occupied
    )
    assert squares[0] == pytest.approx(3 * (2.0**32 - 1) ** 2, rel=1e-15)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_events_are_sorted_by_position_whatever_the_parts(data):
    """Over several tiles, with events that are not used, not valid, and repeated by averaging."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    average, frames = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    size = data.draw(st.sampled_from([50, TILE + 40, 2 * TILE]))
    raw = np.zeros((frames * average, 1, size), np.uint16)
    hits = rng.integers(0, raw.size, 300)
    raw.reshape(-1)[hits] = rng.integers(1, 12, 300)
    used = size - 10
    position_of_pixel = np.full(size, -1, np.int32)
    pixels = rng.permutation(size)[:used]
    position_of_pixel[pixels] = np.arange(used)
    cut = data.draw(st.integers(0, frames))
    parts = []
    for first, last in ((0, cut), (cut, frames)):
        events = sparse_events(raw[first * average : last * average]) if first < last else None
        if events is not None:
            frame_of_raw = np.repeat(np.arange(first, last, dtype=np.int32), average)
            frame_of_raw[-1] = -1 if data.draw(st.booleans()) else frame_of_raw[-1]
            if frame_of_raw[-1] < 0:
                raw[last * average - 1] = 0
            parts.append(
                deal_events(
                    events, frame_of_raw, position_of_pixel, tiles_of(used), (0, 10), 1.0, None
                )
            )
    of_map = data.draw(st.integers(0, used))
    with ThreadPoolExecutor(2) as pool:
        found = sort_parts(parts, used, of_map, frames, np.dtype(np.int64), pool)
    stack = raw[:, 0, pixels].reshape(frames, average, used).astype(int)
    bad = (stack > 10).any(axis=1)
    expected = np.where(bad, 0, np.where(stack > 1, stack, 0).sum(axis=1))
    position, frame = np.nonzero(expected.T)
    assert np.array_equal(found.starts, np.searchsorted(position, np.arange(used + 1)))
    assert np.array_equal(found.frame, frame)
    assert np.array_equal(found.count, expected[frame, position])
    assert np.array_equal(found.invalid, bad.sum(axis=0))
    assert np.array_equal(found.invalid_pixels, bad[:, :of_map].sum(axis=1))
    assert found.largest == expected.max(initial=0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([30, TILE + 1]))
def test_dense_values_become_events(seed, size):
    rng = np.random.default_rng(seed)
    values = rng.poisson(0.01, (4, size + 5)).astype(np.uint8)
    with ThreadPoolExecutor(1) as pool:
        parts = [deal_frames(values[:2], size, 0), deal_frames(values[2:], size, 2)]
        found = sort_parts(parts, size, size, 4, np.dtype(np.uint8), pool)
    position, frame = np.nonzero(values[:, :size].T)
    assert np.array_equal(found.frame, frame)
    assert np.array_equal(np.repeat(np.arange(size), np.diff(found.starts)), position)
    assert np.array_equal(found.count, values[frame, position])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_sums_of_events(seed):
    rng = np.random.default_rng(seed)
    values = rng.poisson(0.3, (6, 12))
    position, frame = np.nonzero(values.T)
    starts = np.searchsorted(position, np.arange(13))
    sums, image, squares = np.zeros(6, np.int64), np.zeros(12, np.int64), np.zeros(12, np.int64)
    count = values[frame, position].astype(np.uint16)
    event_sorting.sum_events(starts, frame.astype(np.int32), count, 3, 12, sums, image, squares)
    assert np.array_equal(sums, values[:, 3:].sum(axis=1))
    assert np.array_equal(image, np.where(np.arange(12) < 3, 0, values.sum(axis=0)))
    assert np.array_equal(squares, np.where(np.arange(12) < 3, 0, (values**2).sum(axis=0)))


def test_types_of_counts():
    assert [count_type(n).itemsize for n in (0, 255, 256, 65535, 65536, 2**32 - 1)] == [
        1,
        1,
        2,
        2,
        4,
        4,
    ]
