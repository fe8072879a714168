"""Photon histograms against counting one sum after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels.photon_counts import count_events, count_frames


def brute_force(values, sample, segment, static, shape):
    counts = np.zeros(shape, np.int64)
    photons, pairs = np.zeros(shape[:2], np.int64), np.zeros(shape[:2], np.int64)
    for pixel in range(values.shape[1]):
        for number in range(len(segment)):
            total = sum(int(v) for v in values[sample == number, pixel])
            if total == 0:
                continue
            counts[static[pixel], segment[number], min(total, shape[2] - 1)] += 1
            photons[static[pixel], segment[number]] += total
            pairs[static[pixel], segment[number]] += total * (total - 1)
    return counts, photons, pairs


def event_lists(values):
    pixel, frame = np.nonzero(values.T)
    starts = np.searchsorted(pixel, np.arange(values.shape[1] + 1)).astype(np.int64)
    return starts, frame.astype(np.int32), np.ascontiguousarray(values.T[pixel, frame])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([np.uint8, np.uint16, np.uint32, np.float32]))
def test_both_forms_count_every_sum_once(seed, dtype):
    random = np.random.default_rng(seed)
    frames, pixels = random.integers(1, 30, 2)
    values = random.poisson(random.choice([0.05, 1.0, 60.0]), (frames, pixels)).astype(dtype)
    sample = np.sort(random.integers(0, 8, frames)).astype(np.int32)
    segment = np.sort(random.integers(0, 3, 8)).astype(np.int32)
    static = random.integers(0, 4, pixels).astype(np.int32)
    sample[random.random(frames) < 0.2] = -1
    shape = (4, 3, int(random.integers(2, 9)))
    expected = brute_force(values, sample, segment, static, shape)
    cut = int(random.integers(0, pixels + 1))
    for form in ("events", "frames"):
        found = tuple(np.zeros(s, np.int64) for s in (shape, shape[:2], shape[:2]))
        totals = np.zeros(pixels, np.int64)
        for first, last in ((0, cut), (cut, pixels)):
            if form == "events":
                lists = event_lists(values)
                count_events(*lists, first, last, sample, segment, static, *found)
            else:
                count_frames(values, first, last, sample, segment, static, totals, *found)
        for own, true in zip(found, expected, strict=True):
            assert np.array_equal(own, true), form
        assert not totals.any()


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_large_counts_do_not_wrap(dtype):
    top = np.iinfo(dtype).max
    values = np.full((2, 1), top, dtype)
    sample, segment = np.zeros(2, np.int32), np.zeros(1, np.int32)
    static = np.zeros(1, np.int32)
    for form in ("events", "frames"):
        counts, photons, pairs = (np.zeros(s, np.int64) for s in ((1, 1, 4), (1, 1), (1, 1)))
        if form == "events":
            count_events(
                *event_lists(values), 0, 1, sample, segment, static, counts, photons, pairs
            )
        else:
            totals = np.zeros(1, np.int64)
            count_frames(values, 0, 1, sample, segment, static, totals, counts, photons, pairs)
        assert photons[0, 0] == 2 * int(top)
        assert counts[0, 0, 3] == 1
        if dtype == np.uint16:
            assert pairs[0, 0] == 2 * int(top) * (2 * int(top) - 1)
