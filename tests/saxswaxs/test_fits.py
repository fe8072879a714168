"""Fits per frame: pulls of simulated frames, start values, and what becomes of frames that fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.saxswaxs import fits
from scatterflow.saxswaxs.fits import STATUS, Profiles, fit_profiles, used_bins

X = np.linspace(0.05, 0.15, 80)
HALF = 0.5 * (X[1] - X[0])
EDGES = np.append(X - HALF, X[-1] + HALF)


def component(model: str, name: str | None = None, **parameters: dict) -> dict:
    empty = {"initial": None, "minimum": None, "maximum": None, "fixed": False}
    return {
        "model": model,
        "name": name or model,
        "parameters": {key: {**empty, **value} for key, value in parameters.items()},
    }


def fit(*components: dict) -> dict:
    return {"name": "f", "components": list(components)}


def profiles(intensity: np.ndarray, sigma: np.ndarray | None, x: np.ndarray = X) -> Profiles:
    half = 0.5 * (x[1] - x[0])
    return Profiles(x, np.append(x - half, x[-1] + half), np.atleast_2d(intensity), sigma)


def gauss(x: np.ndarray, amplitude: float, centre: float, width: float) -> np.ndarray:
    return amplitude * np.exp(-0.5 * ((x - centre) * 2.354820045 / width) ** 2)


def lorentz(x: np.ndarray, amplitude: float, centre: float, width: float) -> np.ndarray:
    return amplitude * (width / 2) ** 2 / ((x - centre) ** 2 + (width / 2) ** 2)


def noisy(truth: np.ndarray, frames: int, seed: int) -> Profiles:
    rng = np.random.default_rng(seed)
    sigma = np.broadcast_to(np.sqrt(truth), (frames, truth.size))
    return profiles(rng.normal(truth, sigma), sigma)


@pytest.mark.parametrize(
    ("peak", "curve", "area"),
    [
        ("gaussian", gauss, 900 * 0.02 * np.sqrt(np.pi / (4 * np.log(2)))),
        ("lorentzian", lorentz, 900 * 0.02 * np.pi / 2),
    ],
)
def test_pulls_of_simulated_frames(peak, curve, area):
    truth = curve(X, 900.0, 0.1, 0.02) + 400 - 1500 * X
    found = fit_profiles(fit(component(peak, "p"), component("linear")), noisy(truth, 1500, 5))
    assert found.success.mean() > 0.999
    expected = {"f_p_centre": 0.1, "f_p_area": area, "f_p_width": 0.02, "f_p_amplitude": 900.0}
    expected |= {"f_linear_intercept": 400.0, "f_linear_slope": -1500.0}
    for name, value in expected.items():
        pulls = (found.values[name] - value) / found.errors[name]
        pulls = pulls[found.success]
        assert abs(pulls.mean()) < 0.1, name
        assert abs(pulls.std() - 1) < 0.1, name
    reduced = found.values["f_reduced_chi_square"]
    assert np.nanmean(reduced) == pytest.approx(1, abs=0.02)
    assert np.nanvar(reduced) == pytest.approx(2 / (X.size - 5), rel=0.2)


@settings(max_examples=25, deadline=None)
@given(
    first=st.floats(0.06, 0.09),
    apart=st.floats(0.02, 0.05),
    heights=st.tuples(st.floats(20, 200), st.floats(20, 200)),
    width=st.floats(0.004, 0.008),
    slope=st.floats(-100, 100),
    scale=st.sampled_from([1e-6, 1.0, 1e7]),
)
def test_two_peaks_are_found_and_named_in_order(first, apart, heights, width, slope, scale):
    second = first + apart
    data = scale * (
        gauss(X, heights[0], first, width) + gauss(X, heights[1], second, width) + 15 + slope * X
    )
    parts = [component("gaussian", "a"), component("gaussian", "b"), component("linear")]
    found = fit_profiles(fit(*parts), profiles(data, None))
    assert found.success.all()
    assert found.values["f_a_centre"][0] == pytest.approx(first, rel=1e-6)
    assert found.values["f_b_centre"][0] == pytest.approx(second, rel=1e-6)
    assert found.values["f_a_amplitude"][0] == pytest.approx(scale * heights[0], rel=1e-5)
    assert found.curve[0] == pytest.approx(data, rel=1e-6)


@pytest.mark.parametrize(
    ("model", "curve", "values"),
    [
        ("constant", lambda x: 7 + 0 * x, {"value": 7}),
        ("linear", lambda x: 7 - 3 * x, {"intercept": 7, "slope": -3}),
        ("quadratic", lambda x: 7 - 3 * x + 90 * x**2, {"curvature": 90, "slope": -3}),
        ("power_law", lambda x: 2e-4 * x**-4.0, {"scale": 2e-4, "exponent": 4}),
        ("exponential", lambda x: 50 * np.exp(-30 * x), {"scale": 50, "rate": 30}),
        ("pseudo_voigt", lambda x: 0.7 * gauss(x, 9, 0.1, 0.02) + 0.3 * lorentz(x, 9, 0.1, 0.02),
         {"amplitude": 9, "fraction": 0.3, "width": 0.02}),
    ],
)  # fmt: skip
def test_every_model_finds_its_own_curve(model, curve, values):
    found = fit_profiles(fit(component(model, "c")), profiles(curve(X), np.full((1, X.size), 0.1)))
    assert found.success.all()
    for name, value in values.items():
        assert found.values[f"f_c_{name}"][0] == pytest.approx(value, rel=1e-6)
    assert found.values["f_reduced_chi_square"][0] == pytest.approx(0, abs=1e-12)


def test_without_sigma_errors_follow_from_the_scatter():
    rng = np.random.default_rng(1)
    data = 3 + 20 * X + rng.normal(0, 0.4, (1, X.size))
    found = fit_profiles(fit(component("linear")), profiles(data, None))
    # scipy-free: the textbook formula of the straight line.
    design = np.stack([np.ones_like(X), X], axis=1)
    best, squares, *_ = np.linalg.lstsq(design, data[0], rcond=None)
    covariance = np.linalg.inv(design.T @ design) * squares[0] / (X.size - 2)
    assert found.values["f_linear_slope"][0] == pytest.approx(best[1], rel=1e-8)
    assert found.errors["f_linear_slope"][0] == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-8)
    assert "f_reduced_chi_square" not in found.values


def test_known_errors_are_not_scaled_by_the_scatter():
    data = 3 + 20 * X
    sigma = np.full((1, X.size), 0.5)
    wild = data + 5 * np.cos(np.arange(X.size) * 2.5)
    calm = fit_profiles(fit(component("linear")), profiles(data, sigma))
    found = fit_profiles(fit(component("linear")), profiles(wild, sigma))
    assert found.errors["f_linear_slope"] == pytest.approx(calm.errors["f_linear_slope"])
    assert found.values["f_reduced_chi_square"][0] > 10


def test_frames_that_cannot_be_fitted_say_why_and_spoil_no_other():
    good = gauss(X, 100, 0.1, 0.02) + 10
    few = np.full(X.size, np.nan)
    few[:3] = 1.0
    edge = 1000 * np.exp(-((X - 0.2) ** 2) / 2e-3)  # rises to the end of the range
    frames = np.array([good, np.full(X.size, np.nan), few, edge, np.zeros(X.size), good])
    sigma = np.where(np.isfinite(frames), 1.0, np.nan)
    found = fit_profiles(fit(component("gaussian"), component("constant")), profiles(frames, sigma))
    told = [STATUS[code] for code in found.status]
    assert told[0] == told[5] == "converged"
    assert told[1] == "no data: no valid bin in the range"
    assert told[2] == "fewer valid bins than free parameters"
    assert told[3] == "a parameter ended at its bound"
    assert told[4] != "converged"
    failed = ~found.success
    for columns in (found.values, found.errors):
        for name, values in columns.items():
            assert np.array_equal(np.isnan(values), failed), name
    assert np.isnan(found.curve[failed]).all()
    alone = fit_profiles(
        fit(component("gaussian"), component("constant")), profiles(good, sigma[:1])
    )
    for name, values in alone.values.items():
        assert values[0] == found.values[name][0] == found.values[name][5]


def test_bins_without_a_value_are_passed_over():
    data = gauss(X, 100, 0.1, 0.02) + 10
    holes = data.copy()
    holes[[5, 40, 41]] = np.nan
    sigma = np.full((1, X.size), 2.0)
    found = fit_profiles(fit(component("gaussian"), component("constant")), profiles(holes, sigma))
    assert found.values["f_gaussian_centre"][0] == pytest.approx(0.1, rel=1e-9)


def test_bins_without_a_count_weigh_as_the_best_known():
    data = np.array([0.0, 1.0, 2.0, 0.0, 4.0])
    sigma = np.sqrt(data)[None]
    weights = fits.weights_of(profiles(data, sigma, np.arange(5.0)))
    assert weights[0] == pytest.approx([1, 1, 1 / np.sqrt(2), 1, 0.5])
    nothing = fits.weights_of(profiles(np.zeros(5), np.zeros((1, 5)), np.arange(5.0)))
    assert np.all(nothing == 0)


def test_a_fraction_may_end_at_its_natural_limits():
    truth = gauss(X, 900.0, 0.1, 0.02) + 100
    found = fit_profiles(
        fit(component("pseudo_voigt", "p"), component("constant")), noisy(truth, 60, 9)
    )
    assert found.success.all()
    at_zero = found.values["f_p_fraction"] == 0
    assert 0.2 < at_zero.mean() < 0.8
    assert np.isfinite(found.errors["f_p_fraction"]).all()


def test_fixed_and_bounded_parameters():
    data = gauss(X, 100, 0.1, 0.02) + 10
    sigma = np.full((1, X.size), 1.0)
    fixed = component("gaussian", centre={"initial": 0.09, "fixed": True})
    found = fit_profiles(fit(fixed, component("constant")), profiles(data, sigma))
    assert found.values["f_gaussian_centre"][0] == 0.09
    assert found.errors["f_gaussian_centre"][0] == 0
    bounded = component("gaussian", width={"maximum": 0.015})
    found = fit_profiles(fit(bounded, component("constant")), profiles(data, sigma))
    assert STATUS[found.status[0]] == "a parameter ended at its bound"


def test_limits_that_leave_no_room_are_refused():
    beyond = component("gaussian", "p", centre={"minimum": 0.2})
    with pytest.raises(UserError) as caught:
        fit_profiles(fit(beyond), profiles(np.ones(X.size), None))
    assert caught.value.what == "centre of component 'p' has no room: from 0.2 to 0.15"


def test_a_given_centre_chooses_the_lower_of_two_peaks():
    data = gauss(X, 100, 0.08, 0.01) + gauss(X, 30, 0.12, 0.01)
    near = component("gaussian", "small", centre={"initial": 0.121, "minimum": 0.11})
    found = fit_profiles(
        fit(near, component("gaussian", "large")), profiles(data, np.ones((1, X.size)))
    )
    assert found.values["f_small_centre"][0] == pytest.approx(0.12, rel=1e-6)
    assert found.values["f_large_centre"][0] == pytest.approx(0.08, rel=1e-6)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ([1.0, 2.0], "outside the profile"),
        ([0.1, 0.1001], "too narrow for the profile"),
    ],
)
def test_a_range_without_bins_is_refused(limits, words):
    with pytest.raises(UserError) as caught:
        used_bins({"range": limits}, X, EDGES, "here")
    assert words in caught.value.what
    assert "0.04937 to 0.1506" in caught.value.how


def test_a_range_takes_the_bins_whose_centre_it_holds():
    assert used_bins({"range": [X[3], X[9] + HALF / 2]}, X, EDGES, "") == slice(3, 10)
    assert used_bins({"range": None}, X, EDGES, "") == slice(0, X.size)
