"""`fits` and `figures`: what is accepted, and what is said of mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from scatterflow.config.analysis import Fit, FitComponent, Guinier, Integral, Porod
from scatterflow.config.load import validate
from scatterflow.errors import UserError

PEAK = {"model": "gaussian"}


def with_analysis(
    data: dict[str, Any], fits: dict | None = None, figures: dict | None = None
) -> Any:
    reduction = data["reductions"]["swaxs"]
    reduction["integrations"]["azimuthal"]["unit"] = "q_A^-1"
    reduction["fits"], reduction["figures"] = fits or {}, figures or {}
    return validate(data, "test").reductions["swaxs"]


def fit(**more: Any) -> dict:
    return {"integration": "azimuthal", "components": [PEAK], **more}


def test_everything_has_sensible_defaults(data):
    found = with_analysis(
        data,
        {"peak": fit()},
        {
            "area": {"type": "integral", "integration": "azimuthal"},
            "twice": {"type": "expression", "expression": "2 * area"},
        },
    )
    assert found.fits["peak"].range is None
    assert found.fits["peak"].components[0].parameters == {}
    assert found.figures["area"].subtract == "none"
    assert with_analysis(data).fits == {}


def test_names_of_components_and_values():
    models = [PEAK, {"model": "linear"}, {"model": "gaussian", "name": "hump"}, PEAK]
    found = Fit.model_validate(fit(components=models))
    assert found.component_names() == ["gaussian_1", "linear", "hump", "gaussian_2"]
    assert found.value_names("f")[:5] == [
        "f_gaussian_1_amplitude",
        "f_gaussian_1_centre",
        "f_gaussian_1_width",
        "f_gaussian_1_area",
        "f_linear_intercept",
    ]
    assert found.value_names("f")[-1] == "f_reduced_chi_square"
    base = {"integration": "a"}
    assert Integral(type="integral", **base).value_names("x") == ["x"]
    assert Guinier(type="guinier", **base).value_names("x") == ["x_rg", "x_i0", "x_qrg_max"]
    assert Porod(type="porod", **base).value_names("x") == ["x_constant", "x_background"]
    free = Porod(type="porod", exponent="fit", background="none", **base)
    assert free.value_names("x") == ["x_constant", "x_exponent"]


@pytest.mark.parametrize(
    ("fits", "figures", "words"),
    [
        ({"p": fit(integration="azimutal")}, {}, "did you mean 'azimuthal'?"),
        ({"p": fit(integration="cake")}, {}, "'cake' is a cake"),
        ({"p": fit(range=[0.2, 0.1])}, {}, "the first value must be below the second"),
        ({"p": fit(components=[])}, {}, "must not be empty"),
        ({"p": fit(components=[{"model": "gausian"}])}, {}, "did you mean 'gaussian'?"),
        (
            {"p": fit(components=[{"model": "gaussian", "parameters": {"center": {}}}])},
            {},
            "gaussian has no parameter 'center': did you mean 'centre'?",
        ),
        ({"p": fit(components=[{**PEAK, "name": "a"}, {**PEAK, "name": "A"}])}, {}, "2 are named 'a'"),
        ({"p": fit(components=[{"model": "power_law"}])}, {}, "a range that begins above 0"),
        ({"mean": fit()}, {}, "'mean' has a meaning in expressions"),
        ({"a-b": fit()}, {}, "cannot be the name of a value"),
        ({"P": fit()}, {"p": {"type": "maximum", "integration": "azimuthal"}}, "differ in case only"),
        ({}, {"a": {"type": "area", "integration": "azimuthal"}}, "unknown 'type' 'area'"),
        ({}, {"a": {"type": "guinier", "integration": "azimuthal", "limits": 1}}, "did you mean 'limit'?"),
        ({}, {"a": {"type": "expression", "expression": "1", "unit": "cts"}}, "write counts"),
        (
            {"p": fit()},
            {"p_gaussian_area": {"type": "maximum", "integration": "azimuthal"}},
            "has a value 'p_gaussian_area' as well",
        ),
        (
            {},
            {
                "a": {"type": "maximum", "integration": "azimuthal"},
                "a_errors": {"type": "maximum", "integration": "azimuthal"},
            },
            "figures.a_errors has a value 'a_errors' as well",
        ),
        (
            {"p": fit(detector="waxs", integration="narrow")},
            {},
            "integration 'narrow' does not use 'waxs'",
        ),
        ({}, {"g": {"type": "guinier", "integration": "angles"}}, "needs an azimuthal integration in q"),
        (
            {},
            {"g": {"type": "porod", "integration": "azimuthal", "range": [0, 1]}},
            "a range that begins above 0",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_told(data, fits, figures, words):
    data["reductions"]["swaxs"]["integrations"] |= {
        "narrow": {"kind": "azimuthal", "detectors": ["saxs"]},
        "angles": {"kind": "azimuthal", "unit": "2th_deg"},
    }
    with pytest.raises(UserError) as caught:
        with_analysis(data, fits, figures)
    assert words in str(caught.value)
    assert "reductions.swaxs" in str(caught.value)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"fixed": True}, "a fixed parameter needs `initial`"),
        ({"minimum": 2, "maximum": 1}, "must be below the maximum"),
        ({"initial": 3, "maximum": 1}, "not between minimum and maximum"),
        ({"start": 3}, "unknown key 'start'"),
    ],
)
def test_limits_of_parameters(parameter, words):
    with pytest.raises(ValueError, match=words):
        FitComponent.model_validate({"model": "constant", "parameters": {"value": parameter}})
