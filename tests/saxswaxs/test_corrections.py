"""Monitor normalisation: hand-computed numbers, variances by Monte Carlo, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.saxswaxs.corrections import apply_factor, monitor_factor

SETTINGS = {"monitor": "i0", "reference": "mean", "minimum": 0.0, "uncertainty": "none"}


def test_factor_by_hand():
    everywhere = np.ones(3, bool)
    factor = monitor_factor(np.array([1.0, 2.0, 3.0]), SETTINGS, everywhere, "run a")
    assert factor.values.tolist() == [2.0, 1.0, 2.0 / 3.0]
    assert factor.relative_variance.tolist() == [0, 0, 0]
    assert factor.parameters["reference_used"] == 2.0
    fixed = monitor_factor(np.array([4.0]), {**SETTINGS, "reference": 8.0}, everywhere[:1], "")
    assert fixed.values.tolist() == [2.0]


def test_intensity_and_variance_by_hand():
    factor = monitor_factor(
        np.array([4.0, 16.0]),
        {**SETTINGS, "reference": 8.0, "uncertainty": "counting"},
        np.ones(2, bool),
        "",
    )
    intensity, variance = apply_factor(
        np.array([[3.0, 5.0], [3.0, 5.0]]), np.array([[1.0, 2.0], [1.0, 2.0]]), factor, slice(0, 2)
    )
    assert intensity.tolist() == [[6.0, 10.0], [1.5, 2.5]]
    # f^2 (var + I^2 / m): 4 (1 + 9/4), 4 (2 + 25/4); 1/4 (1 + 9/16), 1/4 (2 + 25/16)
    assert variance.tolist() == [[13.0, 33.0], [0.390625, 0.890625]]


def test_variance_matches_the_scatter_of_simulated_frames():
    rng = np.random.default_rng(3)
    frames, counts, beam = 20000, 400.0, 2500.0
    monitor = rng.poisson(beam, frames).astype(float)
    # The scattering does not follow the noise of the monitor, only its readings do.
    signal = rng.poisson(counts, (frames, 1)).astype(float)
    factor = monitor_factor(
        monitor,
        {**SETTINGS, "reference": beam, "uncertainty": "counting"},
        np.ones(frames, bool),
        "",
    )
    intensity, variance = apply_factor(signal, signal, factor, slice(0, frames))
    pulls = (intensity[:, 0] - counts) / np.sqrt(variance[:, 0])
    assert abs(np.mean(pulls)) < 0.05
    assert abs(np.std(pulls) - 1) < 0.05


def test_the_reference_is_that_of_the_valid_frames_of_the_run():
    readings = np.array([1.0, np.nan, 3.0])
    factor = monitor_factor(readings, SETTINGS, np.array([True, False, True]), "")
    assert factor.parameters["reference_used"] == 2.0
    assert factor.values[0] == 2.0
    assert np.isnan(factor.values[1])


def test_a_reading_counts_although_a_frame_is_missing():
    """What one detector lacks may be there on another, and needs its factor."""
    factor = monitor_factor(
        np.array([1.0, 4.0, 3.0]), SETTINGS, np.array([True, False, True]), "run a"
    )
    assert factor.values.tolist() == [2.0, 0.5, 2.0 / 3.0]


@pytest.mark.parametrize(
    ("readings", "minimum", "words"),
    [
        ([1.0, 0.0, 2.0], 0.0, ["1 of 3 frames", "frame 1 (0)"]),
        ([1.0, np.nan, np.nan], 0.0, ["2 of 3 frames", "1 (nan), 2 (nan)"]),
        ([5.0, 9.0, 50.0], 10.0, ["not above 10", "0 (5), 1 (9)"]),
        ([-1.0, 1.0, 1.0], 0.0, ["0 (-1)"]),
    ],
)
def test_zero_missing_and_low_readings_are_refused(readings, minimum, words):
    with pytest.raises(UserError) as caught:
        monitor_factor(
            np.array(readings), {**SETTINGS, "minimum": minimum}, np.ones(3, bool), "run x"
        )
    assert "'i0'" in caught.value.what
    assert caught.value.where == "run x"
    for word in words:
        assert word in caught.value.what
