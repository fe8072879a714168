"""Axes of cubes, steps of scans and the pump-probe delay against what was put in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.cube_axes import Label, axis_from_edges, make_axis
from scatterflow.shots.steps import find_steps

NAN = np.nan


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=8, unique=True).map(sorted),
    st.integers(0, 2**32 - 1),
)
def test_bins_are_those_of_numpy(edges, seed):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.uniform(-60, 60, 40), edges, [NAN, np.inf, -np.inf]])
    axis = axis_from_edges("x", np.array(edges))
    places = axis.places(values)
    finite = values[np.isfinite(values)]
    counts = np.bincount(places[places >= 0], minlength=axis.bins)
    assert np.array_equal(counts, np.histogram(finite, edges)[0])
    assert places[-3:].tolist() == [-1, -1, -1]
    for value, place in zip(finite, places, strict=False):
        assert (place < 0) == (value < edges[0] or value > edges[-1])
        if place >= 0:
            assert edges[place] <= value <= edges[place + 1]


def test_linear_bins_span_the_data_or_what_is_given():
    values = np.array([2.0, NAN, 6.0, 4.0])
    axis = make_axis("x", {"type": "linear", "bins": 4}, values)
    assert axis.lower.tolist() == [2, 3, 4, 5]
    assert axis.places(values).tolist() == [0, -1, 3, 2]
    axis = make_axis("x", {"type": "linear", "bins": 2, "minimum": 0, "maximum": 4}, values)
    assert axis.centres.tolist() == [1, 3]


def test_quantile_bins_hold_as_many_shots_each():
    values = np.random.default_rng(0).exponential(size=1000)
    axis = make_axis("x", {"type": "quantiles", "bins": 8}, values)
    assert np.bincount(axis.places(values)).tolist() == [125] * 8
    ties = make_axis("x", {"type": "quantiles", "bins": 4}, np.array([0.0] * 90 + [1.0] * 10))
    assert ties.bins == 1


def scan(
    targets: list[float], each: int, noise: float, between: int, rng: np.random.Generator
) -> np.ndarray:
    """Readback of a motor that stops at targets, with shots taken on its way."""
    parts = [np.full(each, targets[0])]
    for last, target in pairwise(targets):
        parts.append(last + (target - last) * np.arange(1, between + 1) / (between + 1))
        parts.append(np.full(each, target))
    values = np.concatenate(parts)
    return values + noise * rng.normal(size=values.size)


@pytest.mark.parametrize(
    ("targets", "noise"),
    [
        ([0.0, 1.0, 2.0, 3.0], 0.01),
        ([3.0, 2.0, 1.0, 0.0, 1.0, 2.0, 3.0], 0.005),
        ([-1.0, -0.5, 0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0], 0.002),
        ([0.0, 1.0, 2.0, 3.0], 0.0),
    ],
)
@pytest.mark.parametrize("between", [0, 7])
def test_steps_are_where_the_motor_stopped(targets, noise, between):
    rng = np.random.default_rng(3)
    values = scan(targets, 60, noise, between, rng)
    steps = find_steps(values)
    expected = sorted(set(targets))
    assert len(steps.position) == len(expected)
    np.testing.assert_allclose(steps.position, expected, atol=max(4 * noise / np.sqrt(50), 1e-12))
    wanted = [60 * targets.count(target) for target in expected]
    # A shot on its way may be within the noise of a step: its position is that of the step.
    assert np.all(steps.shots >= wanted)
    assert np.all(steps.shots <= np.array(wanted) + (4 if between else 0))


def test_an_axis_of_steps_leaves_out_shots_between():
    rng = np.random.default_rng(4)
    values = scan([0.0, 1.0, 2.0], 50, 0.01, 5, rng)
    values[3] = NAN
    axis = make_axis("stage", {"type": "steps"}, values)
    places = axis.places(values)
    expected = np.repeat([0, -1, 1, -1, 2], [50, 5, 50, 5, 50])
    expected[3] = -1
    assert np.array_equal(places, expected)


def test_a_tolerance_joins_positions():
    values = np.repeat([0.0, 1.0, 1.001, 2.0], 10)
    assert len(find_steps(values).position) == 4
    assert len(find_steps(values, tolerance=0.01).position) == 3


def test_a_fly_scan_has_no_steps():
    noise = 0.01 * np.random.default_rng(5).normal(size=500)
    with pytest.raises(UserError, match="no steps"):
        find_steps(np.arange(500.0) + noise)


@pytest.mark.parametrize(
    ("kind", "noise"),
    [("steps", 0.0), ("steps", 0.01), ("linear", 0.0), ("quantiles", 0.0), ("edges", 0.0)],
)
def test_a_scan_variable_that_is_constant(kind, noise):
    values = 3 + noise * np.random.default_rng(6).normal(size=100)
    settings_ = {"type": kind, "bins": 4, "edges": [0, 2, 4]}
    with pytest.raises(UserError, match=r"stage is constant \(3"):
        make_axis("stage", settings_, values)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"type": "linear"}, "0 bins"),
        ({"type": "linear", "bins": 3, "minimum": 9, "maximum": 2}, "no bins lie"),
        ({"type": "edges", "edges": [2, 1]}, "no bins lie"),
        ({"type": "edges"}, "no bins lie"),
        ({"type": "step"}, "step"),
        ({"type": "steps", "tolerance": -1}, "apart"),
    ],
)
def test_settings_that_make_no_bins(settings_, message):
    with pytest.raises(UserError, match=message):
        make_axis("x", settings_, np.arange(50.0))


def test_a_variable_without_values():
    with pytest.raises(UserError, match="no value in any of 3 shots"):
        make_axis("x", {"type": "linear", "bins": 2}, np.full(3, NAN))


def test_labels():
    laser = Label("laser", (0.0, 1.0), ("off", "on"))
    assert laser.places(np.array([1, 0, -1, NAN])).tolist() == [1, 0, -1, -1]
    assert laser.places(np.array([True, False])).tolist() == [1, 0]
    kinds = Label("polarisation", (90.0, 0.0), ("vertical", "horizontal"))
    assert kinds.places(np.array([0, 90, 45])).tolist() == [1, 0, -1]
