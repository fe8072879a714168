"""Products of frames against Python's own integers; rules by which they are exact."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels import twotime as kernels


def products(values: np.ndarray) -> list[list[int]]:
    rows = values.tolist()
    return [[sum(a * b for a, b in zip(one, other, strict=True)) for other in rows] for one in rows]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_products_below_the_limit_are_exact_in_float32(frames, pixels, seed):
    rng = np.random.default_rng(seed)
    largest = int(np.sqrt((kernels.EXACT_SINGLE - 1) / pixels))
    values = rng.integers(0, largest + 1, (frames, pixels))
    exact = np.array(products(values), float)
    panel = values.astype(np.float32)
    out = np.full((frames, frames), np.nan, np.float32)
    kernels.syrk(panel, out, False)
    upper = np.triu_indices(frames)
    assert np.array_equal(out[upper].astype(float), exact[upper])
    split = frames // 2
    if split:
        beside = np.full((split, frames - split), np.nan, np.float32)
        kernels.gemm(panel[:split], panel[split:], beside, False)
        assert np.array_equal(beside.astype(float), exact[:split, split:])


def test_products_are_added_to_what_is_there():
    panel = np.arange(12, dtype=np.float64).reshape(3, 4)
    out = np.ones((3, 3))
    kernels.syrk(panel, out, True)
    assert out[0, 2] == 1 + panel[0] @ panel[2]
    assert out[2, 0] == 1, "below the diagonal nothing is written"
    beside = np.ones((1, 2))
    kernels.gemm(panel[:1], panel[1:], beside, True)
    assert beside.tolist() == [[1 + panel[0] @ panel[1], 1 + panel[0] @ panel[2]]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**25), min_size=5, max_size=5), min_size=1, max_size=4))
def test_runs_cover_all_panels_and_stay_below_the_limit(squares):
    found = kernels.single_runs(np.array(squares, float), True)
    assert [panel for first, last, _ in found for panel in range(first, last)] == list(range(5))
    for first, last, single in found:
        largest = max(sum(row[first:last]) for row in squares)
        assert single == (largest < 2**24)
        assert single or last == first + 1


def test_fractions_are_never_multiplied_in_float32():
    assert kernels.single_runs(np.ones((3, 4)), False) == [(0, 4, False)]


def test_weights_reach_the_upper_triangle_alone():
    out = np.zeros((2, 5))
    row_weights, column_weights = np.array([2.0, 3.0]), np.arange(5.0)
    kernels.add_weighted(np.ones((2, 5), np.int32), row_weights, column_weights, 2, out)
    assert out.tolist() == [[0, 0, 4, 6, 8], [0, 0, 0, 9, 12]]
    kernels.add_weighted(np.ones((2, 5), np.float32), row_weights, column_weights, -2, out)
    assert out[1].tolist() == [0, 3, 6, 18, 24]


def test_frames_without_a_value_are_nan():
    tile = np.ones((2, 3))
    good = np.array([True, False]), np.array([True, True, False])
    kernels.scale_tile(tile, 4.0, *good, 0, 2)
    assert np.array_equal(tile, [[4, 4, np.nan], [np.nan] * 3], equal_nan=True)
    tile = np.array([[6.0, 0.0]])
    kernels.divide_tile(tile, np.array([[3.0, 0.0]]), 0, 1)
    assert np.array_equal(tile, [[2.0, np.nan]], equal_nan=True)


def test_sums_of_groups():
    values = np.random.default_rng(1).integers(0, 65536, (5, 9)).astype(np.uint16)
    sums, squares = np.zeros((5, 2)), np.zeros((5, 2))
    kernels.sum_groups(values, 0, 5, np.array([0, 4, 9]), sums, squares)
    wide = values.astype(np.int64)
    for group, part in enumerate((slice(0, 4), slice(4, 9))):
        assert np.array_equal(sums[:, group], wide[:, part].sum(axis=1))
        assert np.array_equal(squares[:, group], (wide[:, part] ** 2).sum(axis=1))
