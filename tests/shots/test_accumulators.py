"""Accumulators against numpy, exact arithmetic and brute force, however the shots are grouped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.accumulators import (
    Count,
    Maximum,
    Minimum,
    accumulate,
)
from scatterflow.shots.covariance import Covariance
from scatterflow.shots.moments import Mean, Moments, Variance
from scatterflow.shots.quantiles import (
    QuantileSketch,
    linear_sketch,
    logarithmic_sketch,
)
from scatterflow.shots.samples import Reservoir, TopShots
from scatterflow.shots.weighted import RunningMean, WeightedMean

PARTS = settings(max_examples=40, deadline=None)
CUTS = st.lists(st.integers(0, 30), max_size=4)
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = st.sampled_from(
    [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64]
)


def shots(seed: int, dtype: Any, shape: tuple[int, ...] = (30, 2, 3)) -> np.ndarray:
    """Numbers over the range of a dtype; floats over some decades, some missing."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    values = (rng.normal(size=shape) + rng.choice([0, 10, 1e6])) * 10.0 ** rng.integers(-5, 5)
    values[rng.random(shape) < 0.1] = np.nan
    values[rng.random(shape) < 0.03] = np.inf
    return values.astype(dtype)


def parts(number: int, cuts: list[int]) -> list[slice]:
    edges = [0, *sorted(cuts), number]
    return [slice(a, max(a, b)) for a, b in pairwise(edges)]


def taken(make: Callable[[], Any], cuts: list[int], *arrays: np.ndarray) -> Any:
    """Each part seen by an accumulator of its own, stored and read again, then merged in order."""
    merged = make()
    for part in parts(len(arrays[0]), cuts):
        own = make()
        own.update(*(array[part] for array in arrays))
        merged.merge(type(own).from_state(own.state()))
    return merged.finalize()


def whole(make: Callable[[], Any], *arrays: np.ndarray) -> Any:
    accumulator = make()
    accumulator.update(*arrays)
    return accumulator.finalize()


def equal(one: Any, other: Any, relative: float = 0.0, absolute: float = 0.0) -> None:
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert (a is None) == (b is None)
        if a is None:
            continue
        np.testing.assert_allclose(a, b, rtol=relative, atol=absolute, err_msg=field.name)


@PARTS
@given(SEEDS, DTYPES, CUTS)
def test_moments_of_parts_are_those_of_all_of_integers_bit_by_bit(seed, dtype, cuts):
    values = shots(seed, dtype)
    rounding = 0.0 if np.dtype(dtype).kind in "iu" else 1e-13
    equal(taken(Variance, cuts, values), whole(Variance, values), rounding)
    equal(taken(Mean, cuts, values), whole(Mean, values), rounding)
    equal(whole(Variance, values[::-1]), whole(Variance, values), rounding)


@PARTS
@given(SEEDS, DTYPES)
def test_variance_against_exact_fractions(seed, dtype):
    values = shots(seed, dtype)
    found = whole(Variance, values)
    for place in np.ndindex(values.shape[1:]):
        column = [Fraction(float(v)) for v in values[:, *place] if np.isfinite(v)]
        n = len(column)
        mean = sum(column) / n
        deviations = sum((v - mean) ** 2 for v in column)
        assert found.count[place] == n
        assert found.missing[place] == len(values) - n
        assert found.total[place] == float(sum(column))
        assert found.mean[place] == pytest.approx(float(mean), rel=1e-15)
        expected = float(deviations / (n - 1))
        assert found.sample_variance[place] == pytest.approx(expected, rel=1e-12)
        assert found.population_variance[place] == pytest.approx(float(deviations / n), rel=1e-12)
        assert found.standard_deviation[place] == pytest.approx(expected**0.5, rel=1e-12)
        assert found.standard_error[place] == pytest.approx((expected / n) ** 0.5, rel=1e-12)


def test_variance_bears_a_mean_a_hundred_million_times_the_deviation():
    values = 1e8 + np.random.default_rng(1).normal(size=5000)
    exact = np.var(values - 1e8, ddof=1)  # the subtraction is exact
    assert whole(Variance, values).sample_variance == pytest.approx(exact, rel=1e-9)


def test_constant_pixels_have_no_variance():
    values = np.full((1000, 4), 2**32 - 1, dtype=np.uint32)
    assert np.all(whole(Variance, values).sample_variance == 0)


def test_threads_change_nothing():
    values = shots(3, np.float32, (12, 64, 70))
    one, two = Variance(), Variance()
    one.update(values)
    two.update(values, threads=2)
    equal(one.finalize(), two.finalize())


def test_no_value_is_nan_and_one_value_has_no_variance():
    values = np.array([[1.0, np.nan], [np.nan, np.nan]])
    found = whole(Variance, values)
    assert found.count.tolist() == [1, 0]
    assert np.array_equal(found.mean, [1, np.nan], equal_nan=True)
    assert np.isnan(found.sample_variance).all()
    assert np.array_equal(found.population_variance, [0, np.nan], equal_nan=True)


