"""Correlated blocks: independent of blocks, forms and threads; windows of time by definition; the file."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.xpcs.brute_multitau import brute_sums, dense_block, event_block

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import writing
from scatterflow.kernels.lags import multitau_lags
from scatterflow.xpcs.correlate import correlate_block, time_windows
from scatterflow.xpcs.multitau_file import open_blocks, write_block_sums

FRAMES, PIXELS = 120, 30
STATIC = np.repeat([1, 0, 3, 2, 4], 6)


def photons(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.7, (FRAMES, PIXELS)).astype(np.uint8)


def some_bad_frames() -> np.ndarray:
    valid = np.ones(FRAMES, bool)
    valid[[3, 40, 41, 90]] = False
    return valid


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 7), st.sampled_from([dense_block, event_block]), st.integers(1, 3), st.booleans()
)
def test_blocks_merge_to_the_whole(blocks, form, threads, scaled):
    values, valid, lags = photons(), some_bad_frames(), multitau_lags(FRAMES, 4)
    scale = np.random.default_rng(1).uniform(0.5, 2, FRAMES) if scaled else None
    windows = time_windows(FRAMES, 3)
    whole = correlate_block(dense_block(values), valid, scale, lags, 1, windows, STATIC)
    edges = [b * PIXELS // blocks for b in range(blocks + 1)]
    parts = [
        correlate_block(form(values[:, a:b], a), valid, scale, lags, threads, windows, STATIC)
        for a, b in pairwise(edges)
    ]
    for name in ("G2", "IP", "IF"):
        merged = np.concatenate([getattr(part, name) for part in parts], axis=1)
        expected = getattr(whole, name)
        np.testing.assert_allclose(merged, expected, rtol=1e-13 if scaled else 0)
        own = np.zeros((3, lags.delay.size, 5))
        for part in parts:
            own[:, :, part.windows.bins] += getattr(part.windows, name)
        np.testing.assert_allclose(own, getattr(whole.windows, name), rtol=1e-13 if scaled else 0)


def test_a_window_is_a_run_of_its_own():
    values, valid, lags = photons(), some_bad_frames(), multitau_lags(FRAMES, 4)
    windows = [(0, 17), (17, 18), (18, 120)]
    found = correlate_block(event_block(values), valid, None, lags, 1, windows, STATIC).windows
    for w, (start, stop) in enumerate(windows):
        for i, (level, delay) in enumerate(zip(lags.level, lags.delay, strict=True)):
            own = (values[start:stop], valid[start:stop], int(level), int(delay))
            pairs, sums = brute_sums(*own)
            assert found.pairs[w, i] == pairs
            expected = np.stack([np.bincount(STATIC, part) for part in sums])
            stored = np.stack([found.G2[w, i], found.IP[w, i], found.IF[w, i]])
            np.testing.assert_array_equal(stored, expected)


def test_past_and_future_of_a_window_differ():
    """They are one and the same in boost_corr's partial correlation functions."""
    values = np.repeat(np.arange(20, dtype=np.uint8)[:, None], 2, axis=1)
    lags = multitau_lags(20, 4)
    static = np.zeros(2, int)
    found = correlate_block(
        dense_block(values), np.ones(20, bool), None, lags, 1, [(0, 10), (10, 20)], static
    ).windows
    # Of frames 10 ... 19 at delay 3: 10 + ... + 16 and 13 + ... + 19, for two pixels.
    assert found.IP[1, 2, 0] == 2 * sum(range(10, 17))
    assert found.IF[1, 2, 0] == 2 * sum(range(13, 20))


def test_windows_cover_all_frames():
    assert time_windows(10, 3) == [(0, 3), (3, 6), (6, 10)]
    assert time_windows(2, 3) == []
    assert time_windows(10, 0) == []


def test_the_file_gives_back_what_was_written(tmp_path):
    values, valid, lags = photons(), some_bad_frames(), multitau_lags(FRAMES, 4)
    windows = time_windows(FRAMES, 2)
    cuts = [0, 11, 12, 30]
    for number, (a, b) in enumerate(pairwise(cuts)):
        block = event_block(values[:, a:b], a)
        sums = correlate_block(block, valid, None, lags, 1, windows, STATIC)
        write_block_sums(tmp_path / f"{number}.h5", sums, {"made": "here"})
    whole = correlate_block(dense_block(values), valid, None, lags, 1, windows, STATIC)
    blocks = open_blocks([tmp_path / f"{number}.h5" for number in (2, 0, 1)], 5)
    assert (blocks.positions, blocks.lags.frames) == (PIXELS, FRAMES)
    assert blocks.edges.tolist() == cuts
    np.testing.assert_array_equal(blocks.pairs, whole.pairs)
    for i in (0, 5, lags.delay.size - 1):
        found = blocks.of_delay(i)
        np.testing.assert_array_equal(found, np.stack([whole.G2[i], whole.IP[i], whole.IF[i]]))
    for name in ("G2", "IP", "IF"):
        np.testing.assert_array_equal(getattr(blocks.windows, name), getattr(whole.windows, name))


def write(path, first: int, last: int, frames: int = FRAMES) -> None:
    values = photons()[:frames, first:last]
    lags = multitau_lags(frames, 4)
    sums = correlate_block(dense_block(values, first), np.ones(frames, bool), None, lags, 1)
    write_block_sums(path, sums, {})


def test_blocks_that_do_not_fit_together_are_named(tmp_path):
    write(tmp_path / "a.h5", 0, 10)
    write(tmp_path / "b.h5", 11, 30)
    write(tmp_path / "c.h5", 10, 30, frames=100)
    with pytest.raises(UserError, match="position 10 was expected to come next, not 11") as gap:
        open_blocks([tmp_path / "a.h5", tmp_path / "b.h5"], 5)
    assert gap.value.where.endswith("b.h5")
    with pytest.raises(UserError, match="correlated in another way"):
        open_blocks([tmp_path / "a.h5", tmp_path / "c.h5"], 5)
    with writing(tmp_path / "other.h5"):
        pass
    with pytest.raises(UserError, match="not a correlated block"):
        open_blocks([tmp_path / "other.h5"], 5)
