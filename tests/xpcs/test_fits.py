"""Fits give back what g2 was made of, with errors that hold, and say what went wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.sources.simulated_speckles import SpeckleRun, photon_frames
from scatterflow.xpcs.delays import delays_of
from scatterflow.xpcs.fits import (
    AT_BOUND,
    DRIFT,
    FAILED,
    LEFT_OUT,
    NO_DATA,
    OUTSIDE,
    covariance_of_windows,
    fit_g2,
)
from scatterflow.xpcs.models import DECAYS, model_of

FRAME_TIME = 1e-3
LEVEL = np.concatenate([np.zeros(8, int), np.repeat(np.arange(1, 8), 4)])
DELAY = np.concatenate([np.arange(1, 9), np.tile(np.arange(5, 9), 7) * 2 ** LEVEL[8:]])
DELAYS = delays_of(DELAY, LEVEL, FRAME_TIME)


def averaged(g1, part: float = 1.0) -> np.ndarray:
    """h of every delay by the sum over all pairs of frames; g1: of a time in s."""
    values = []
    for delay, level in zip(DELAY, LEVEL, strict=True):
        frames = np.arange(2**level)
        field = g1((delay + frames[:, None] - frames) * FRAME_TIME)
        values.append((part**2 * field**2 + 2 * part * (1 - part) * field).mean())
    return np.array(values)


KNOWN = {
    "single": ({"tau": 0.03}, lambda t: np.exp(-t / 0.03)),
    "stretched": (
        {"tau": 0.03, "stretching": 0.7},
        lambda t: np.exp(-((t / 0.03) ** 0.7)),
    ),
    "double": (
        {"tau": 0.004, "tau_slow": 0.15, "fraction": 0.4},
        lambda t: 0.4 * np.exp(-t / 0.004) + 0.6 * np.exp(-t / 0.15),
    ),
}


@pytest.mark.parametrize("heterodyne", [False, True])
@pytest.mark.parametrize("name", KNOWN)
def test_every_model_gives_back_what_g2_was_made_of(name, heterodyne):
    known, g1 = KNOWN[name]
    known = {"baseline": 1.0 if heterodyne else 1.01, "contrast": 0.18, **known}
    if heterodyne:
        known["dynamic_fraction"] = 0.6
    g2 = known["baseline"] + 0.18 * averaged(g1, known.get("dynamic_fraction", 1.0))
    setting = {"model": name, "heterodyne": heterodyne, "baseline": "free"}
    if heterodyne:
        setting["baseline"] = "fixed"
        # Contrast and mixing are told apart by the shape alone: all but hopeless beside a free decay.
        setting["start"] = known
    fit = fit_g2(setting, DELAYS, g2[:, None], np.full((DELAY.size, 1), 1e-4))
    assert fit.best_fit[:, 0] == pytest.approx(g2, abs=2e-6)
    assert fit.reduced_chi_square[0] < 1e-3
    assert fit.flags[0] == 0
    tolerance = 0.02 if heterodyne else 1e-3
    for parameter, value in known.items():
        assert fit.column(parameter)[0][0] == pytest.approx(value, rel=tolerance), parameter


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(sorted(DECAYS)),
    st.booleans(),
    st.lists(st.floats(0.1, 0.9), min_size=6, max_size=6),
)
def test_derivatives_are_those_of_the_values(name, heterodyne, drawn):
    model = model_of(name, heterodyne)
    parameters = np.array(drawn[: len(model.names)])
    parameters[model.logarithmic] -= 4.0
    derivatives = model.values(parameters[None], DELAYS)[1][0]
    for place in range(parameters.size):
        step = np.zeros(parameters.size)
        step[place] = 1e-6
        above = model.values((parameters + step)[None], DELAYS)[0][0]
        below = model.values((parameters - step)[None], DELAYS)[0][0]
        slope = (above - below) / 2e-6
        assert derivatives[:, place] == pytest.approx(slope, abs=1e-7)


def pulls(fit, known):
    found = {}
    for name, value in known.items():
        values, errors = fit.column(name)
        found[name] = (values - value) / errors
    return found


def test_errors_hold_for_independent_delays():
    bins = 400
    random = np.random.default_rng(11)
    error = 0.002 * (1 + np.arange(DELAY.size) / 20)[:, None] * np.ones(bins)
    truth = 1 + 0.2 * averaged(lambda t: np.exp(-((t / 0.02) ** 0.8)))
    g2 = truth[:, None] + error * random.standard_normal(error.shape)
    fit = fit_g2({"model": "stretched", "baseline": "free"}, DELAYS, g2, error)
    assert (fit.flags == 0).all()
    known = {"baseline": 1.0, "contrast": 0.2, "tau": 0.02, "stretching": 0.8}
    for name, pull in pulls(fit, known).items():
        # Standard error of the standard deviation of 400 pulls: 0.035.
        assert pull.std() == pytest.approx(1.0, abs=0.15), name
        assert abs(pull.mean()) < 0.25, name
    assert fit.reduced_chi_square.mean() == pytest.approx(1.0, abs=0.05)
    # Variances and covariance agree with the scatter of the values.
    scatter = np.cov(fit.values.T)
    assert np.median(fit.covariance, axis=0)[1, 2] == pytest.approx(scatter[1, 2], rel=0.35)


def correlated_noise(random, shape):
    """Noise that neighbouring delays share, as that of speckles that relax slowly; its covariance."""
    near = np.exp(-np.abs(np.subtract.outer(*[np.arange(DELAY.size)] * 2)) / 6.0)
    root = np.linalg.cholesky(near)
    return random.standard_normal(shape) @ root.T, near


def test_errors_hold_for_correlated_delays_where_their_covariance_is_given():
    bins = 400
    random = np.random.default_rng(12)
    sigma = 0.003
    noise, near = correlated_noise(random, (bins, DELAY.size))
    truth = 1 + 0.2 * averaged(lambda t: np.exp(-t / 0.02))
    g2 = truth[:, None] + sigma * noise.T
    error = np.full(g2.shape, sigma)
    setting = {"model": "single", "baseline": "free"}
    covariance = np.broadcast_to(sigma**2 * near, (bins, DELAY.size, DELAY.size))
    known = {"baseline": 1.0, "contrast": 0.2, "tau": 0.02}
    fit = fit_g2(setting, DELAYS, g2, error, covariance)
    assert fit.correlated
    for name, pull in pulls(fit, known).items():
        assert pull.std() == pytest.approx(1.0, abs=0.15), name
    # Taken as independent the same delays promise too much: what the covariance is for.
    alone = fit_g2(setting, DELAYS, g2, error)
    assert not alone.correlated
    assert pulls(alone, known)["contrast"].std() > 1.5
    assert np.array_equal(alone.values, fit.values)


def test_windows_of_time_give_the_correlation_of_delays():
    random = np.random.default_rng(13)
    noise, near = correlated_noise(random, (16, 300, DELAY.size))
    windows = 1 + 0.01 * noise.transpose(0, 2, 1)
    # Late delays are in none of the windows, or in too few to tell.
    windows[:, 30:] = np.nan
    windows[2:, 29] = np.nan
    error = 0.01 / 4 * np.linspace(1, 2, DELAY.size)[:, None] * np.ones(300)
    found = covariance_of_windows(error, windows)
    expected = near * error[:, 0] * error[None, :, 0]
    expected[29:] = expected[:, 29:] = 0
    places = np.arange(DELAY.size)
    expected[places, places] = error[:, 0] ** 2
    assert found[:, places, places] == pytest.approx(error.T**2)
    # Correlations of 15 degrees of freedom are a little low, and 300 bins make them sharp.
    assert found.mean(axis=0) == pytest.approx(expected, abs=0.05 * error.max() ** 2)


def correlated_frames(intensity):
    """g2 of DELAYS, (T, patches), of photons (frames, patches, pixels) by its definition, all levels."""
    levels = [intensity.astype(np.float64)]
    while len(levels) <= LEVEL.max():
        whole = len(levels[-1]) // 2 * 2
        levels.append(levels[-1][:whole:2] + levels[-1][1:whole:2])
    g2 = []
    for delay, level in zip(DELAY, LEVEL, strict=True):
        values, step = levels[level], delay >> level
        if step >= len(values):
            g2.append(np.full(intensity.shape[1], np.nan))
            continue
        before, after = values[: len(values) - step], values[step:]
        means = before.mean(axis=(0, 2)) * after.mean(axis=(0, 2))
        g2.append((before * after).mean(axis=(0, 2)) / means)
    return np.array(g2)


def test_errors_hold_for_photons_of_simulated_speckles():
    run = SpeckleRun(
        shape=(96, 96),
        frames=1200,
        photons=1.0,
        beamstop_pixels=-1.0,
        beam_row=47.3,
        intensity_exponent=0.0,
        tau_frames=6.0,
        tau_exponent=0.0,
        modes=2,
        speckle_block=2,
    )
    whole, windows = [], []
    for seed in range(3):
        frames = np.concatenate([block for _, block in photon_frames(run, seed)])
        patches = frames.reshape(run.frames, 6, 16, 6, 16).transpose(0, 1, 3, 2, 4)
        patches = patches.reshape(run.frames, 36, 256)
        whole.append(correlated_frames(patches))
        windows.append([correlated_frames(part) for part in np.split(patches, 10)])
    g2 = np.concatenate(whole, axis=1)
    parts = np.concatenate(windows, axis=2)
    # The true errors: what is tried is how delays are correlated.
    error = np.repeat(g2.std(axis=1, ddof=1, keepdims=True), g2.shape[1], axis=1)
    setting = {"model": "single", "range": [0.0, 0.25]}
    known = {"contrast": 0.5, "tau": 0.006, "baseline": 1.0}
    fit = fit_g2(setting, DELAYS, g2, error, covariance_of_windows(error, parts))
    assert (fit.flags == 0).all()
    for name, pull in pulls(fit, known).items():
        # 108 patches: the width is known to 0.07.
        assert pull.std() == pytest.approx(1.0, abs=0.2), name
        assert abs(pull.mean()) < 0.35, name
    alone = pulls(fit_g2(setting, DELAYS, g2, error), known)
    assert max(pull.std() for pull in alone.values()) > 1.2


def test_flags_say_what_became_of_each_bin():
    truth = averaged(lambda t: np.exp(-t / 0.02))
    g2 = 1 + 0.2 * np.repeat(truth[:, None], 6, axis=1)
    error = np.full(g2.shape, 1e-3)
    g2[3, 1] = np.nan
    error[4, 1] = 0.0
    g2[2:, 2] = np.nan
    g2[:, 3] += 0.1
    g2[:, 4] = 1 + 0.2 * averaged(lambda t: np.exp(-t / 5.0))
    g2[:, 5] = 1 + 3.0 * truth
    fit = fit_g2({"model": "single"}, DELAYS, g2, error)
    assert fit.flags[0] == 0
    assert fit.flags[1] == LEFT_OUT
    assert fit.flags[2] == NO_DATA | LEFT_OUT
    assert np.isnan(fit.values[2]).all()
    assert np.isnan(fit.best_fit[:, 2]).all()
    assert fit.flags[3] == DRIFT
    assert fit.flags[4] & OUTSIDE
    assert fit.flags[5] & AT_BOUND
    assert fit.values[[0, 1, 3], 2] == pytest.approx(0.02, rel=1e-6)


def test_a_fixed_baseline_is_fixed_and_its_drift_seen():
    g2 = 1.08 + 0.2 * averaged(lambda t: np.exp(-t / 0.01))[:, None]
    fit = fit_g2({"model": "single", "baseline": "fixed"}, DELAYS, g2, np.full(g2.shape, 1e-3))
    assert fit.column("baseline")[0][0] == 1.0
    assert fit.column("baseline")[1][0] == 0.0
    assert fit.flags[0] & DRIFT


def test_a_range_is_kept_to():
    g2 = 1 + 0.2 * averaged(lambda t: np.exp(-t / 0.01))[:, None]
    g2[DELAYS.seconds > 0.1] = 5.0
    fit = fit_g2({"model": "single", "range": [0.0, 0.1]}, DELAYS, g2, np.full(g2.shape, 1e-3))
    assert fit.column("tau")[0][0] == pytest.approx(0.01)
    assert np.array_equal(np.isfinite(fit.best_fit[:, 0]), DELAYS.seconds <= 0.1)


def test_bins_do_not_depend_on_each_other():
    random = np.random.default_rng(4)
    truth = 1 + 0.2 * averaged(lambda t: np.exp(-t / 0.02))
    g2 = truth[:, None] + 0.01 * random.standard_normal((DELAY.size, 5))
    error = np.full(g2.shape, 0.01)
    together = fit_g2({"model": "stretched"}, DELAYS, g2, error)
    for place in range(5):
        own = slice(place, place + 1)
        alone = fit_g2({"model": "stretched"}, DELAYS, g2[:, own], error[:, own])
        assert alone.values[0] == pytest.approx(together.values[place], rel=1e-6)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"model": "triple"}, "no model 'triple'"),
        ({"model": "single", "baseline": "held"}, "baseline is 'held'"),
        ({"model": "single", "range": [10.0, 20.0]}, "0 delays between 10 and 20 s"),
        ({"model": "single", "bounds": {"taus": [1, 2]}}, "no parameter 'taus'"),
        ({"model": "single", "bounds": {"tau": [2, 1]}}, "bounds 2 to 1 of tau"),
        ({"model": "single", "bounds": {"tau": [0, 1]}}, "bounds 0 to 1 of tau"),
        ({"model": "single", "start": {"c": 1.0}}, "no parameter 'c'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, message):
    g2 = np.ones((DELAY.size, 1))
    with pytest.raises(UserError, match=message):
        fit_g2(setting, DELAYS, g2, g2)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(DECAYS)),
    st.booleans(),
    st.lists(
        st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0, 1.2, 1e6, -3.0]),
        min_size=DELAY.size,
        max_size=DELAY.size,
    ),
    st.sampled_from([0.0, np.nan, 1e-3, 1e6]),
)
def test_junk_is_flagged_and_nothing_else(name, heterodyne, values, error):
    g2 = np.array(values)[:, None]
    fit = fit_g2(
        {"model": name, "heterodyne": heterodyne},
        DELAYS,
        g2,
        np.full(g2.shape, error),
        covariance_of_windows(np.full(g2.shape, error), np.stack([g2, g2 + 0.1, g2])),
    )
    failed = (fit.flags & FAILED) > 0
    assert np.isnan(fit.values[failed]).all()
    assert np.isfinite(fit.values[~failed]).all()
    if not np.isfinite(g2).all() or not error > 0:
        assert fit.flags[0] & LEFT_OUT