def test_cells_are_those_of_separate_accumulators():
    rng = np.random.default_rng(5)
    values, cell = rng.normal(size=(40, 3)), rng.integers(-1, 4, 40)
    moments = Moments(5)
    moments.update(values, cell)
    found = moments.finalize()
    for number in range(4):
        own = values[cell == number]
        np.testing.assert_allclose(found.mean[number], own.mean(axis=0), rtol=1e-13)
        error = own.std(axis=0, ddof=1) / np.sqrt(len(own))
        np.testing.assert_allclose(found.standard_error[number], error, rtol=1e-13)
    assert np.all(found.count[4] == 0)
    assert np.isnan(found.mean[4]).all()
    together = moments.combined([[0, 2], [1, 3]]).finalize()
    both = values[(cell == 0) | (cell == 2)]
    np.testing.assert_allclose(together.mean[0], both.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(together.sample_variance[0], both.var(axis=0, ddof=1), rtol=1e-13)


@PARTS
@given(SEEDS, DTYPES, CUTS)
def test_counts_and_extremes(seed, dtype, cuts):
    values = shots(seed, dtype)
    known = np.isfinite(values)
    assert np.array_equal(taken(Count, cuts, values).count, known.sum(axis=0))
    low, high = taken(Minimum, cuts, values), taken(Maximum, cuts, values)
    masked = np.ma.array(values, mask=~known).astype(np.float64)
    assert np.array_equal(low.value, masked.min(axis=0))
    assert np.array_equal(high.value, masked.max(axis=0))
    assert np.array_equal(low.missing, (~known).sum(axis=0))
    assert np.array_equal(high.count, known.sum(axis=0))


def test_extreme_without_a_value_is_nan():
    assert np.isnan(whole(Maximum, np.full((3, 2), np.nan)).value).all()


@PARTS
@given(SEEDS, CUTS)
def test_weighted_mean(seed, cuts):
    rng = np.random.default_rng(seed)
    values, weights = shots(seed, np.float64, (30, 4)), rng.integers(0, 4, 30).astype(float)
    weights[:3] = [1.5, 2.5, np.nan]
    found = taken(WeightedMean, cuts, values, weights)
    equal(found, whole(WeightedMean, values, weights), 1e-9, 1e-300)
    for pixel in range(4):
        known = np.isfinite(values[:, pixel]) & np.isfinite(weights)
        x, w = values[known, pixel], weights[known]
        mean = np.average(x, weights=w)
        squares = np.sum(w * (x - mean) ** 2)
        assert found.count[pixel] == known.sum()
        assert found.mean[pixel] == pytest.approx(mean, rel=1e-12, abs=1e-12 * abs(x).max())
        assert found.population_variance[pixel] == pytest.approx(squares / w.sum(), rel=1e-6)
        sample = squares / (w.sum() - (w**2).sum() / w.sum())
        error = np.sqrt(sample * (w**2).sum()) / w.sum()
        assert found.standard_error[pixel] == pytest.approx(error, rel=1e-6)
        assert found.effective_count[pixel] == pytest.approx(w.sum() ** 2 / (w**2).sum())


def test_equal_weights_are_the_plain_mean():
    values = np.random.default_rng(2).normal(size=(50, 3))
    found, plain = whole(WeightedMean, values, np.full(50, 0.7)), whole(Variance, values)
    np.testing.assert_allclose(found.mean, plain.mean, rtol=1e-12)
    np.testing.assert_allclose(found.sample_variance, plain.sample_variance, rtol=1e-12)
    np.testing.assert_allclose(found.standard_error, plain.standard_error, rtol=1e-12)


def test_a_single_weighted_shot_has_no_error():
    found = whole(WeightedMean, np.ones((1, 2)), np.array([0.3]))
    assert np.isnan(found.standard_error).all()


def test_a_negative_weight_is_refused():
    with pytest.raises(UserError, match="weight -1"):
        WeightedMean().update(np.ones((2, 2)), np.array([1.0, -1.0]))


@PARTS
@given(SEEDS, CUTS, st.floats(1, 40))
def test_running_mean(seed, cuts, lifetime):
    values = shots(seed, np.float64, (30, 4))
    found = taken(lambda: RunningMean(lifetime), cuts, values)
    weights = (1 - 1 / lifetime) ** np.arange(29, -1, -1)
    for pixel in range(4):
        known = np.isfinite(values[:, pixel])
        w = weights[known]
        scale = np.abs(values[known, pixel]).max()
        assert found.weight[pixel] == pytest.approx(w.sum())
        if w.sum() > 0:
            expected = np.sum(w * values[known, pixel]) / w.sum()
            assert found.mean[pixel] == pytest.approx(expected, rel=1e-10, abs=1e-10 * scale)
        assert found.missing[pixel] == (~known).sum()


@PARTS
@given(SEEDS, CUTS)
def test_covariance(seed, cuts):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(30, 5)) @ rng.normal(size=(5, 5)) + rng.choice([0, 1e4])
    values[4, 2] = np.nan
    values[:, 3] = 7
    found = taken(Covariance, cuts, values)
    kept = np.delete(values, 4, axis=0)
    assert (found.count, found.missing) == (29, 1)
    np.testing.assert_allclose(found.mean, kept.mean(axis=0), rtol=1e-12, atol=1e-12)
    expected = np.cov(kept.T)
    np.testing.assert_allclose(found.sample_covariance, expected, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(
        found.population_covariance, expected * 28 / 29, rtol=1e-7, atol=1e-7
    )
    others = np.ix_([0, 1, 2, 4], [0, 1, 2, 4])
    correlation = np.corrcoef(kept[:, [0, 1, 2, 4]].T)
    np.testing.assert_allclose(found.correlation[others], correlation, rtol=1e-6, atol=1e-6)
    assert np.isnan(found.correlation[3]).all()
    one = whole(Covariance, values)
    np.testing.assert_allclose(one.sample_covariance, found.sample_covariance, rtol=1e-7, atol=1e-7)


FRACTIONS = (0.0, 0.05, 0.3, 0.5, 0.75, 1.0)


@PARTS
@given(SEEDS, CUTS, st.integers(1, 30))
def test_quantiles_of_integers_are_exact(seed, cuts, number):
    rng = np.random.default_rng(seed)
    values = rng.poisson(2.0, (number, 2, 3)).astype(np.uint16)
    merged = linear_sketch(-0.5, 40.5, 41)
    for part in parts(number, cuts):
        own = linear_sketch(-0.5, 40.5, 41)
        own.update(values[part])
        merged.merge(QuantileSketch.from_state(own.state()))
    found = merged.finalize(FRACTIONS)
    expected = np.quantile(values, FRACTIONS, axis=0, method="inverted_cdf")
    assert np.array_equal(found.quantile, expected)
    assert np.all(found.count == number)


@PARTS
@given(SEEDS, st.sampled_from(["linear", "logarithmic"]))
def test_quantiles_of_floats_lie_within_their_bound(seed, kind):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(200, 3)) * 10.0 ** rng.integers(-1, 2, 3)
    values[rng.random(values.shape) < 0.1] = np.nan
    sketch = linear_sketch(-80, 80, 400)
    if kind == "logarithmic":
        sketch = logarithmic_sketch(1e-3, 1e3, 0.02)
    sketch.update(values)
    found = sketch.finalize(FRACTIONS)
    exact = np.nanquantile(values, FRACTIONS, axis=0, method="inverted_cdf")
    bound = 0.2 if kind == "linear" else np.maximum(0.02 * np.abs(exact), 1e-3)
    assert np.all(np.abs(found.quantile - exact) <= bound * (1 + 1e-9))
    assert np.array_equal(found.missing, np.isnan(values).sum(axis=0))


