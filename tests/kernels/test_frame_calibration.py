"""Medians and the arithmetic of a pixel against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels.frame_calibration import calibrate_frames, median, select


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.sampled_from([2, 20, 10**6]))
def test_median_and_rank_are_those_of_sorted_values(seed, count, different):
    rng = np.random.default_rng(seed)
    values = rng.integers(-different, different, count + 5).astype(np.float32)
    used = values[:count].copy()
    assert median(values.copy(), count) == np.median(used.astype(np.float64))
    rank = int(rng.integers(count))
    assert select(values, count, rank) == np.sort(used)[rank]
    assert np.array_equal(np.sort(values[:count]), np.sort(used))


def test_median_of_sorted_and_falling_values():
    for values in (np.arange(1000.0), np.arange(1000.0)[::-1].copy(), np.zeros(1000)):
        assert median(values.astype(np.float32), 1000) == np.median(values)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32])
def test_any_stored_type_loses_its_pedestal(dtype):
    rng = np.random.default_rng(3)
    stored = rng.integers(0, 120, (2, 1, 3, 4)).astype(dtype)
    pedestal = rng.uniform(0, 50, (1, 1, 3, 4)).astype(np.float32)
    factor = rng.uniform(0.5, 2, (1, 1, 3, 4)).astype(np.float32)
    out, counts = np.empty(stored.shape, np.float32), np.empty((2, 2), np.int64)
    calibrate_frames(
        stored, 0, 2, -1, 0, 0, np.zeros(1, np.int8), pedestal, factor, np.ones((1, 3, 4), bool),
        np.zeros((1, 1, 1), np.float32), False, np.zeros((0, 2), np.int64), np.zeros(0, np.int64), np.inf,
        np.empty((3, 4), np.int8), np.empty((3, 4), bool), np.empty(0, np.float32), np.empty(4, np.int64),
        np.empty(4), out, *counts,
    )  # fmt: skip
    assert counts.tolist() == [[0, 0], [0, 0]]
    exact = (stored.astype(np.float64) - pedestal).astype(np.float32).astype(np.float64) * factor[0]
    assert np.array_equal(out, exact.astype(np.float32))
