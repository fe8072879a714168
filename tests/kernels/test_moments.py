"""Sums over frames against exact arithmetic, however the frames are grouped."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels.azimuthal import Integrator
from scatterflow.kernels.moments import FrameSum
from scatterflow.kernels.sizes import LANES


def summed(frames: np.ndarray, limits, cuts: list[int]) -> FrameSum:
    """Sum of frames taken part by part, each in accumulators of its own, then merged in order."""
    whole = FrameSum(frames.shape[1:])
    pixels = math.prod(frames.shape[1:])
    edges = [0, *sorted(cuts), len(frames)]
    for start, stop in pairwise(edges):
        integrator = Integrator([], pixels, frames.dtype)
        for first in range(start, stop, LANES):
            integrator.frames(frames[first : min(first + LANES, stop)], limits)
        whole.add(integrator.pixel_sums)
    return whole


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(-3, 70000), min_size=6, max_size=6), min_size=1, max_size=8),
    st.lists(st.integers(0, 8), max_size=3),
)
def test_integers_are_exact(values, cuts):
    frames = np.array(values, np.int32).reshape(-1, 2, 3)
    valid = (frames >= 0) & (frames <= 65534)
    found = summed(frames, (0, 65534), [min(cut, len(frames)) for cut in cuts])
    assert np.array_equal(found.finalize(), np.where(valid, frames, 0).sum(axis=0))
    assert np.array_equal(found.count, valid.sum(axis=0))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 12), max_size=4))
def test_floats_over_many_decades_are_exact_and_do_not_depend_on_cuts(seed, cuts):
    rng = np.random.default_rng(seed)
    frames = (rng.normal(size=(12, 3, 4)) * 10.0 ** rng.uniform(-12, 12, (12, 3, 4))).astype(
        np.float32
    )
    limits = (-np.inf, np.inf)
    found = summed(frames, limits, cuts).finalize()
    exact = [
        [float(sum(map(Fraction, map(float, frames[:, r, c])))) for c in range(4)] for r in range(3)
    ]
    assert found.tobytes() == np.array(exact).tobytes()
    assert found.tobytes() == summed(frames, limits, []).finalize().tobytes()


def test_large_64_bit_counts_do_not_wrap():
    frames = np.full((3, 1, 1), 2**62, np.uint64)
    assert summed(frames, (0, 2**64 - 2), [1]).finalize()[0, 0] == 3.0 * 2**62


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinite_values_are_left_out(dtype):
    frames = np.array([[[np.nan, 1.0, np.inf]], [[2.0, 3.0, 4.0]]], dtype)
    found = summed(frames, (-1e30, 1e30), [1])
    assert found.finalize().tolist() == [[2.0, 4.0, 4.0]]
    assert found.count.tolist() == [[1, 2, 1]]


def test_no_frames_at_all():
    empty = summed(np.zeros((0, 2, 2), np.int32), (0, 9), [])
    assert empty.finalize().tolist() == [[0, 0], [0, 0]]
