"""What a delay averages over, against sums over all pairs of frames and closed formulas."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.xpcs.delays import delays_of, sums_of

LEVELS = np.repeat(np.arange(12), 4)
DELAYS = np.tile(np.arange(5, 9), 12) * 2**LEVELS


@pytest.mark.parametrize("tau", [0.7, 5.0, 40.0, 3000.0])
def test_levels_average_an_exponential_as_the_closed_formula_says(tau):
    delays = delays_of(DELAYS, LEVELS, 0.02)
    found = delays.average(np.exp(-2 * delays.times / (tau * 0.02)))
    frames = 2.0**LEVELS
    # In logarithms, as sinh overflows where the decay has long vanished.
    log_ratio = (frames - 1) / tau + np.log(
        -np.expm1(-2 * frames / tau) / -np.expm1(-2 / tau) / frames
    )
    expected = np.exp(-2 * DELAYS / tau + 2 * log_ratio)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert delays.seconds == pytest.approx(DELAYS * 0.02)


@pytest.mark.parametrize("exponent", [0.5, 1.6])
def test_levels_average_any_decay_as_the_sum_over_pairs(exponent):
    delays = delays_of(DELAYS[:32], LEVELS[:32], 1.0)
    found = delays.average(np.exp(-2 * (delays.times / 30.0) ** exponent))
    for row, (delay, level) in enumerate(zip(DELAYS[:32], LEVELS[:32], strict=True)):
        frames = np.arange(2**level)
        apart = delay + frames[:, None] - frames
        assert found[row] == pytest.approx(np.exp(-2 * (apart / 30.0) ** exponent).mean(), abs=1e-9)


def test_weights_add_up_and_levels_of_few_delays_are_exact_too():
    # One delay per level: a sum of 2^l frames against the next but one.
    level = np.arange(9)
    delays = delays_of(2 * 2**level, level, 1.0, exposure_s=0.5)
    assert delays.weights.sum(axis=1) == pytest.approx(1.0)
    found = delays_of(2 * 2**level, level, 1.0)
    for row, number in enumerate(level):
        frames = np.arange(2**number)
        apart = 2 * 2**number + frames[:, None] - frames
        average = found.average(np.exp(-2 * found.times / 20.0))[row]
        assert average == pytest.approx(np.exp(-2 * apart / 20.0).mean(), abs=1e-9)


def test_frames_added_up_before_average_too():
    delays = delays_of(np.array([1, 2, 6]), np.array([0, 0, 1]), 0.5, average=3)
    assert delays.seconds == pytest.approx([1.5, 3.0, 9.0])
    found = delays.average(np.exp(-2 * delays.times / 4.0))
    for row, (delay, added) in enumerate([(3, 3), (6, 3), (18, 6)]):
        frames = np.arange(added)
        apart = 0.5 * (delay + frames[:, None] - frames)
        assert found[row] == pytest.approx(np.exp(-2 * apart / 4.0).mean(), abs=1e-9)


def test_an_exposure_averages_as_the_closed_formula_says():
    delays = delays_of(np.array([1, 2, 10]), np.zeros(3, int), 0.1, exposure_s=0.08)
    found = delays.average(np.exp(-2 * delays.times / 0.3))
    x = 0.08 / 0.3
    expected = np.exp(-2 * delays.seconds / 0.3) * (np.sinh(x) / x) ** 2
    assert found == pytest.approx(expected, rel=1e-12)


def test_sums_of_frames_average_over_pairs_with_themselves():
    exposures = np.array([1, 2, 4, 8])
    instants = sums_of(exposures, 1.0)
    found = instants.average(np.exp(-2 * instants.times / 3.0))
    for row, frames in enumerate(exposures):
        apart = np.abs(np.arange(frames)[:, None] - np.arange(frames))
        assert found[row] == pytest.approx(np.exp(-2 * apart / 3.0).mean())
    # Frames that gather photons all the time: Bandyopadhyay's formula of the whole exposure.
    whole = sums_of(exposures, 1.0, exposure_s=1.0)
    x = exposures / 3.0
    expected = (np.exp(-2 * x) - 1 + 2 * x) / (2 * x**2)
    assert whole.average(np.exp(-2 * whole.times / 3.0)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("tau", [0.3, 3.0, 100.0, 1e5])
def test_sums_of_many_frames_take_few_times(tau):
    exposures = np.array([1, 7, 16, 1000, 40_000])
    delays = sums_of(exposures, 1.0)
    found = delays.average(np.exp(-2 * delays.times / tau))
    for row, frames in enumerate(exposures):
        apart = np.arange(frames)
        pairs = np.where(apart > 0, 2, 1) * (frames - apart) / frames**2
        assert found[row] == pytest.approx(np.sum(pairs * np.exp(-2 * apart / tau)), rel=1e-9)
    assert delays.times.shape[1] < 150


@pytest.mark.parametrize(("frame_time", "exposure"), [(0.0, 0.0), (1.0, 1.5), (1.0, -1.0)])
def test_impossible_times_are_refused(frame_time, exposure):
    with pytest.raises(UserError, match=" s"):
        delays_of(np.arange(1, 4), np.zeros(3, int), frame_time, exposure)
