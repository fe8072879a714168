"""Filters against conditions written out shot by shot; order means nothing; NaN never passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.filters import apply_filters, moving, readback_noise, variables_of

NAN = np.nan
SCALARS = {
    "i0": np.array([1.0, 2.0, NAN, 4.0, 5.0, 6.0]),
    "laser": np.array([1, 0, 1, 0, 1, -1]),
    "shutter": np.array([1, 1, 1, 0, 1, 1]),
    "ipm2/sum": np.array([10.0, 20.0, 30.0, 40.0, NAN, 60.0]),
    "flag": np.array([True, False, True, False, True, False]),
}


def passed(settings: dict) -> list[int]:
    return np.flatnonzero(apply_filters({"one": settings}, SCALARS, 6).passed).tolist()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"type": "range", "variable": "i0", "minimum": 2, "maximum": 5}, [1, 3, 4]),
        ({"type": "range", "variable": "i0", "minimum": 2, "maximum": 5, "strict": True}, [3]),
        ({"type": "range", "variable": "i0", "minimum": 4}, [3, 4, 5]),
        ({"type": "range", "variable": "i0"}, [0, 1, 3, 4, 5]),
        ({"type": "equal", "variable": "i0", "value": 4}, [3]),
        ({"type": "equal", "variable": "i0", "value": 4, "tolerance": 1}, [3, 4]),
        ({"type": "laser", "state": "on"}, [0, 2, 4]),
        ({"type": "laser", "state": "off"}, [1, 3]),
        ({"type": "laser", "state": False, "variable": "flag"}, [1, 3, 5]),
        ({"type": "shutter", "variable": "shutter"}, [0, 1, 2, 4, 5]),
        ({"type": "expression", "expression": "i0 > median(i0)"}, [4, 5]),
        ({"type": "expression", "expression": "ipm2_sum / i0 == 10"}, [0, 1, 3, 5]),
        ({"type": "expression", "expression": "flag or i0 > 5"}, [0, 4, 5]),
        ({"type": "expression", "expression": "1 < 2"}, [0, 1, 2, 3, 4, 5]),
        ({"type": "not", "filter": {"type": "equal", "variable": "i0", "value": 4}}, [0, 1, 4, 5]),
    ],
)
def test_each_type(settings, expected):
    assert passed(settings) == expected


LOW = {"type": "range", "variable": "i0", "maximum": 3}
HIGH = {"type": "range", "variable": "ipm2/sum", "minimum": 40}


def test_groups_treat_nan_as_unknown():
    assert passed({"type": "all", "filters": [LOW, HIGH]}) == []
    assert passed({"type": "any", "filters": [LOW, HIGH]}) == [0, 1, 3, 5]
    # Of shot 2 i0 is unknown, but its sum is too low: it fails both, so `not all` lets it pass.
    both = {"type": "all", "filters": [LOW, HIGH]}
    assert passed({"type": "not", "filter": both}) == [0, 1, 2, 3, 4, 5]
    either = {"type": "any", "filters": [LOW, HIGH]}
    assert passed({"type": "not", "filter": either}) == []


def test_counts_of_what_each_removes():
    filters = {"low": LOW, "laser": {"type": "laser", "state": "on"}}
    found = apply_filters(filters, SCALARS, 6)
    assert np.flatnonzero(found.passed).tolist() == [0]
    assert found.removed == {"low": 4, "laser": 3}  # 2 3 4 5; 1 3 5
    assert found.alone == {"low": 2, "laser": 1}  # 2 4; 1
    assert found.undefined == {"low": 1, "laser": 1}  # i0 of 2; laser of 5


TYPES = st.one_of(
    st.builds(
        lambda name, low, high, strict: {
            "type": "range",
            "variable": name,
            "minimum": min(low, high),
            "maximum": max(low, high),
            "strict": strict,
        },
        st.sampled_from("abc"),
        st.integers(0, 5),
        st.integers(0, 5),
        st.booleans(),
    ),
    st.builds(
        lambda name, value: {"type": "equal", "variable": name, "value": value},
        st.sampled_from("abc"),
        st.integers(0, 5),
    ),
)
TREES = st.recursive(
    TYPES,
    lambda inner: st.one_of(
        st.builds(
            lambda kind, members: {"type": kind, "filters": members},
            st.sampled_from(["all", "any"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        inner.map(lambda one: {"type": "not", "filter": one}),
    ),
    max_leaves=5,
)


def judged(filter_: dict, shot: dict[str, float]) -> bool | None:
    """A filter of one shot: True, False, or None where a scalar is missing."""
    kind = filter_["type"]
    if kind == "not":
        inner = judged(filter_["filter"], shot)
        return None if inner is None else not inner
    if kind in ("all", "any"):
        members = [judged(one, shot) for one in filter_["filters"]]
        settled = kind == "any"
        if settled in members:
            return settled
        return None if None in members else not settled
    value = shot[filter_["variable"]]
    if np.isnan(value):
        return None
    if kind == "equal":
        return value == filter_["value"]
    if filter_["strict"]:
        return filter_["minimum"] < value < filter_["maximum"]
    return filter_["minimum"] <= value <= filter_["maximum"]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("pqrs"), TREES, max_size=4), st.integers(0, 2**32 - 1))
def test_any_tree_shot_by_shot_in_any_order(filters, seed):
    rng = np.random.default_rng(seed)
    scalars = {name: np.where(rng.random(12) < 0.2, NAN, rng.integers(0, 6, 12)) for name in "abc"}
    found = apply_filters(filters, scalars, 12)
    table = [
        {
            name: judged(one, {n: v[shot] for n, v in scalars.items()})
            for name, one in filters.items()
        }
        for shot in range(12)
    ]
    assert found.passed.tolist() == [all(row.values()) for row in table]
    for name in filters:
        failing = [row for row in table if not row[name]]
        assert found.removed[name] == len(failing)
        assert found.undefined[name] == sum(row[name] is None for row in table)
        others = [all(v for n, v in row.items() if n != name) for row in failing]
        assert found.alone[name] == sum(others)
    backwards = apply_filters(dict(reversed(filters.items())), scalars, 12)
    assert np.array_equal(backwards.passed, found.passed)
    assert backwards.removed == found.removed
    shuffled = rng.permutation(12)
    mixed = apply_filters(filters, {n: v[shuffled] for n, v in scalars.items()}, 12)
    assert np.array_equal(mixed.passed, found.passed[shuffled])


# Motors ---------------------------------------------------------------------------------------------


def step_scan(noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ten positions of 40 shots each, six shots of motion between; and which shots see it move."""
    position, moves = [], []
    for step in range(10):
        position += [float(step)] * 40
        moves += [False] * 40
        if step < 9:
            position += list(step + np.arange(1, 7) / 7)
            moves += [True] * 6
    return np.array(position) + noise * rng.normal(size=len(position)), np.array(moves)


