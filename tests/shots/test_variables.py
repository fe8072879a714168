"""Computed variables: chains, circles, what is missing; formulas written again."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.shots.variables import compute_all, computed, names_of

NAN = np.nan
VALUES = {
    "ipm2/sum": np.array([1.0, 2.0, NAN, 4.0]),
    "ccd/ring_sum": np.array([10.0, NAN, 30.0, 0.0]),
    "lightStatus/laser": np.array([1, 1, 0, -1], np.int8),
    "scan/delay": np.array([0.5, 0.5, 1.0, 1.0]),
    "tt/ttCorr": np.array([0.1, -0.2, 0.3, NAN]),
    "tt/valid": np.array([1, 0, 1, 1], np.int8),
    "cam/era_sum": np.ones(4),
    "cam_era/sum": np.zeros(4),
}


def expression(text, unit=""):
    return {"type": "expression", "expression": text, "unit": unit}


def one(settings):
    return compute_all({"v": settings}, VALUES, "variables")["v"]


def test_an_expression_of_scalars():
    values, unit = one(expression("ccd_ring_sum / ipm2_sum", "photons/V"))
    np.testing.assert_array_equal(values, [10.0, NAN, NAN, 0.0])
    assert unit == "photons/V"
    assert values.dtype == np.float64


def test_reductions_are_over_all_shots_that_have_a_value():
    values, _ = one(expression("ipm2_sum - mean(ipm2_sum)"))
    np.testing.assert_allclose(values, VALUES["ipm2/sum"] - 7 / 3)
    values, _ = one(expression("mean(ipm2_sum)"))
    np.testing.assert_allclose(values, [7 / 3] * 4)


def test_a_comparison_with_nan_is_not_known():
    values, _ = one(expression("ipm2_sum > 1.5"))
    np.testing.assert_array_equal(values, [0, 1, NAN, 1])
    values, _ = one(expression("not ipm2_sum > 1.5 and lightStatus_laser > 0"))
    np.testing.assert_array_equal(values, [1, 0, NAN, 0])


@pytest.mark.parametrize("laser", [None, "lightStatus/laser"])
@pytest.mark.parametrize(
    ("correction", "valid"), [("own", None), ("own", "tt/valid"), ("tt/ttCorr", None)]
)
def test_the_delay_is_corrected_where_there_is_a_good_edge(laser, correction, valid):
    settings = {"type": "delay", "nominal": "scan/delay", "correction": correction}
    settings |= {key: name for key, name in (("valid", valid), ("laser", laser)) if name}
    expected = VALUES["scan/delay"] + VALUES["tt/ttCorr"]
    if valid or correction == "tt/ttCorr":
        expected[1] = NAN
    if laser:  # a shot without laser keeps the nominal delay, one that may have had it has none
        expected[2:] = 1.0, NAN
    known = {**VALUES, "own": VALUES["tt/ttCorr"]}
    values, unit = compute_all({"v": settings}, known, "variables")["v"]
    np.testing.assert_allclose(values, expected)
    assert unit == "ps"


def test_nobody_knows_the_delay_where_nobody_knows_the_laser():
    settings = {"type": "delay", "nominal": "a", "correction": "b", "laser": "c"}
    known = {"a": np.ones(4), "b": np.full(4, 0.5), "c": np.array([1, 0, -1, NAN])}
    values, _ = compute_all({"v": settings}, known, "variables")["v"]
    np.testing.assert_array_equal(values, [1.5, 1.0, NAN, NAN])


def test_the_delay_of_a_stage():
    """2 passes of 0.15 mm are 0.3 mm of light: 1.0007 ps."""
    settings = {"type": "delay", "stage": {"variable": "scan/delay", "zero": 0.35, "passes": 2}}
    light = 0.299792458  # mm/ps
    values, _ = one(settings)
    np.testing.assert_allclose(values, 2 * (VALUES["scan/delay"] - 0.35) / light)
    assert names_of(settings) == {"scan/delay"}


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_chains_in_any_order(order):
    chain = {
        "a": expression("ipm2_sum * 2"),
        "b": expression("a + 1"),
        "c": expression("a + b"),
    }
    found = compute_all({name: chain[name] for name in order}, VALUES, "variables")
    assert list(found) == list(order)
    np.testing.assert_array_equal(found["c"][0], 4 * VALUES["ipm2/sum"] + 1)


def test_what_cannot_be_computed_yet_waits():
    variables = {
        "a": expression("ccd_map_nPhot"),
        "b": expression("a + 1"),
        "c": expression("-ipm2_sum"),
    }
    assert list(computed(variables, VALUES, "variables")) == ["c"]


@pytest.mark.parametrize(
    ("variables", "text", "place", "how"),
    [
        (
            {"a": expression("ipm2_sun")},
            "the run has no value 'ipm2_sun'",
            "variables.a",
            "did you mean 'ipm2/sum'",
        ),
        # b waits for what a lacks: no circle.
        (
            {"b": expression("a + 1"), "a": expression("xyz * 2")},
            "the run has no value 'xyz'",
            "variables.a",
            "known",
        ),
        ({"a": expression("a + 1")}, "uses its own value", "variables.a", "circle"),
        (
            {"c": expression("a"), "a": expression("b"), "b": expression("a")},
            "uses its own value",
            "variables.a",
            "circle",
        ),
        (
            {"ipm2_sum": expression("scan_delay")},
            "has a value of the name 'ipm2_sum' already",
            "variables.ipm2_sum",
            "another name",
        ),
        ({"a": expression("1 + 1")}, "uses no value of a shot", "variables.a", "name one"),
        (
            {"a": expression("cam_era_sum + 1")},
            "'cam_era_sum' stands for 'cam/era_sum' and for 'cam_era/sum'",
            "variables.a",
            "another name",
        ),
    ],
)
def test_mistakes_are_told(variables, text, place, how):
    with pytest.raises(UserError) as caught:
        compute_all(variables, VALUES, "variables")
    assert text in caught.value.what
    assert caught.value.where == place
    assert how in caught.value.how
