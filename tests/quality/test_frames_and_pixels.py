"""Outlier frames, dead and hot pixels: against plain loops over the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.quality.frames import FrameCounts, frame_measures, outliers
from scatterflow.quality.pixels import PixelSums, dead_pixels, hot_pixels


def around(image: np.ndarray, known: np.ndarray, row: int, column: int) -> list[float]:
    return [
        image[r, c]
        for r in range(max(0, row - 1), min(image.shape[0], row + 2))
        for c in range(max(0, column - 1), min(image.shape[1], column + 2))
        if (r, c) != (row, column) and known[r, c]
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 30))
def test_dead_and_hot_pixels_are_those_of_the_definition(seed, mean):
    rng = np.random.default_rng(seed)
    total = rng.poisson(mean, (7, 9)).astype(float)
    total[rng.random((7, 9)) < 0.1] *= 40
    total[rng.random((7, 9)) < 0.1] = 0
    good = rng.random((7, 9)) < 0.9
    measured = rng.integers(0, 2, (7, 9)) * 5
    pixels = PixelSums("area", np.where(measured > 0, total, 0), measured, good, 5)
    known = good & (measured > 0)
    dead, hot = dead_pixels(pixels), hot_pixels(pixels)
    for row, column in np.ndindex(7, 9):
        neighbours = sorted(around(total / 5, known, row, column), reverse=True)
        enough = known[row, column] and len(neighbours) >= 3
        expected = [value * measured[row, column] for value in neighbours]
        lit = enough and sum(v >= 14 for v in expected) >= 0.75 * len(expected)
        assert dead[row, column] == bool(lit and total[row, column] == 0)
        bright = enough and total[row, column] > 10 * max(expected[1], 1.0)
        assert hot[row, column] == bool(bright)


def test_rings_and_spots_that_are_broader_than_a_pixel_are_no_hot_pixels():
    rows, columns = np.indices((40, 40))
    radius = np.hypot(rows - 20.3, columns - 19.6)
    image = 20 + 5000 * np.exp(-0.5 * ((radius - 12) / 0.8) ** 2)
    image += 1e5 * np.exp(-0.5 * (np.hypot(rows - 30, columns - 30) / 0.9) ** 2)
    total = np.random.default_rng(1).poisson(image).astype(float)
    pixels = PixelSums("area", total, np.ones((40, 40), int), np.ones((40, 40), bool), 1)
    assert not hot_pixels(pixels).any()
    assert not dead_pixels(pixels).any()


def test_the_edge_of_a_shadow_is_not_dead():
    image = np.full((20, 20), 50.0)
    image[5:15, 5:15] = 0
    pixels = PixelSums("area", image, np.ones((20, 20), int), np.ones((20, 20), bool), 1)
    assert not dead_pixels(pixels).any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1e-2), st.integers(30, 100))
def test_a_slow_drift_holds_no_outliers_but_a_jump_of_a_frame_is_one(seed, slope, frames):
    rng = np.random.default_rng(seed)
    expected = 1e5 * (1 + slope * np.arange(frames))
    counts = rng.poisson(expected).astype(float)
    assert not outliers(counts, counts).any()
    place = int(rng.integers(3, frames - 3))
    counts[place] *= 1.5
    assert np.flatnonzero(outliers(counts, counts)).tolist() == [place]


def test_few_photons_scatter_and_are_no_outliers():
    counts = np.random.default_rng(2).poisson(3.0, 1000).astype(float)
    assert not outliers(counts, counts).any()


def test_a_missing_frame_is_no_outlier():
    counts = np.full(20, 1e6)
    counts[7] = np.nan
    assert not outliers(counts, counts).any()


def test_a_run_without_counts_is_dark():
    zeros = np.zeros(5)
    measures = frame_measures([FrameCounts("area", zeros, zeros, np.zeros(5, bool))])
    found = measures["frames_dark"](0.1)
    assert found.level == "bad"
    assert "dark" in found.sentence


@pytest.mark.parametrize("name", ["frames_missing", "frames_dark", "outlier_frames"])
def test_without_detectors_nothing_is_known(name):
    assert frame_measures([])[name](0.1).level == "unknown"
