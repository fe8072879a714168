"""Sums of a map's tiles against sums over the whole map, element by element."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels import twotime_sums as kernels

FRAMES = 11


def a_map(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    c2 = 1 + rng.normal(size=(FRAMES, FRAMES))
    c2[rng.random(c2.shape) < 0.1] = np.nan
    return c2


def tiles(cuts: list[int]):
    edges = [0, *sorted(cuts), FRAMES]
    ranges = list(pairwise(edges))
    for number, rows in enumerate(ranges):
        for columns in ranges[number:]:
            yield slice(*rows), slice(*columns)


def elements(c2: np.ndarray):
    for t1 in range(FRAMES):
        for t2 in range(t1, FRAMES):
            if not np.isnan(c2[t1, t2]):
                yield t1, t2, c2[t1, t2] - 1


CUTS = st.lists(st.integers(0, FRAMES), max_size=3)
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=30, deadline=None)
@given(SEEDS, CUTS)
def test_moments(seed, cuts):
    a, b = a_map(seed), a_map(seed + 1)
    sums, products, pairs = np.zeros((2, FRAMES)), np.zeros(FRAMES), np.zeros(FRAMES, np.int64)
    for rows, columns in tiles(cuts):
        one, other = (np.ascontiguousarray(c2[rows, columns]) for c2 in (a, b))
        kernels.add_moments(one, other, rows.start, columns.start, sums, products, pairs)
    for lag in range(FRAMES):
        x, y = np.diagonal(a, lag) - 1, np.diagonal(b, lag) - 1
        both = np.isfinite(x + y)
        assert pairs[lag] == both.sum()
        assert sums[:, lag] == pytest.approx([x[both].sum(), y[both].sum()], abs=1e-12)
        assert products[lag] == pytest.approx((x * y)[both].sum(), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(SEEDS, CUTS, st.lists(st.tuples(st.integers(-5, 25), st.integers(-5, 25)), max_size=3))
def test_ages_also_where_cuts_overlap(seed, cuts, ranges):
    c2 = a_map(seed)
    starts, stops = np.array(ranges, np.int64).reshape(-1, 2).T.copy()
    sums, pairs = np.zeros((len(ranges), FRAMES)), np.zeros((len(ranges), FRAMES), np.int64)
    for rows, columns in tiles(cuts):
        tile = np.ascontiguousarray(c2[rows, columns])
        kernels.add_ages(tile, rows.start, columns.start, starts, stops, sums, pairs)
    expected, number = np.zeros(sums.shape), np.zeros(sums.shape)
    for t1, t2, value in elements(c2):
        for cut, (start, stop) in enumerate(ranges):
            if start <= t1 + t2 < stop:
                expected[cut, t2 - t1] += value
                number[cut, t2 - t1] += 1
    assert np.array_equal(pairs, number)
    assert sums == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(SEEDS, CUTS, st.lists(st.integers(0, FRAMES), min_size=2, max_size=4).map(sorted))
def test_windows(seed, cuts, edges):
    c2 = a_map(seed)
    shape = (len(edges) - 1, FRAMES)
    sums, pairs = np.zeros(shape), np.zeros(shape, np.int64)
    for rows, columns in tiles(cuts):
        tile = np.ascontiguousarray(c2[rows, columns])
        kernels.add_windows(tile, rows.start, columns.start, np.array(edges), sums, pairs)
    expected, number = np.zeros(shape), np.zeros(shape)
    for t1, t2, value in elements(c2):
        for window, (start, stop) in enumerate(pairwise(edges)):
            if start <= t1 and t2 < stop:
                expected[window, t2 - t1] += value
                number[window, t2 - t1] += 1
    assert np.array_equal(pairs, number)
    assert sums == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(SEEDS, CUTS, st.integers(2, 6))
def test_cells_and_the_upper_triangle(seed, cuts, step):
    c2 = a_map(seed)
    side = -(-FRAMES // step)
    sums, counts = np.zeros((side, side)), np.zeros((side, side), np.int64)
    copied = np.zeros((FRAMES, FRAMES), np.float32)
    for rows, columns in tiles(cuts):
        tile = np.ascontiguousarray(c2[rows, columns])
        kernels.add_cells(tile, rows.start, columns.start, step, sums, counts)
        kernels.copy_upper(tile, rows.start, columns.start, copied)
    expected, number = np.zeros(sums.shape), np.zeros(sums.shape)
    for t1, t2, value in elements(c2):
        if t2 > t1:
            expected[t1 // step, t2 // step] += value
            number[t1 // step, t2 // step] += 1
    assert np.array_equal(counts, number)
    assert sums == pytest.approx(expected, abs=1e-12)
    assert np.array_equal(copied, np.triu(c2).astype(np.float32), equal_nan=True)