def test_quantiles_beyond_the_range_are_infinite_and_counted():
    sketch = linear_sketch(0, 1, 10)
    sketch.update(np.array([-5.0, 0.0, 1.0, 3.0, 4.0])[:, None])
    found = sketch.finalize([0.1, 0.5, 0.9])
    assert found.quantile[:, 0].tolist() == pytest.approx([-np.inf, 0.95, np.inf])
    assert (found.below[0], found.above[0]) == (1, 2)
    sketch = logarithmic_sketch(1, 100, 0.1)
    sketch.update(np.array([-1e4, 1e4]))
    assert sketch.finalize([0, 1]).quantile.tolist() == [-np.inf, np.inf]


def test_a_pixel_without_values_has_no_quantile():
    sketch = linear_sketch(0, 1, 10)
    sketch.update(np.full((2, 1), np.nan))
    assert np.isnan(sketch.finalize(0.5).quantile).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: linear_sketch(1, 1, 4),
        lambda: linear_sketch(0, np.inf, 4),
        lambda: logarithmic_sketch(0, 1),
        lambda: logarithmic_sketch(1e-300, 1e300, 1e-6),
        lambda: linear_sketch(-0.5, 4.5, 5).finalize(0.5),
        lambda: RunningMean(0),
        lambda: TopShots(0),
    ],
)
def test_what_cannot_be_is_refused(make):
    with pytest.raises(UserError):
        make()


