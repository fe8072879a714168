"""Least squares of many frames against MINPACK, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from scatterflow.kernels.least_squares import least_squares
from scatterflow.kernels.profile_models import MODELS

X = np.linspace(0.08, 0.12, 50)
TRUTH = np.array([100.0, 0.1, 0.008, 0.4, 20.0, -30.0])
LOWER = np.array([-np.inf, 0.08, 0.0004, 0.0, -np.inf, -np.inf])
UPPER = np.array([np.inf, 0.12, 0.08, 1.0, np.inf, np.inf])
START = np.array([70.0, 0.103, 0.013, 0.5, 10.0, 0.0])


def model(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A pseudo-Voigt peak on a line."""
    peak, by_peak = MODELS["pseudo_voigt"].evaluate(X, parameters[:, :4])
    line, by_line = MODELS["linear"].evaluate(X, parameters[:, 4:])
    return peak + line, np.concatenate([by_peak, by_line], axis=-1)


def solve(data, weights, free=None, lower=LOWER, upper=UPPER, start=START):
    shape = (len(data), TRUTH.size)
    return least_squares(
        model,
        data,
        weights,
        np.broadcast_to(start, shape),
        np.broadcast_to(lower, shape),
        np.broadcast_to(upper, shape),
        np.ones(TRUTH.size, bool) if free is None else free,
    )


@pytest.fixture
def noisy():
    rng = np.random.default_rng(3)
    sigma = rng.uniform(1, 4, (30, X.size))
    return model(np.broadcast_to(TRUTH, (30, 6)))[0] + rng.normal(0, sigma), 1 / sigma


def test_equals_minpack_where_no_bound_is_met(noisy):
    data, weights = noisy
    found = solve(data, weights)
    assert found.converged.all()
    inside = 0
    for frame in range(len(data)):
        other, covariance = scipy.optimize.curve_fit(
            lambda x, *p: model(np.array(p)[None])[0][0],
            X,
            data[frame],
            START,
            1 / weights[frame],
            absolute_sigma=True,
            method="lm",
            maxfev=10_000,
        )
        if np.any(other <= LOWER) or np.any(other >= UPPER):
            continue
        inside += 1
        errors = np.sqrt(np.diag(covariance))
        assert np.abs((found.parameters[frame] - other) / errors).max() < 1e-3
        assert np.sqrt(np.diag(found.covariance[frame])) == pytest.approx(errors, rel=1e-3)
        chi_square = np.sum((weights[frame] * (model(other[None])[0][0] - data[frame])) ** 2)
        assert found.chi_square[frame] <= chi_square * (1 + 1e-9)
    assert inside > 15


def test_frames_do_not_depend_on_one_another(noisy):
    data, weights = noisy
    together = solve(data, weights)
    for part in (slice(0, 1), slice(1, 4), slice(4, 30)):
        alone = solve(data[part], weights[part])
        assert np.array_equal(alone.parameters, together.parameters[part])
        assert np.array_equal(alone.covariance, together.covariance[part])
        assert np.array_equal(alone.chi_square, together.chi_square[part])


def test_noiseless_data_are_found_again():
    data = model(TRUTH[None])[0]
    found = solve(data, np.ones(data.shape))
    assert found.converged.all()
    assert found.parameters[0] == pytest.approx(TRUTH, rel=1e-9)


def test_bins_without_weight_do_not_count(noisy):
    data, weights = noisy
    data, weights = data.copy(), weights.copy()
    weights[:, 10:15] = 0
    reference = solve(data, weights)
    data[:, 10:15] = 1e6
    assert np.array_equal(solve(data, weights).parameters, reference.parameters)


def test_fixed_parameters_stay_and_have_no_covariance(noisy):
    data, weights = noisy
    free = np.array([True, True, True, False, True, True])
    start = START.copy()
    start[3] = 0.4
    found = solve(data, weights, free, start=start)
    assert np.all(found.parameters[:, 3] == 0.4)
    assert np.all(found.covariance[:, 3] == 0)
    assert np.all(found.covariance[:, :, 3] == 0)
    assert not found.at_bound[:, 3].any()


def test_a_minimum_beyond_the_bounds_ends_at_the_bound(noisy):
    data, weights = noisy
    upper = UPPER.copy()
    upper[1] = 0.095
    found = solve(data, weights, upper=upper)
    assert found.at_bound[:, 1].all()
    assert np.all(found.parameters[:, 1] == 0.095)
    # What remains free is at its own minimum.
    free = np.array([True, False, True, True, True, True])
    start = START.copy()
    start[1] = 0.095
    alone = solve(data, weights, free, upper=UPPER, start=start)
    assert found.chi_square == pytest.approx(alone.chi_square, rel=1e-6)


def test_parameters_that_cannot_be_told_apart_are_reported():
    data = np.full((2, X.size), 5.0)

    def two_constants(parameters):
        one = np.ones((len(parameters), X.size, 2))
        return parameters.sum(axis=1)[:, None] + np.zeros(X.size), one

    unbounded = np.full((2, 2), np.inf)
    found = least_squares(
        two_constants,
        data,
        np.ones(data.shape),
        np.zeros((2, 2)),
        -unbounded,
        unbounded,
        np.ones(2, bool),
    )
    assert found.singular.all()
    assert np.isnan(found.covariance).all()


def test_a_start_without_a_finite_model_does_not_converge():
    def overflow(parameters):
        value = np.exp(1000 * parameters) + np.zeros((len(parameters), 3))
        return value, 1000 * value[..., None]

    wide = np.full((1, 1), np.inf)
    found = least_squares(
        overflow, np.zeros((1, 3)), np.ones((1, 3)), np.ones((1, 1)), -wide, wide, np.ones(1, bool)
    )
    assert not found.converged.any()
    assert np.isinf(found.chi_square).all()
