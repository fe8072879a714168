"""Lists of delays against the rules of boost_corr and XPCS-Eigen, and the schedule against the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.kernels.lags import linear_lags, log_lags, multitau_lags, schedule


def boost_delays(frames: int) -> list[int]:
    """Delays of boost_corr, four per level: until x 2^l reaches floor(N / 2^l) 2^l."""
    found, level = [], 0
    while True:
        for x in range(1 if level == 0 else 5, 9):
            if x * 2**level >= frames // 2**level * 2**level:
                return found
            found.append(x * 2**level)
        level += 1


def eigen_delays(frames: int) -> list[int]:
    """Delays of XPCS-Eigen, four per level."""
    most = math.floor(math.log2(frames) - math.log2(1 + 1 / 4) - math.log2(4))
    found = []
    for level in range(most + 1):
        for x in range(1 if level == 0 else 5, 9):
            if x * 2**level + 2**level > frames:
                return found
            found.append(x * 2**level)
    return found


def test_delays_are_those_of_the_peers_for_every_number_of_frames():
    for frames in range(16, 5001):
        assert multitau_lags(frames, 4).delay.tolist() == boost_delays(frames)
    for frames in (16, 17, 100, 512, 2000, 4999, 5000):
        assert multitau_lags(frames, 4).delay.tolist() == eigen_delays(frames)


@pytest.mark.parametrize(
    ("frames", "number", "last"), [(512, 31, 448), (2000, 38, None), (5000, 44, None)]
)
def test_known_lists(frames, number, last):
    lags = multitau_lags(frames, 4)
    assert lags.delay.size == number
    assert last is None or lags.delay[-1] == last
    assert lags.level[:9].tolist() == [0] * 8 + [1]


def test_linear_and_logarithmic_delays_are_of_level_0():
    assert linear_lags(5).delay.tolist() == [1, 2, 3, 4]
    assert log_lags(20, 2).delay.tolist() == [1, 2, 3, 4, 6, 8, 11, 16]
    assert not linear_lags(5).level.any()
    assert not log_lags(20, 2).level.any()


def test_few_frames_cut_the_list():
    assert multitau_lags(2, 4).delay.tolist() == [1]
    assert multitau_lags(6, 4).delay.tolist() == [1, 2, 3, 4, 5]
    assert multitau_lags(100, 4, most_delay=11).delay.tolist() == [*range(1, 9), 10]
    assert multitau_lags(100, 4).cut(6).delay.tolist() == [1, 2, 3, 4, 5]
    assert not multitau_lags(100, 4).cut(1).delay.size


@pytest.mark.parametrize(
    "make", [linear_lags, lambda n: log_lags(n, 4), lambda n: multitau_lags(n, 4)]
)
@pytest.mark.parametrize("frames", [0, 1])
def test_without_a_pair_of_frames_there_is_one_message(make, frames):
    with pytest.raises(UserError, match="no delay has a pair of frames"):
        make(frames)


def test_settings_that_leave_nothing_are_refused():
    with pytest.raises(UserError, match="no delay is left up to 0 frames"):
        multitau_lags(100, 4, most_delay=0)
    with pytest.raises(UserError, match="0 delays per level"):
        multitau_lags(100, 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 150), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_schedule_by_definition(frames, per_level, seed):
    valid = np.random.default_rng(seed).random(frames) > 0.1
    lags = multitau_lags(frames, per_level)
    plan = schedule(lags, valid)
    pairs = plan.pairs()
    for i, (level, lag) in enumerate(zip(lags.level, lags.samples, strict=True)):
        good = [valid[s << level : (s + 1) << level].all() for s in range(frames >> level)]
        assert plan.valid_of(level).tolist() == good
        assert pairs[i] == sum(good[s] and good[s + lag] for s in range(len(good) - lag))