@PARTS
@given(SEEDS, CUTS, st.integers(1, 40), st.booleans())
def test_top_shots(seed, cuts, k, backwards):
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 6, 30).astype(float)
    keys[rng.random(30) < 0.1] = np.nan
    tags = rng.permutation(1000)[:30]
    images = rng.integers(0, 9, (30, 2, 2)).astype(np.uint16)
    order = slice(None, None, -1 if backwards else 1)
    found = taken(lambda: TopShots(k), cuts, images[order], keys[order], tags[order])
    ranked = sorted(
        (i for i in range(30) if not np.isnan(keys[i])), key=lambda i: (-keys[i], tags[i])
    )[:k]
    assert found.tags.tolist() == tags[ranked].tolist()
    assert found.keys.tolist() == keys[ranked].tolist()
    assert np.array_equal(found.values, images[ranked])
    assert found.values.dtype == np.uint16
    assert (found.seen, found.missing) == (30 - np.isnan(keys).sum(), np.isnan(keys).sum())


@PARTS
@given(SEEDS, CUTS, st.integers(1, 40))
def test_the_reservoir_does_not_depend_on_order_or_parts(seed, cuts, k):
    tags = np.random.default_rng(seed).permutation(30)
    found = taken(lambda: Reservoir(k, seed=seed), cuts, tags.astype(float), tags)
    again = whole(lambda: Reservoir(k, seed=seed), np.arange(30.0), np.arange(30))
    equal(found, again)
    assert np.array_equal(found.values, found.tags)
    assert len(set(found.tags.tolist())) == min(k, 30)


def test_the_reservoir_is_uniform():
    """Each tag, and each pair of tags, equally often over 4000 seeds: chi-square within 5 deviations."""
    tags = 2 * np.arange(20)
    drawn = np.zeros((4000, 20))
    for seed in range(4000):
        drawn[seed, whole(lambda s=seed: Reservoir(5, seed=s), tags, tags).tags // 2] = 1
    singles = drawn.sum(axis=0)
    expected = 4000 * 5 / 20
    chi = np.sum((singles - expected) ** 2) / (expected * (1 - 5 / 20))
    assert abs(chi - 20) < 5 * np.sqrt(2 * 19)
    pairs = (drawn.T @ drawn)[np.triu_indices(20, 1)]
    expected = 4000 * 5 * 4 / (20 * 19)
    chi = np.sum((pairs - expected) ** 2) / expected
    assert abs(chi - 190) < 5 * np.sqrt(2 * 190)


def test_a_stream_through_several_accumulators():
    rng = np.random.default_rng(8)
    chunks = [rng.poisson(3, (n, 4)) for n in (5, 0, 7)]
    everything = np.concatenate(chunks)
    found = accumulate(iter(chunks), {"mean": Mean(), "max": Maximum()})
    np.testing.assert_allclose(found["mean"].mean, everything.mean(axis=0))
    assert np.array_equal(found["max"].value, everything.max(axis=0))
    named = [{"image": chunk, "weight": np.ones(len(chunk))} for chunk in chunks]
    found = accumulate(named, {"mean": WeightedMean()}, {"mean": ["image", "weight"]})
    np.testing.assert_allclose(found["mean"].mean, everything.mean(axis=0))


@pytest.mark.parametrize(
    "make",
    [Count, Mean, Variance, Minimum, Maximum, WeightedMean, lambda: RunningMean(3), Covariance],
)
def test_without_shots_there_is_nothing(make):
    empty = make()
    empty.merge(type(empty).from_state(make().state()))
    with pytest.raises(UserError, match="no shots"):
        empty.finalize()


def test_a_chunk_without_shots_changes_nothing():
    values = np.arange(6.0).reshape(3, 2)
    accumulator = Variance()
    accumulator.update(values[:0])
    accumulator.update(values)
    equal(accumulator.finalize(), whole(Variance, values))


def test_shots_of_another_shape_are_refused():
    mean = Mean()
    mean.update(np.ones((2, 3)))
    with pytest.raises(UserError, match=r"shots of shape \(4,\)"):
        mean.update(np.ones((2, 4)))
    other = Mean()
    other.update(np.ones((2, 4)))
    with pytest.raises(UserError, match="shape"):
        mean.merge(other)
    with pytest.raises(TypeError):
        mean.merge(Variance())


def test_integers_that_float64_cannot_hold_are_refused():
    with pytest.raises(UserError, match=r"2\^53"):
        Mean().update(np.array([2**53 + 1]))
    assert whole(Mean, np.array([2**53, 2**53])).total == 2.0**54


def test_text_is_no_number():
    with pytest.raises(TypeError):
        Mean().update(np.array(["a"]))


def test_other_memory_layouts_and_types_are_read_alike():
    values = np.arange(24.0).reshape(6, 4)
    expected = whole(Variance, values)
    for same in (np.asfortranarray(values), values.astype(">f8"), values.astype(np.float16)):
        equal(whole(Variance, same), expected)
    flags = values % 2 == 0
    assert whole(Mean, flags).total.tolist() == flags.sum(axis=0).tolist()
