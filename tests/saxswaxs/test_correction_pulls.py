"""Variances of the whole chain against the scatter of simulated runs: pulls of mean 0 and width 1."""

from __future__ import annotations

import numpy as np
import pytest

from .chains import corrected, run, settings

RUNS, FRAMES, BACKGROUND_FRAMES, DARK_FRAMES = 2000, 3, 4, 3
TRANSMISSION, DIODE, BEAM = 0.6, 0.5, 4000.0
SAMPLE, BACKGROUND, DARK = np.array([4.0, 9.0]), np.array([1.5, 2.0]), np.array([0.2, 0.4])
PIXELS = 400.0
ABSORBED = -np.log(TRANSMISSION)


def pulls(thickness: dict, poisson_monitors: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """(found - truth) / error of the first frame and of the mean over frames, both (runs, bins)."""
    rng = np.random.default_rng(7)
    monitors = "counting" if poisson_monitors else 0.015
    # A fraction of the reading is refined by readings of a normal distribution.
    read = rng.poisson if poisson_monitors else lambda mean: rng.normal(mean, 0.015 * mean)
    steps = settings(
        dark={},
        flux={"reference": BEAM, "uncertainty": monitors},
        absorption={"uncertainty": monitors},
        background={"scale": 1.1, "scale_uncertainty": 0.02},
        thickness={**thickness, "uncertainty": 0.015},
    )
    frame_pulls, mean_pulls = [], []
    for _ in range(RUNS):
        scale = 1.1 * (1 + 0.02 * rng.standard_normal())
        size = 1 + 0.015 * rng.standard_normal()
        true = (
            thickness["cm"] * size
            if "cm" in thickness
            else ABSORBED / (thickness["mu_per_cm"] * size)
        )
        swing = rng.uniform(0.8, 1.2, FRAMES)
        seconds = rng.uniform(1, 3, FRAMES)
        inside = PIXELS * (
            swing[:, None] * TRANSMISSION * (SAMPLE + scale * BACKGROUND) + seconds[:, None] * DARK
        )
        beam = rng.uniform(0.8, 1.2, BACKGROUND_FRAMES)
        time = np.full(BACKGROUND_FRAMES, 2.0)
        empty = PIXELS * (beam[:, None] * BACKGROUND + time[:, None] * DARK)
        long = np.full(DARK_FRAMES, 5.0)
        others = (
            run("dark", rng.poisson(PIXELS * long[:, None] * DARK), {"t": long}, norm=PIXELS),
            run(
                "empty",
                rng.poisson(empty),
                {"i0": read(BEAM * beam), "i1": read(BEAM * beam * DIODE), "t": time},
                settings(dark={}),
                norm=PIXELS,
                dark=("dark",),
            ),
        )
        scalars = {
            "i0": read(BEAM * swing),
            "i1": read(BEAM * swing * DIODE * TRANSMISSION),
            "t": seconds,
        }
        data = run(
            "a",
            rng.poisson(inside),
            scalars,
            steps,
            norm=PIXELS,
            dark=("dark",),
            background=("empty",),
        )
        intensity, errors, mean, _ = corrected(data, *others)
        truth = SAMPLE / true
        frame_pulls.append((intensity[0] - truth) / errors[0])
        mean_pulls.append((mean.intensity - truth) / mean.errors)
    return np.array(frame_pulls), np.array(mean_pulls)


@pytest.mark.parametrize("thickness", [{"cm": 0.1}, {"mu_per_cm": 2.0}])
def test_pulls_of_frames_and_of_their_mean(thickness):
    for found in pulls(thickness):
        assert np.all(np.abs(found.mean(axis=0)) < 0.05)
        assert np.all(np.abs(found.std(axis=0) - 1) < 0.05)


def test_a_background_of_few_counts_is_not_biased():
    """0.4 counts per frame: weights from the counts themselves would come out far too low."""
    rng = np.random.default_rng(5)
    steps = settings(flux={"reference": 1.0}, background={})
    found = []
    for _ in range(1000):
        beam = rng.uniform(0.5, 2.0, 20)
        other = run("empty", rng.poisson(0.4 * beam)[:, None], {"i0": beam})
        data = run("a", [[0.0]], {"i0": [1.0]}, steps, background=("empty",))
        intensity, errors, *_ = corrected(data, other)
        found.append([-intensity[0, 0], errors[0, 0]])
    values, errors = np.array(found).T
    assert abs(np.mean(values) - 0.4) < 4 * np.std(values) / np.sqrt(len(values))
    assert abs(np.sqrt(np.mean(errors**2)) / np.std(values) - 1) < 0.1
