"""Named sums against exact sums shot by shot, and bit by bit the same for any chunks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.sums import ShotSums, recipe

NAMES = (
    "calib",
    "calib_dropped",
    "calib_dropped_square",
    "calib_thresADU1",
    "calib_thresADU0.5_nhits",
    "calib_max",
    "calib_dropped_max",
)


def made(seed, shots=40, shape=(2, 3, 4)):
    rng = np.random.default_rng(seed)
    frames = rng.normal(0, 2, (shots, *shape)).astype(np.float32) * 10.0 ** rng.integers(-3, 4)
    frames[rng.uniform(size=frames.shape) < 0.02] = np.nan
    return frames.astype(np.float32), rng.uniform(size=shots) < 0.8


def summed(frames, xray, cuts=()):
    whole = ShotSums(NAMES, frames.shape[1:])
    for start, stop in pairwise([0, *sorted(cuts), len(frames)]):
        part = ShotSums(NAMES, frames.shape[1:])
        part.update(frames[start:stop], xray[start:stop], threads=2)
        whole.merge(part)
    return whole


def exact_sum(values):
    """Correctly rounded sums over shots, NaN left out."""
    rows = values.reshape(len(values), -1)
    sums = [math.fsum(v for v in column if not math.isnan(v)) for column in rows.T.tolist()]
    return np.array(sums).reshape(values.shape[1:])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 40), max_size=3))
def test_sums_are_exact_for_any_chunks(seed, cuts):
    frames, xray = made(seed)
    sums = summed(frames, xray, cuts)
    found = sums.finalize()
    wide = frames.astype(np.float64)
    cut = np.where(wide < 1, 0, wide)
    hits = np.where(np.isnan(wide), np.nan, (wide >= 0.5).astype(float))
    expected = {
        "calib": exact_sum(wide),
        "calib_dropped": exact_sum(wide[~xray]),
        "calib_dropped_square": exact_sum(wide[~xray] ** 2),
        "calib_thresADU1": exact_sum(cut),
        "calib_thresADU0.5_nhits": exact_sum(hits),
    }
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name
    assert np.array_equal(found["calib_max"], np.nanmax(wide, axis=0))
    whole = summed(frames, xray)
    for name, array in whole.finalize().items():
        assert array.tobytes() == found[name].tobytes()
    valid = np.isfinite(frames)
    assert np.array_equal(sums.counts()["calib"], valid.sum(axis=0))
    assert np.array_equal(sums.counts()["calib_dropped_max"], valid[~xray].sum(axis=0))


def test_largest_of_negative_values_and_of_none():
    frames = np.full((3, 2, 2), -5.0, np.float32)
    frames[:, 0, 0] = np.nan
    sums = summed(frames, np.ones(3, bool), [1])
    assert np.array_equal(
        sums.finalize()["calib_max"], [[np.nan, -5.0], [-5.0, -5.0]], equal_nan=True
    )
    assert np.isnan(sums.finalize()["calib_dropped_max"]).all()
    assert sums.finalize()["calib_dropped"].tolist() == [[0, 0], [0, 0]]


def test_state_and_its_inverse():
    frames, xray = made(4)
    sums = summed(frames[:20], xray[:20])
    again = ShotSums.from_state(NAMES, frames.shape[1:], sums.state())
    again.update(frames[20:], xray[20:])
    for name, array in summed(frames, xray).finalize().items():
        assert array.tobytes() == again.finalize()[name].tobytes()
    assert np.array_equal(again.counts()["calib"], np.isfinite(frames).sum(axis=0))


def test_whole_numbers():
    frames = np.full((3, 2, 2), 2**15, np.uint16)
    sums = ShotSums(["calib", "calib_square"], (2, 2))
    sums.update(frames)
    assert sums.finalize()["calib_square"].tolist() == [[3 * 2.0**30] * 2] * 2


def test_words_in_any_order_are_one_recipe():
    assert recipe("calib_square_thresADU2.5_dropped") == recipe("calib_dropped_thresADU2.5_square")


@pytest.mark.parametrize(
    "name", ["img", "calib_skipFirst", "calib_thresADU", "calib_sqare", "calib_thresADU1_thresADU2"]
)
def test_names_that_are_no_recipe(name):
    with pytest.raises(UserError, match=name):
        ShotSums([name], (2, 2))


def test_frames_that_do_not_fit():
    with pytest.raises(UserError, match="read out alike"):
        ShotSums(["calib"], (2, 2)).update(np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match="other names"):
        ShotSums(["calib"], (2, 2)).merge(ShotSums(["calib_max"], (2, 2)))
