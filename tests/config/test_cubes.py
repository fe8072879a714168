"""Settings of cubes and calculations: what is refused, and YAML's on and off."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from scatterflow.config.calculations import CalculationSettings, check_calculations
from scatterflow.config.cubes import CubeSettings

CALCULATION: TypeAdapter = TypeAdapter(CalculationSettings)
CUBE: dict[str, Any] = {
    "axes": {"delay": {"type": "linear", "bins": 3}},
    "labels": {"laser": {"variable": "lightStatus/laser"}},
    "quantities": ["ccd/ring_sum"],
}


def test_on_and_off_as_yaml_reads_them():
    text = """
    labels: {laser: {variable: lightStatus/laser, kinds: {off: 0, on: 1, dim: 2}}}
    quantities: [ccd/ring_sum]
    difference: {label: laser, on: on, off: dim}
    """
    given = yaml.safe_load(text)
    assert True in given["difference"]
    found = CubeSettings.model_validate(given)
    assert found.labels["laser"].kinds == {"off": 0, "on": 1, "dim": 2}
    assert (found.difference.on, found.difference.off) == ("on", "dim")
    assert CubeSettings.model_validate(CUBE).labels["laser"].kinds == {"off": 0, "on": 1}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"axes": {}, "labels": {}}, "give an axis, or a label"),
        ({"quantities": []}, "give one, or a detector"),
        ({"quantities": ["a/b", "a_b"]}, "one name in the file"),
        ({"quantities": ["x", "x_ratio"]}, "one name in the file"),
        ({"quantities": ["shots"]}, "something else"),
        ({"axes": {"mean": {"type": "linear", "bins": 3}}}, "one name in the file"),
        ({"axes": {"laser": {"type": "linear", "bins": 3}}}, "one name in the file"),
        ({"axes": {"delay": {"type": "linear"}}}, "bins"),
        ({"axes": {"delay": {"type": "linear", "bins": 0}}}, "greater than or equal to 1"),
        (
            {"axes": {"delay": {"type": "linear", "bins": 3, "minimum": 2.0, "maximum": 1.0}}},
            "below maximum",
        ),
        ({"axes": {"delay": {"type": "edges", "edges": [0.0, 1.0, 1.0]}}}, "must ascend"),
        ({"axes": {"delay": {"type": "step"}}}, "steps"),
        ({"normalise": {"ccd/ring_sun": "ipm2/sum"}}, "did you mean 'ccd/ring_sum'"),
        ({"difference": {"label": "lazer"}}, "did you mean 'laser'"),
        ({"difference": {"on": "pumped"}}, "no kind 'pumped'"),
        ({"difference": {"off": "on"}}, "the same kind"),
        ({"labels": {"laser": {"variable": "x", "kinds": {"a": 1, "b": 1}}}}, "same value"),
        ({"binz": 3}, "unknown key 'binz'"),
    ],
)
def test_refused_cubes(changes, text):
    with pytest.raises(ValidationError, match=text):
        CubeSettings.model_validate(CUBE | changes)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"type": "histogram", "variable": "x"}, "either `bins` or `edges`"),
        ({"type": "histogram", "variable": "x", "bins": 3, "edges": [1.0, 2.0]}, "either"),
        ({"type": "histogram", "variable": "x", "edges": [1.0, 1.0]}, "must ascend"),
        ({"type": "histogram", "variable": "x", "edges": [1.0, 2.0], "minimum": 1.0}, "limits"),
        (
            {"type": "quantiles", "variable": "x", "minimum": 1.0, "maximum": 0.0},
            "must be below maximum",
        ),
        ({"type": "quantiles", "variable": "x", "fractions": [1.5]}, "less than or equal to 1"),
        ({"type": "running_mean", "variable": "x", "lifetime": 0.5}, "greater than or equal"),
        ({"type": "histogramm", "variable": "x"}, "histogram"),
    ],
)
def test_refused_calculations(given, text):
    with pytest.raises(ValidationError, match=text):
        CALCULATION.validate_python(given)


@pytest.mark.parametrize("other", ["best_ccd", "Best", "title"])
def test_calculations_that_would_have_one_name_in_the_file(other):
    best = CALCULATION.validate_python({"type": "top_shots", "variable": "x", "images": ["ccd"]})
    moments = CALCULATION.validate_python({"type": "moments", "variable": "x"})
    check_calculations({"best": best, "other": moments})
    with pytest.raises(ValueError, match=r"rename"):
        check_calculations({"best": best, other: moments})