def test_a_step_scan_moves_between_its_steps():
    rng = np.random.default_rng(0)
    for noise in (0.0, 1e-3, 5e-3):
        position, moves = step_scan(noise, rng)
        found = moving(position)
        # The first and last shot of a step see the motor leave or arrive.
        edge = np.convolve(moves, [1, 1, 1], "same") > 0
        assert np.all(found[moves])
        assert not found[~edge].any()


def test_a_fly_scan_moves_all_the_time_and_a_parked_motor_never():
    rng = np.random.default_rng(1)
    noise = 0.01 * rng.normal(size=2000)
    assert moving(np.arange(2000.0) + noise).all()
    assert not moving(5.0 + noise).any()
    assert not moving(np.full(50, 3.0)).any()
    assert readback_noise(np.arange(2000.0) + noise) == pytest.approx(0.01, rel=0.1)


def test_a_given_speed_and_missing_positions():
    position = np.array([0.0, 0.0, NAN, 0.0, 1.0, 2.0, 2.0, 2.0])
    assert np.flatnonzero(moving(position, 0.25)).tolist() == [3, 4, 5]
    assert np.flatnonzero(moving(position, 0.6)).tolist() == [4]
    scalars = {"x": position}
    still = apply_filters({"s": {"type": "still", "variable": "x", "speed": 0.25}}, scalars, 8)
    assert np.flatnonzero(still.passed).tolist() == [0, 1, 6, 7]
    assert still.undefined == {"s": 1}
    moves = apply_filters({"m": {"type": "moving", "variable": "x", "speed": 0.25}}, scalars, 8)
    assert np.flatnonzero(moves.passed).tolist() == [3, 4, 5]


def test_too_few_positions_do_not_move():
    assert not moving(np.array([NAN, 1.0, NAN])).any()
    assert not moving(np.array([])).any()


# Faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"type": "rnage", "variable": "i0"}, "rnage"),
        ({"type": "range", "variable": "i1"}, "i1"),
        ({"type": "range", "variable": "i0", "minimum": 3, "maximum": 2}, "nothing lies"),
        ({"type": "range", "variable": "i0", "minimum": NAN}, "NaN"),
        ({"type": "laser", "state": "dim"}, "dim"),
        ({"type": "expression", "expression": "i0 +"}, "cannot be read"),
        ({"type": "expression", "expression": "i0 + 1"}, "not a condition"),
        ({"type": "expression", "expression": "io > 1"}, "i0"),
        ({"type": "all", "filters": []}, "without filters"),
        ({"type": "not"}, "without `filter`"),
        ({"type": "equal", "variable": "i0"}, "without `value`"),
        ({"type": "expression"}, "without `expression`"),
        ({"type": "still", "variable": "i0", "window": 0}, "window"),
        ({"type": "range", "variable": "text"}, "text"),
        ({"type": "range", "variable": "short"}, "short"),
    ],
)
def test_mistakes_are_told(settings, message):
    scalars = SCALARS | {"text": np.array(["a"] * 6), "short": np.arange(3)}
    with pytest.raises(UserError, match=message) as told:
        apply_filters({"mine": settings}, scalars, 6)
    assert "filters.mine" in told.value.where


def test_no_shot_left_is_an_error_where_the_caller_wants_it():
    filters = {"bright": {"type": "range", "variable": "i0", "minimum": 100}}
    found = apply_filters(filters, SCALARS, 6)
    assert not found.passed.any()
    with pytest.raises(UserError, match=r"bright removes 6 \(1 for NaN\)"):
        found.require_some("run 3")
    apply_filters({}, SCALARS, 6).require_some("run 3")


def test_variables_that_a_filter_uses():
    filters = {
        "type": "any",
        "filters": [
            {"type": "not", "filter": LOW},
            {"type": "expression", "expression": "ipm2_sum > mean(b)"},
            {"type": "laser", "state": "on"},
        ],
    }
    assert variables_of(filters) == {"i0", "ipm2_sum", "b", "laser"}
