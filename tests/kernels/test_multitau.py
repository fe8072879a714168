"""Multi-tau sums against the definition, pair by pair: exact, dense and from events, whatever the threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.xpcs.brute_multitau import brute_sums, event_block

from scatterflow.kernels.lags import Lags, linear_lags, log_lags, multitau_lags, schedule
from scatterflow.kernels.multitau import ROWS, correlate_frames
from scatterflow.kernels.multitau_events import correlate_events


def by_definition(values, lags: Lags, valid, scale=None) -> tuple[np.ndarray, np.ndarray]:
    found = [
        brute_sums(values, valid, int(level), int(delay), scale)
        for level, delay in zip(lags.level, lags.delay, strict=True)
    ]
    return np.array([pairs for pairs, _ in found]), np.stack([sums for _, sums in found], axis=1)


def dense(values, lags: Lags, valid, scale=None, threads: int = 1) -> np.ndarray:
    sums = np.full((3, lags.delay.size, values.shape[1]), np.nan)
    correlate_frames(values, schedule(lags, valid), scale, tuple(sums), threads)
    return sums


def from_events(values, lags: Lags, valid, scale=None, threads: int = 1) -> np.ndarray:
    block = event_block(values)
    sums = np.full((3, lags.delay.size, values.shape[1]), np.nan)
    plan = schedule(lags, valid)
    correlate_events(block.starts, block.frame, block.count, plan, scale, tuple(sums), threads)
    return sums


def counts(seed: int, frames: int, pixels: int, mean: float, dtype="u1") -> np.ndarray:
    return np.random.default_rng(seed).poisson(mean, (frames, pixels)).astype(dtype)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 90),
    st.integers(1, 20),
    st.sampled_from(["u1", "u2", "u4"]),
    st.sampled_from([0.05, 1.0, 40.0]),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.05, 0.6]),
    st.integers(0, 2**32 - 1),
)
def test_integers_are_exact(frames, pixels, dtype, mean, per_level, bad, seed):
    values = counts(seed, frames, pixels, mean, dtype)
    valid = np.random.default_rng(seed).random(frames) >= bad
    lags = multitau_lags(frames, per_level)
    pairs, expected = by_definition(values, lags, valid)
    np.testing.assert_array_equal(dense(values, lags, valid), expected)
    np.testing.assert_array_equal(from_events(values, lags, valid), expected)
    np.testing.assert_array_equal(schedule(lags, valid).pairs(), pairs)


@pytest.mark.parametrize("frames", [ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 37])
@pytest.mark.parametrize("bad", [0.0, 0.01])
def test_runs_longer_than_what_is_loaded_at_once(frames, bad):
    values = counts(1, frames, 70, 3.0)
    valid = np.random.default_rng(2).random(frames) >= bad
    lags = multitau_lags(frames, 4)
    _, expected = by_definition(values, lags, valid)
    np.testing.assert_array_equal(dense(values, lags, valid, threads=2), expected)
    np.testing.assert_array_equal(from_events(values, lags, valid, threads=2), expected)


@pytest.mark.parametrize("make", [linear_lags, lambda n: log_lags(n, 3)])
def test_delays_without_levels(make):
    values, lags = counts(3, 300, 5, 0.5), make(300)
    valid = np.ones(300, bool)
    valid[[0, 7, 8, 299]] = False
    _, expected = by_definition(values, lags, valid)
    np.testing.assert_array_equal(dense(values, lags, valid), expected)
    np.testing.assert_array_equal(from_events(values, lags, valid), expected)


def test_counts_whose_products_do_not_fit_32_bits():
    values = counts(4, 400, 20, 2.0, "u4")
    values[::7, 3] = 2_000_000
    values[5, 4] = 2**32 - 1
    lags, valid = multitau_lags(400, 4), np.ones(400, bool)
    assert values[:, 3].astype(object).dot(values[:, 3].astype(object)) < 2**53
    expected = np.zeros((3, lags.delay.size, 20), object)
    for i, (level, lag) in enumerate(zip(lags.level, lags.samples, strict=True)):
        length = 2**level
        samples = (
            values[: 400 // length * length].astype(object).reshape(-1, length, 20).sum(axis=1)
        )
        a, b = samples[:-lag], samples[lag:]
        expected[:, i] = (a * b).sum(axis=0), a.sum(axis=0), b.sum(axis=0)
    for found in (dense(values, lags, valid), from_events(values, lags, valid)):
        np.testing.assert_array_equal(found, expected.astype(float))
    hot = values.astype("u2")
    hot[:, 2] = 65535
    _, expected = by_definition(hot, lags, valid)
    np.testing.assert_array_equal(dense(hot, lags, valid), expected)


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_scaled_frames(dtype):
    rng = np.random.default_rng(5)
    values = counts(6, 333, 17, 0.8, dtype)
    if dtype == "f4":
        values *= rng.uniform(0.5, 2, values.shape).astype("f4")
    scale, valid = rng.uniform(0.5, 2.0, 333), rng.random(333) > 0.02
    lags = multitau_lags(333, 4)
    _, expected = by_definition(values, lags, valid, scale)
    np.testing.assert_allclose(dense(values, lags, valid, scale), expected, rtol=1e-12)
    np.testing.assert_allclose(from_events(values, lags, valid, scale), expected, rtol=1e-12)


@pytest.mark.parametrize("correlate", [dense, from_events])
@pytest.mark.parametrize("scaled", [False, True])
def test_any_number_of_threads_gives_the_same_bits(correlate, scaled):
    values, lags = counts(7, 500, 333, 0.3), multitau_lags(500, 4)
    valid = np.arange(500) % 97 != 5
    scale = np.random.default_rng(1).uniform(0.5, 2, 500) if scaled else None
    one = correlate(values, lags, valid, scale, 1)
    assert one.tobytes() == correlate(values, lags, valid, scale, 3).tobytes()


@pytest.mark.parametrize("correlate", [dense, from_events])
def test_a_run_without_valid_frames_or_photons_has_sums_of_zero(correlate):
    lags = multitau_lags(40, 4)
    values = counts(8, 40, 3, 2.0)
    assert not correlate(values, lags, np.zeros(40, bool)).any()
    assert not correlate(np.zeros_like(values), lags, np.ones(40, bool)).any()
