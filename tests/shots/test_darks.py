"""Darks against numpy, however the frames are grouped; bad pixels that are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.darks import STATUS, DarkSums, compare_darks, status_counts

BITS = {"mask": 0xC000, "modes": [0, 1, -1, 2]}


def summed(frames, options, cuts=(), threads=1):
    sums = DarkSums(frames.shape[1:], frames.dtype, options)
    for start, stop in pairwise([0, *sorted(cuts), len(frames)]):
        part = DarkSums(frames.shape[1:], frames.dtype, options)
        part.update(frames[start:stop], threads)
        sums.merge(part)
    return sums


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 20), max_size=3))
def test_each_gain_mode_has_its_mean_and_deviation_for_any_chunks(seed, cuts):
    rng = np.random.default_rng(seed)
    shape = (2, 3, 4)
    value, bits = rng.integers(0, 2**14, (20, *shape)), rng.integers(0, 4, (20, *shape))
    frames = (value | bits << 14).astype(np.uint16)
    sums = summed(frames, {"gain_bits": BITS}, cuts)
    dark = sums.finalize()
    for mode, bit in enumerate((0, 1, 3)):
        chosen = np.ma.masked_array(value, bits != bit)
        assert np.array_equal(dark.frames[mode], chosen.count(axis=0))
        enough = dark.frames[mode] >= 2
        assert np.allclose(dark.pedestal[mode][enough], chosen.mean(axis=0)[enough], rtol=1e-14)
        deviation = np.ma.filled(chosen.std(axis=0, ddof=1), np.nan)
        assert np.allclose(dark.rms[mode][enough], deviation[enough], rtol=1e-6, atol=1e-6)
        assert np.isnan(dark.rms[mode][~enough]).all()
        assert (dark.status[mode][~enough] & STATUS["no pedestal"]).all()
    whole = summed(frames, {"gain_bits": BITS}, threads=2)
    for name, array in whole.state().items():
        assert np.array_equal(array, sums.state()[name])
    again = DarkSums.from_state(shape, np.uint16, {"gain_bits": BITS}, sums.state()).finalize()
    assert np.array_equal(again.pedestal, dark.pedestal, equal_nan=True)


def test_every_bit_of_the_status():
    rng = np.random.default_rng(4)
    frames = np.round(rng.normal(1000, 4, (400, 3, 3)))
    frames[:, 0, 0] = np.round(rng.normal(1000, 40, 400))  # rms high
    frames[:, 0, 1] = 1000  # rms low
    frames[::50, 0, 2] = 1090  # above the ADU limit in 2 % of the frames
    frames[::50, 1, 0] = 910
    frames[:, 1, 1] += 60
    frames[:, 1, 2] -= 60
    frames = frames.astype(np.uint16)
    frames[:20, 2, 0] |= 1 << 14
    options = {
        "gain_bits": {"mask": 0x4000, "modes": [0, 1]},
        "rms": [2, 20], "mean": [950, 1050], "adu": [920, 1080], "fraction": 0.01,
    }  # fmt: skip
    dark = summed(frames, options).finalize(mode=0)
    names = [
        {name for name, bit in STATUS.items() if status & bit} for status in dark.status[0].ravel()
    ]
    assert dark.pedestal.shape == (1, 3, 3)
    assert "rms high" in names[0]
    assert names[1] == {"rms low"}
    assert names[2] == {"ADU too often high"}
    assert names[3] == {"ADU too often low"}
    assert names[4] == {"mean high"}
    assert names[5] == {"mean low"}
    assert names[6] == {"other gain"}
    assert names[7:] == [set(), set()]
    assert dark.good.ravel().tolist() == [False] * 7 + [True] * 2
    assert status_counts(dark)[0]["mean low"] == 1


def test_runs_of_several_gains_are_merged():
    first = np.full((5, 2, 2), 100, np.uint16)
    second = np.full((5, 2, 2), 1 << 14 | 700, np.uint16)
    options = {"gain_bits": {"mask": 0x4000, "modes": [0, 1]}}
    sums = summed(first, options)
    sums.merge(summed(second, options))
    assert sums.finalize().pedestal[:, 0, 0].tolist() == [100, 700]
    assert sums.finalize().good.all()


def test_any_byte_order():
    frames = np.arange(12).reshape(3, 2, 2).astype(">u2")
    assert summed(frames, {}).finalize().pedestal[0].tolist() == [[4, 5], [6, 7]]


def test_floats_and_missing_values():
    frames = np.random.default_rng(1).normal(5, 1, (50, 2, 2)).astype(np.float32)
    frames[3, 0, 0] = np.nan
    dark = summed(frames, {}).finalize()
    assert np.allclose(dark.pedestal[0], np.nanmean(frames, axis=0), rtol=1e-6)
    assert dark.frames[0].tolist() == [[49, 50], [50, 50]]
    assert dark.status[0].tolist() == [[STATUS["other gain"], 0], [0, 0]]


def test_comparison_with_the_last_dark():
    rng = np.random.default_rng(6)
    old = np.round(rng.normal(1000, 4, (300, 20, 20))).astype(np.uint16)
    new = old + np.uint16(7)
    new[:, 0, 0] = 5
    limits = {"mean": [500, 1500]}
    found = compare_darks(summed(new, limits).finalize(), summed(old, limits).finalize())
    assert found[0]["turned_bad"] == 1
    assert found[0]["turned_good"] == 0
    assert found[0]["pedestal_median_change"] == pytest.approx(7, abs=1e-9)
    assert found[0]["rms_largest_change"] == pytest.approx(0, abs=1e-6)


def test_what_cannot_be_is_told():
    frames = np.zeros((1, 2, 2), np.uint16)
    with pytest.raises(UserError, match="limits"):
        DarkSums((2, 2), np.uint16, {"rms": [5, 2]})
    with pytest.raises(UserError, match="did you mean"):
        DarkSums((2, 2), np.uint16, {"rmss": [2, 5]})
    with pytest.raises(UserError, match="same region"):
        DarkSums((2, 3), np.uint16, {}).update(frames)
    with pytest.raises(ValueError, match="other frames"):
        DarkSums((2, 3), np.uint16, {}).merge(DarkSums((2, 2), np.uint16, {}))
    with pytest.raises(UserError, match="compare"):
        compare_darks(
            summed(frames, {}).finalize(), summed(np.zeros((1, 3, 2), np.uint16), {}).finalize()
        )
