"""Detection of bad pixels: frames with known bad ones, and formulas of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.registry import detection
from scatterflow.registry.proposals import find_bad_pixels
from scatterflow.registry.statistics import StackStatistics

SHAPE = (40, 50)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def statistics_of(frames, **settings):
    return StackStatistics(frames.shape[1:], **settings).update(frames)


def pixels(*places):
    found = np.zeros(SHAPE, bool)
    found[tuple(np.transpose(places))] = True
    return found


def test_statistics_are_those_of_numpy(rng):
    frames = rng.poisson(3, (17, *SHAPE)).astype(np.uint16)
    statistics = statistics_of(frames, limit=9)
    np.testing.assert_allclose(statistics.mean, frames.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(
        statistics.variance, frames.var(axis=0, ddof=1), rtol=1e-10, atol=1e-12
    )
    np.testing.assert_array_equal(statistics.zeros, (frames == 0).sum(axis=0))
    np.testing.assert_array_equal(statistics.at_limit, (frames >= 9).sum(axis=0))


def test_invalid_values_are_no_measurement():
    frames = np.array([[[-1, 5, 65535]], [[-2, 0, 7]], [[-1, 4, 65535]]], np.int32)
    statistics = statistics_of(frames, lowest=0, highest=65534, limit=65535)
    np.testing.assert_array_equal(statistics.count, [[0, 3, 1]])
    np.testing.assert_array_equal(statistics.zeros, [[0, 1, 0]])
    np.testing.assert_array_equal(statistics.at_limit, [[0, 0, 2]])
    assert np.isnan(statistics.mean[0, 0])
    np.testing.assert_allclose(statistics.mean[0, 1:], [3, 7])
    nan = statistics_of(np.array([[[np.nan, 1.0]], [[2.0, np.nan]]]))
    np.testing.assert_array_equal(nan.count, [[1, 1]])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 2**31))
def test_blocks_change_nothing(blocks, seed):
    frames = np.random.default_rng(seed).integers(-1, 70000, (sum(blocks), 3, 4)).astype(np.int32)
    parts = np.split(frames, np.cumsum(blocks)[:-1])
    whole = statistics_of(frames, limit=60000.0)
    other = StackStatistics((3, 4), limit=60000.0)
    for part in parts:
        other.update(part)
    for name in ("count", "zeros", "at_limit", "total", "squares"):
        np.testing.assert_array_equal(getattr(other, name), getattr(whole, name))
    assert other.frames == whole.frames


def test_hot_and_noisy_pixels_of_a_dark_are_found_and_no_others(rng):
    frames = rng.poisson(0.02, (200, *SHAPE))
    frames[:, 3, 4] += rng.poisson(5, 200)
    frames[:, 20, 30] += 1
    frames[::50, 9, 9] += 300  # flickers
    found = detection.hot_pixels(statistics_of(frames), threshold=6)
    np.testing.assert_array_equal(found, pixels((3, 4), (20, 30), (9, 9)))


@pytest.mark.parametrize("expected", [0.05, 2.0, 40.0, 3000.0])
@pytest.mark.parametrize("probability", [1e-3, 1e-9])
def test_improbable_counts_are_those_of_the_poisson_distribution(expected, probability):
    from scipy.stats import poisson

    found = detection.improbable_count(expected, probability)
    assert poisson.sf(found - 1, expected) < probability <= poisson.sf(found - 2, expected)


def test_few_counts_make_no_hot_pixels(rng):
    for level in (0.001, 0.02, 0.05, 0.3):
        frames = rng.poisson(level, (40, 200, 200))
        assert not detection.hot_pixels(statistics_of(frames), threshold=6).any(), level


def test_a_dark_of_one_frame_and_an_empty_one(rng):
    frame = np.zeros((1, *SHAPE), np.int32)
    assert not detection.hot_pixels(statistics_of(frame), threshold=6).any()
    frame[0, 5, 5], frame[0, 6, 6] = 100, 1
    found = detection.hot_pixels(statistics_of(frame), threshold=6)
    np.testing.assert_array_equal(found, pixels((5, 5)))  # a single count is no sign


def test_half_of_the_pixels_may_be_masked_or_invalid(rng):
    frames = rng.poisson(10, (50, *SHAPE)).astype(np.int32)
    frames[:, :, 30:] = -1
    frames[:, 7, 7] = 90
    found = detection.hot_pixels(statistics_of(frames), threshold=6)
    np.testing.assert_array_equal(found, pixels((7, 7)))
    good = ~pixels((7, 7))
    assert not detection.hot_pixels(statistics_of(frames), 6, good).any()
    with pytest.raises(UserError, match="no pixel has a valid value"):
        detection.hot_pixels(statistics_of(np.full((3, 4, 5), -1)), 6)


def test_dead_pixels_are_told_from_dim_ones(rng):
    level = np.tile(np.linspace(0.02, 4, SHAPE[1]), (SHAPE[0], 1))
    frames = rng.poisson(level, (30, *SHAPE))
    frames[:, 10, 40] = frames[:, 0, 49] = 0  # 90 and 120 counts are expected there
    frames[:, 5, 3] = 0  # 8 counts: exp(-8) is not below 1e-6
    found = detection.dead_pixels(statistics_of(frames), probability=1e-6)
    expected = pixels((10, 40), (0, 49))
    np.testing.assert_array_equal(found, expected)
    assert detection.dead_pixels(statistics_of(frames), probability=1e-2)[5, 3]


def test_the_median_of_neighbours_is_that_of_a_loop(rng):
    image = rng.random((9, 11))
    looked_at = rng.random((9, 11)) > 0.4
    found = detection.neighbours_median(image, looked_at, 3)
    for row in range(9):
        for column in range(11):
            around = [
                image[r, c]
                for r in range(max(row - 1, 0), min(row + 2, 9))
                for c in range(max(column - 1, 0), min(column + 2, 11))
                if (r, c) != (row, column) and looked_at[r, c]
            ]
            expected = np.median(around) if around else math.nan
            np.testing.assert_allclose(found[row, column], expected)


def test_odd_responses(rng):
    frames = rng.poisson(50, (40, *SHAPE)).astype(float)
    frames[:, 4, 4] *= 0.2
    frames[:, 8, 8] *= 3
    frames[:, 12, 12] *= 1.3  # within the limits
    under, over = detection.odd_response(statistics_of(frames), 0.5, 2.0, 6)
    np.testing.assert_array_equal(under, pixels((4, 4)))
    np.testing.assert_array_equal(over, pixels((8, 8)))


def rings():
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows - 19.5, columns - 24.5)


def test_azimuthal_outliers_up_and_down(rng):
    radial = rings()
    mean = rng.poisson(1000 * np.exp(-radial / 10) + 100, (20, *SHAPE)).mean(axis=0)
    mean[5, 5] *= 2
    mean[30, 12] *= 0.3
    found = detection.azimuthal_outliers(mean, radial, 60, 8, counts_per_unit=20)
    np.testing.assert_array_equal(found, pixels((5, 5), (30, 12)))
    masked = detection.azimuthal_outliers(mean, radial, 60, 8, good=~pixels((5, 5)))
    assert not masked[5, 5]


def test_saturated_pixels(rng):
    frames = rng.integers(0, 100, (10, *SHAPE)).astype(np.uint16)
    frames[:3, 2, 2] = 65535
    frames[0, 3, 3] = 65535
    statistics = statistics_of(frames, highest=65534, limit=65535)
    np.testing.assert_array_equal(detection.saturated_pixels(statistics), pixels((2, 2), (3, 3)))
    np.testing.assert_array_equal(detection.saturated_pixels(statistics, 0.2), pixels((2, 2)))


def test_a_beam_stop_and_its_holder_are_found_and_single_dark_pixels_are_not(rng):
    radial = rings()
    stop = np.hypot(*(np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([19.5, 24.5])[:, None, None])) < 5
    stop[20:, 24:26] = True
    mean = rng.poisson(np.where(stop, 5.0, 400.0), (10, *SHAPE)).mean(axis=0)
    mean[3, 3] = 0
    # Of the innermost rings all pixels are dark: only the holder and what lies beside it can be seen.
    found = detection.shadow(mean, np.maximum(radial, 6), 40, 0.3, smallest=20)
    np.testing.assert_array_equal(found, stop)
    grown = detection.shadow(mean, np.maximum(radial, 6), 40, 0.3, smallest=20, margin=1)
    assert (grown & ~stop).any()
    assert grown[stop].all()


def test_reasons_of_a_detection_are_those_of_its_kind(rng):
    frames = rng.poisson(50, (40, *SHAPE)).astype(float)
    frames[:, 4, 4] *= 0.2
    frames[:, 8, 8] *= 3
    response = {"type": "response", "low": 0.5, "high": 2.0, "threshold": 6.0, "size": 5}
    reasons = find_bad_pixels(statistics_of(frames), response)
    assert reasons[4, 4] == 1 << 2
    assert reasons[8, 8] == 1 << 3
    assert np.count_nonzero(reasons) == 2
