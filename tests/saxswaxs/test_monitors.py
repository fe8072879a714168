"""Monitors: refused readings, transmissions above 1, and what `on_violation: warn` leaves."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.saxswaxs.monitors import (
    Readings,
    check_durations,
    listed_frames,
    mean_reference,
    monitor_readings,
    open_beam,
)

from .chains import DEFAULTS, corrected, run, settings

FLUX = DEFAULTS["flux"]


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
        monitor_readings(
            np.array(readings), {**FLUX, "minimum": minimum}, np.ones(3, bool), "run x", []
        )
    assert "'i0'" in caught.value.what
    assert caught.value.where == "run x"
    for word in words:
        assert word in caught.value.what


def test_frames_with_refused_readings_can_be_left_without_value():
    warnings: list[str] = []
    steps = settings(flux={"on_violation": "warn"})
    data = run("a", [[4.0], [4.0], [4.0]], {"i0": [1, 0, 3]}, steps)
    intensity, errors, mean, corrections = corrected(data, warnings=warnings)
    assert corrections.reference == 2
    np.testing.assert_allclose(intensity[:, 0], [8, np.nan, 8 / 3])
    assert np.isnan(errors[1, 0])
    np.testing.assert_allclose(mean.intensity, [16 / 3])
    (warning,) = warnings
    assert warning.startswith("run a: monitor 'i0'")
    assert "frame 1 (0)" in warning


def test_no_reading_at_all_is_refused_in_any_case():
    with pytest.raises(UserError, match="no reading above 0 in any valid frame"):
        monitor_readings(
            np.zeros(3), {**FLUX, "on_violation": "warn"}, np.ones(3, bool), "run x", []
        )


def test_long_lists_of_frames_are_cut():
    assert listed_frames(np.arange(8), np.arange(8.0)).endswith("4 (4) and 3 more")


def test_uncertainties_of_readings():
    for uncertainty, variance in (("none", 0.0), ("counting", 0.25), (0.1, 0.01)):
        found = monitor_readings(
            np.array([4.0]), {**FLUX, "uncertainty": uncertainty}, np.ones(1, bool), "", []
        )
        np.testing.assert_allclose(found.relative_variance, [variance])


def test_sums_not_ratios():
    readings = Readings("i0", np.array([1.0, 3.0]), np.array([1.0, 1 / 3]))
    behind = Readings("i1", np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    used = np.ones(2, bool)
    beam = open_beam([(readings, behind, used)], "run x")
    assert beam.ratio == 0.5  # mean of the ratios: 2 / 3
    np.testing.assert_allclose([beam.incident_variance, beam.transmitted_variance], [1 / 4, 1 / 2])
    assert mean_reference(readings, np.array([1.0, 7.0]), used) == 0.5


def test_monitors_of_a_background_that_never_read_together_are_refused():
    """Each has readings, but no frame has both: the transmission would be NaN without a word."""
    readings = Readings("i0", np.array([1.0, np.nan]), np.zeros(2))
    behind = Readings("i1", np.array([np.nan, 1.0]), np.zeros(2))
    with pytest.raises(UserError, match="no frame of the background") as caught:
        open_beam([(readings, behind, np.ones(2, bool))], "run x")
    assert caught.value.where == "run x"


def absorbed(i1: float, **changes) -> tuple:
    steps = settings(flux={"reference": 1.0}, absorption={"reference": 1.0, **changes})
    return run("a", [[4.0], [4.0]], {"i0": [1, 1], "i1": [0.5, i1]}, steps)


def test_a_transmission_above_1():
    with pytest.raises(
        UserError, match=r"transmission is above 1 in 1 of 2 frames: frame 1 \(1.2\)"
    ):
        corrected(absorbed(1.2))
    warnings: list[str] = []
    intensity, *_ = corrected(absorbed(1.2, on_violation="warn"), warnings=warnings)
    np.testing.assert_allclose(intensity[:, 0], [8, 4 / 1.2])
    assert len(warnings) == 1
    corrected(absorbed(1.2, tolerance=0.25))
    corrected(absorbed(1.01))


@pytest.mark.parametrize("transmission", [1.0, 1.01])
def test_no_thickness_without_absorption(transmission):
    data = absorbed(transmission)
    steps = {**data.settings, **{"thickness": settings(thickness={"mu_per_cm": 2.0})["thickness"]}}
    data = run("a", [[4.0], [4.0]], dict(data.scalars), steps)
    with pytest.raises(UserError, match="no thickness"):
        corrected(data)
    steps["absorption"]["on_violation"] = "warn"
    warnings: list[str] = []
    intensity, *_ = corrected(data, warnings=warnings)
    assert np.isfinite(intensity[:, 0]).tolist() == [True, False]
    assert "frame 1" in warnings[0]


def test_durations_must_be_there():
    steps = settings(flux={"dwell_time": "t"})
    data = run("a", [[4.0], [4.0]], {"i0": [1, 1], "t": [1, 0]}, steps)
    with pytest.raises(UserError, match=r"duration 't' is missing or not above 0 .* frame 1 \(0\)"):
        corrected(data)


@pytest.mark.parametrize(
    "steps",
    [
        settings(flux={"dwell_time": "t"}),
        settings(dark={"scale": "exposure", "exposure": "t"}),
    ],
)
def test_durations_must_be_in_seconds(steps):
    with pytest.raises(UserError, match="'t' is in ms"):
        check_durations(steps, {"t": "ms"}, "run a")
    check_durations(steps, {"t": "s"}, "run a")
