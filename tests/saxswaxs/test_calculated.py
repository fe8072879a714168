"""Values computed from others: numbers and propagated errors against formulas."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.saxswaxs.calculated import calculate

A = np.array([4.0, 9.0, np.nan, 2.0])
B = np.array([2.0, 3.0, 1.0, 0.0])
ERRORS = {"a": np.array([0.1, 0.3, np.nan, 0.2]), "b": np.array([0.05, 0.1, 0.1, 0.1])}
VALUES = {"a": A, "b": B, "ic1": np.array([100, 200, 300, 400])}


def settings(text: str) -> dict:
    return {"name": "v", "type": "expression", "expression": text, "unit": ""}


def test_a_ratio_and_its_error():
    found = calculate(settings("a / b"), VALUES, ERRORS, {}, 4)
    assert found.values["v"][:2] == pytest.approx([2.0, 3.0])
    relative = np.hypot(ERRORS["a"][:2] / A[:2], ERRORS["b"][:2] / B[:2])
    assert found.errors["v"][:2] == pytest.approx([2.0, 3.0] * relative)
    assert found.success.tolist() == [True, True, False, False]
    assert np.isnan(found.values["v"][2:]).all()
    assert np.isnan(found.errors["v"][2:]).all()


@pytest.mark.parametrize(
    ("text", "derivative"),
    [
        ("b ** 3", 3 * B**2),
        ("5 - 2 * b", np.full(4, 2.0)),
        ("b - b", np.zeros(4)),
        ("sin(b)", np.cos(B)),
    ],
)
def test_errors_follow_the_derivative(text, derivative):
    found = calculate(settings(text), VALUES, ERRORS, {}, 4)
    assert found.errors["v"] == pytest.approx(np.abs(derivative) * ERRORS["b"], rel=1e-5, abs=1e-9)


def test_scalars_are_exact_and_alone_have_no_error():
    found = calculate(settings("b / ic1"), VALUES, ERRORS, {}, 4)
    assert found.errors["v"] == pytest.approx(ERRORS["b"] / VALUES["ic1"])
    assert calculate(settings("2 * ic1"), VALUES, ERRORS, {}, 4).errors == {}


def test_means_over_frames_have_no_error():
    found = calculate(settings("b / mean(b)"), VALUES, ERRORS, {}, 4)
    assert found.values["v"] == pytest.approx(B / B.mean())
    assert found.errors == {}


def test_means_over_frames_pass_over_those_without_a_value():
    found = calculate(settings("a / mean(a) + first(b) * 0"), VALUES, ERRORS, {}, 4)
    np.testing.assert_allclose(found.values["v"], A / 5.0)
    found = calculate(settings("b / last(a)"), VALUES, ERRORS, {}, 4)
    np.testing.assert_allclose(found.values["v"], B / 2.0)


def test_a_frame_that_does_not_use_a_failed_value_has_one():
    found = calculate(settings("where(b > 1.5, b, a)"), VALUES, ERRORS, {}, 4)
    assert found.success.tolist() == [True, True, False, True]
    assert found.errors["v"][[0, 1, 3]] == pytest.approx([0.05, 0.1, 0.2])


def test_a_constant_is_one_value_per_frame():
    assert calculate(settings("2 * pi"), VALUES, ERRORS, {}, 3).values["v"] == pytest.approx(
        [2 * np.pi] * 3
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a / b", 0.0),
        ("a * b", 0.2 * A * B),
        ("sqrt(a)", 0.05 * np.sqrt(A)),
        ("a / c", np.hypot(0.1, 0.2) * A / 3),
        ("where(b > 1.5, b, a)", 0.1 * np.where(B > 1.5, B, A)),
    ],
)
def test_the_scale_moves_all_values_of_a_detector(text, error):
    """a and b are of one detector, 10 %; c of another one, 20 %; nothing else is uncertain."""
    values = {"a": A, "b": B, "c": np.full(4, 3.0)}
    scale = {"a": {"saxs": 0.1 * A}, "b": {"saxs": 0.1 * B}, "c": {"waxs": np.full(4, 0.6)}}
    errors = {name: np.abs(next(iter(parts.values()))) for name, parts in scale.items()}
    found = calculate(settings(text), values, errors, scale, 4)
    expected = np.where(found.success, error, np.nan)
    assert found.errors["v"] == pytest.approx(expected, rel=1e-5, abs=1e-9, nan_ok=True)
    for detector in found.scale["v"]:
        assert detector in ("saxs", "waxs")
