"""Waveforms made of known pulses: integrals, hits, amplitudes."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.shots.waveforms import (
    fit_pulses,
    fraction_hits,
    integrate,
    prepare_pulse_fit,
    simple_hits,
    svd_basis,
)


def pulse(time, width, samples):
    t = (np.arange(samples) - time) / width
    return np.where(t > 0, t**2 * np.exp(2 - 2 * t), 0.0)


def test_integral_and_its_error():
    rng = np.random.default_rng(1)
    traces = rng.normal(50, 2, (4000, 3, 200))
    traces[:, :, 120:130] += 7
    found = integrate(traces, {"window": [115, 135], "background": [0, 100]})
    assert found["sum"].shape == (4000, 3)
    first = traces[5, 1]
    expected = np.sum(first[115:135] - np.median(first[:100]))
    assert found["sum"][5, 1] == pytest.approx(expected, rel=1e-12)
    # 12000 values: mean to 0.09, standard deviation to 0.65 %; the formula is for large windows.
    assert found["sum"].mean() == pytest.approx(70, abs=0.5)
    told = np.sqrt(np.mean(found["sum_error"] ** 2))
    assert told == pytest.approx(found["sum"].std(), rel=0.03)


def test_simple_hits():
    trace = np.zeros((2, 50))
    trace[0, 10:13] = [3, 8, 5]
    trace[0, 30] = 4
    trace[1, 48:] = [2, 6]
    found = simple_hits(trace, {"threshold": 2.5, "most": 3})
    assert found["nhits"].tolist() == [2, 1]
    assert found["time"][0, :2].tolist() == [11, 30]
    assert found["height"][0, :2].tolist() == [8, 4]
    assert np.isnan(found["time"][0, 2])
    assert found["time"][1, 0] == 49
    cut = simple_hits(trace, {"threshold": 2.5, "window": [12, 40], "most": 1})
    assert cut["nhits"].tolist() == [2, 0]
    assert cut["time"][0].tolist() == [12]


@pytest.mark.parametrize("negative", [False, True])
def test_times_by_fraction_do_not_depend_on_the_height(negative):
    rng = np.random.default_rng(2)
    times, heights = [400.0, 1100.3, 1900.6], [[50, 900, 200], [700, 60, 400]]
    sign = -1 if negative else 1
    traces = np.array(
        [
            1000 + sign * sum(h * pulse(t, 60, 2600) for h, t in zip(own, times, strict=True))
            for own in heights
        ]
    )
    options = {"smoothing": 8, "delay": 40, "negative": negative, "most": 5}
    clean = fraction_hits(traces, options)
    assert clean["nhits"].tolist() == [3, 3]
    # The crossing of a pulse at time 0 is where 0.75 p(t) = p(t - 40): it is the same for all.
    offsets = clean["time"][:, :3] - times
    assert np.ptp(offsets) < 0.2
    noisy = fraction_hits(traces + rng.normal(0, 2, traces.shape), options)
    assert noisy["nhits"].tolist() == [3, 3]
    assert np.abs(noisy["time"][:, :3] - clean["time"][:, :3]).max() < 2.5


def test_crossing_time_of_a_pulse_is_that_of_its_shape():
    t = np.arange(3000)
    trace = 80 * np.exp(-0.5 * ((t - 1500.4) / 50) ** 2)
    found = fraction_hits(trace[None], {"smoothing": 0, "delay": 30, "fraction": 0.5})
    # ln(1/2) + ((t - m - 30)^2 - (t - m)^2) / (2 50^2) = 0
    expected = 1500.4 + 15 + np.log(0.5) * 50**2 / 30
    assert found["nhits"].tolist() == [1]
    assert found["time"][0, 0] == pytest.approx(expected, abs=0.01)
    assert found["height"][0, 0] == pytest.approx(80, rel=1e-3)


def test_no_hits_in_noise_or_nan():
    rng = np.random.default_rng(3)
    traces = rng.normal(0, 1, (2, 1000))
    traces[1, 4] = np.nan
    found = fraction_hits(traces, {"sigmas": 8, "smoothing": 3})
    assert found["nhits"].tolist() == [0, 0]
    assert np.isnan(found["time"]).all()


def test_svd_basis_has_fixed_signs():
    rng = np.random.default_rng(4)
    shapes = np.stack([pulse(20, 8, 100), pulse(35, 15, 100)])
    traces = rng.normal(size=(60, 2)) @ shapes + 5
    basis = svd_basis(traces, 2, background=[0, 15])
    assert np.allclose(basis @ basis.T, np.eye(2), atol=1e-12)
    rows = traces - np.median(traces[:, :15], axis=1, keepdims=True)
    assert np.allclose(rows @ basis.T @ basis, rows, atol=1e-10)
    assert np.allclose(np.linalg.norm(rows @ basis[0]) ** 2, np.linalg.eigvalsh(rows.T @ rows)[-1])
    assert np.all(basis.max(axis=1) == np.abs(basis).max(axis=1))
    assert np.allclose(svd_basis(-traces[::-1], 2, background=[0, 15]), basis, atol=1e-10)


def test_amplitudes_of_pulses_at_known_delays():
    rng = np.random.default_rng(5)
    single = rng.uniform(1, 3, (50, 1)) * pulse(20, 10, 300)
    fit = prepare_pulse_fit(svd_basis(single, 1), delays=[0, 37, 150])
    heights = rng.uniform(0.5, 4, (20, 3))
    traces = sum(heights[:, i : i + 1] * pulse(20 + d, 10, 300) for i, d in enumerate((0, 37, 150)))
    found = fit_pulses(traces, fit)
    assert np.allclose(found["intensities"], heights, rtol=1e-9)
    norm = np.linalg.norm(pulse(20, 10, 300))
    assert np.allclose(found["norms"], heights * norm, rtol=1e-9)
    assert np.allclose(found["score"], 1)
    noisy = traces + rng.normal(0, 0.1, traces.shape)
    again = fit_pulses(noisy, fit)
    solution = np.linalg.lstsq(fit.model, noisy.T, rcond=None)[0]
    assert np.allclose(again["coefficients"][:, :, 0], solution.T)
    model = (fit.model @ solution).T
    squares = ((noisy - noisy.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    assert np.allclose(again["score"], 1 - ((noisy - model) ** 2).sum(axis=1) / squares)


def test_a_pulse_before_that_of_the_basis():
    basis = svd_basis(pulse(60, 10, 200)[None], 1)
    found = fit_pulses(3 * pulse(45, 10, 200)[None], prepare_pulse_fit(basis, delays=[-15]))
    assert found["score"][0] == pytest.approx(1, abs=1e-6)
    assert found["intensities"][0, 0] == pytest.approx(3, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda t: integrate(t, {"window": [5, 60]}), "of 50 samples"),
        (lambda t: integrate(t, {"windov": [5, 6]}), "did you mean"),
        (lambda t: simple_hits(t, {"threshold": 1, "most": 0}), "most 0"),
        (lambda t: fraction_hits(t, {"delay": 0}), "delay"),
        (lambda t: fraction_hits(t, {"delay": 5, "smoothing": 30}), "smoothing"),
        (lambda t: svd_basis(t, 4), "4 components"),
        (lambda t: svd_basis(t * np.nan, 1), "NaN"),
        (lambda t: prepare_pulse_fit(t, [0, 0]), "delays"),
        (lambda t: fit_pulses(t[:, :40], prepare_pulse_fit(t)), "50 samples"),
    ],
)
def test_what_cannot_be_is_told(call, told):
    with pytest.raises(UserError, match=told):
        call(np.random.default_rng(0).normal(size=(3, 50)))
