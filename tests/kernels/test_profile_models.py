"""Model functions against numerical derivatives, numerical integrals and their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from scatterflow.kernels.profile_models import MODELS, PEAKS, peak_area

X = np.linspace(0.05, 2.0, 40)
ORDINARY = {
    "amplitude": (-50.0, 50.0),
    "centre": (0.2, 1.5),
    "width": (0.05, 1.0),
    "fraction": (0.0, 1.0),
    "exponent": (0.5, 5.0),
    "rate": (-2.0, 3.0),
    "third": (-0.5, 2.0),
}


def parameters_of(model: str) -> st.SearchStrategy:
    return st.tuples(*(st.floats(*ORDINARY.get(n, (-20, 20))) for n in MODELS[model].parameters))


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_derivatives_are_those_of_the_values(model, data):
    own = np.array([data.draw(parameters_of(model)) for _ in range(2)])
    evaluate = MODELS[model].evaluate
    values, derivatives = evaluate(X, own)
    assert values.shape == (2, X.size)
    assert derivatives.shape == (2, X.size, own.shape[1])
    for index in range(own.shape[1]):
        step = 1e-6 * max(1.0, np.abs(own[:, index]).max())
        up, down = own.copy(), own.copy()
        up[:, index] += step
        down[:, index] -= step
        numerical = (evaluate(X, up)[0] - evaluate(X, down)[0]) / (2 * step)
        scale = max(1.0, np.abs(derivatives[..., index]).max())
        assert np.abs(derivatives[..., index] - numerical).max() < 1e-5 * scale


@pytest.mark.parametrize("model", PEAKS)
def test_width_is_the_full_width_at_half_maximum_and_amplitude_the_height(model):
    own = np.array([[8.0, 0.7, 0.3, 0.4][: len(MODELS[model].parameters)]])
    values = MODELS[model].evaluate(np.array([0.7, 0.55, 0.85]), own)[0][0]
    assert values == pytest.approx([8.0, 4.0, 4.0])


@pytest.mark.parametrize("model", PEAKS)
def test_the_area_of_a_peak_is_its_integral(model):
    own = np.array([[8.0, 0.7, 0.3, 0.4][: len(MODELS[model].parameters)]])

    def height(x: float) -> float:
        return float(MODELS[model].evaluate(np.array([x]), own)[0][0, 0])

    wide = sum(quad(height, *ends)[0] for ends in ((-np.inf, 0.7), (0.7, np.inf)))
    area, derivatives = peak_area(model, own)
    assert area[0] == pytest.approx(wide, rel=1e-7)
    for index in range(own.shape[1]):
        up = own.copy()
        up[0, index] += 1e-6
        assert derivatives[0, index] == pytest.approx(
            (peak_area(model, up)[0][0] - area[0]) / 1e-6, abs=1e-4
        )


def test_backgrounds_are_what_their_names_say():
    x = np.array([0.5, 2.0])
    expected = {
        "constant": ([3.0], [3.0, 3.0]),
        "linear": ([3.0, 2.0], [4.0, 7.0]),
        "quadratic": ([3.0, 2.0, 4.0], [5.0, 23.0]),
        "power_law": ([3.0, 4.0], [48.0, 3 / 16]),
        "exponential": ([3.0, 2.0], [3 * np.exp(-1), 3 * np.exp(-4)]),
        "guinier": ([3.0, 2.0], [3 * np.exp(-0.5), 3 * np.exp(-8)]),
    }
    for model, (own, values) in expected.items():
        assert MODELS[model].evaluate(x, np.array([own]))[0][0] == pytest.approx(values)
