"""Histograms against numpy's, binned statistics against brute force, however the shots are grouped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.calculators import (
    BinnedStatistics,
    Histogram1D,
    Histogram2D,
    bin_numbers,
)

MODEST = settings(max_examples=40, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
EDGES = st.one_of(
    st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=9, unique=True).map(sorted),
    st.tuples(st.floats(-9, 9), st.floats(0.1, 20), st.integers(1, 40)).map(
        lambda t: np.linspace(t[0], t[0] + t[1], t[2] + 1).tolist()
    ),
)


def around(seed: int, edges: np.ndarray, number: int = 60) -> np.ndarray:
    """Values in and beyond the bins, many exactly at an edge or the next number to one, some missing."""
    rng = np.random.default_rng(seed)
    span = edges[-1] - edges[0]
    values = rng.uniform(edges[0] - 0.2 * span, edges[-1] + 0.2 * span, number)
    at = rng.choice(edges, number)
    kind = rng.integers(0, 6, number)
    values = np.where(kind == 0, at, values)
    values = np.where(kind == 1, np.nextafter(at, -np.inf), values)
    values = np.where(kind == 2, np.nextafter(at, np.inf), values)
    return np.where(kind == 3, np.nan, values)


@MODEST
@given(SEEDS, EDGES, st.integers(0, 60))
def test_one_dimension(seed, edges, cut):
    edges = np.array(edges)
    values = around(seed, edges)
    merged, other = Histogram1D(edges), Histogram1D(edges)
    merged.update(values[:cut])
    other.update(values[cut:])
    merged.merge(Histogram1D.from_state(other.state()))
    found = merged.finalize()
    present = values[~np.isnan(values)]
    assert np.array_equal(found.counts, np.histogram(present, edges)[0])
    assert found.with_outside[0] == (present < edges[0]).sum()
    assert found.with_outside[-1] == (present > edges[-1]).sum()
    assert found.missing == np.isnan(values).sum()
    assert found.with_outside.sum() + found.missing == len(values)


def test_images_are_counted_pixel_by_pixel():
    images = np.random.default_rng(1).poisson(3, (5, 4, 6)).astype(np.uint16)
    histogram = Histogram1D(np.arange(-0.5, 8))
    histogram.update(images)
    expected = np.bincount(images.ravel(), minlength=8)[:8]
    assert histogram.finalize().counts.tolist() == expected.tolist()


def test_the_last_edge_is_included():
    histogram = Histogram1D(np.array([0.0, 1.0, 2.0]))
    histogram.update(np.array([0, 1, 2, 3, -1]))
    assert histogram.finalize().with_outside.tolist() == [1, 1, 2, 1]


@MODEST
@given(SEEDS, EDGES, EDGES, st.integers(0, 60))
def test_two_dimensions(seed, x_edges, y_edges, cut):
    x_edges, y_edges = np.array(x_edges), np.array(y_edges)
    x, y = around(seed, x_edges), around(seed + 1, y_edges)
    merged, other = Histogram2D(x_edges, y_edges), Histogram2D(x_edges, y_edges)
    merged.update(x[:cut], y[:cut])
    other.update(x[cut:], y[cut:])
    merged.merge(Histogram2D.from_state(other.state()))
    found = merged.finalize()
    known = ~(np.isnan(x) | np.isnan(y))
    expected = np.histogram2d(x[known], y[known], [x_edges, y_edges])[0]
    assert np.array_equal(found.counts, expected)
    assert found.with_outside.sum() == known.sum()
    assert found.missing == (~known).sum()


@MODEST
@given(SEEDS, EDGES, st.integers(0, 60))
def test_binned_statistics(seed, edges, cut):
    edges = np.array(edges)
    x = around(seed, edges)
    y = np.random.default_rng(seed).normal(size=(60, 3))
    y[7, 1] = np.nan
    merged, other = BinnedStatistics(edges), BinnedStatistics(edges)
    merged.update(x[:cut], y[:cut])
    other.update(x[cut:], y[cut:])
    merged.merge(BinnedStatistics.from_state(other.state()))
    found = merged.finalize()
    last = len(edges) - 2
    for k in range(last + 1):
        inside = (x >= edges[k]) & ((x < edges[k + 1]) | ((k == last) & (x == edges[-1])))
        for pixel in range(3):
            own = y[inside, pixel]
            own = own[~np.isnan(own)]
            assert found.statistics.count[k, pixel] == len(own)
            if len(own) == 0:
                assert np.isnan(found.statistics.mean[k, pixel])
            elif len(own) > 1:
                error = own.std(ddof=1) / np.sqrt(len(own))
                assert found.statistics.mean[k, pixel] == pytest.approx(own.mean())
                assert found.statistics.standard_error[k, pixel] == pytest.approx(error)
    assert found.outside.tolist() == [(x < edges[0]).sum(), (x > edges[-1]).sum()]
    assert found.missing == np.isnan(x).sum()


def test_missing_values_have_no_bin():
    found = bin_numbers(np.array([np.nan, np.inf, -np.inf, 0.5]), np.array([0.0, 1.0]))
    assert found.tolist() == [-1, -1, -1, 1]


@pytest.mark.parametrize("edges", [[1.0], [1.0, 1.0], [2.0, 1.0], [0.0, np.nan], [[0.0, 1.0]]])
def test_edges_must_ascend(edges):
    with pytest.raises(UserError, match="no bins"):
        Histogram1D(np.array(edges))


def test_other_edges_do_not_merge():
    with pytest.raises(ValueError, match="edges"):
        Histogram1D(np.array([0.0, 1.0])).merge(Histogram1D(np.array([0.0, 2.0])))
    with pytest.raises(TypeError):
        Histogram1D(np.array([0.0, 1.0])).merge(BinnedStatistics(np.array([0.0, 1.0])))
