"""Sorting a chunk: raw frames into pixel blocks and sums, against numpy on the whole run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.xpcs.runs_in_memory import MemorySource, random_qmap, small_qmap

from scatterflow.errors import FrameError, UserError
from scatterflow.frame_range import FrameRange, frame_range
from scatterflow.xpcs import raw_blocks, sort_dense
from scatterflow.xpcs.blocks import read_positions
from scatterflow.xpcs.preprocess import Preprocessing, preprocessing_of
from scatterflow.xpcs.sort import sort_chunk
from scatterflow.xpcs.sorted_chunk import FrameReason, read_frame_sums

NO_LIMIT = {"minimum": 0.0, "maximum": "auto", "bit_depth": None}


@dataclass
class Expected:
    """Processed values (frames, rows, columns), 0 where invalid; invalid pixels; valid frames."""

    values: np.ndarray
    invalid: np.ndarray
    valid: np.ndarray


def processed(raw, frames: FrameRange, low, high, missing=(), level=0.0, dark=0.0, flat=1.0):
    """By the definition, frame by frame."""
    values, invalid, valid = [], [], []
    for numbers in frames.raw_frames(0, frames.frames):
        stack = raw[numbers]
        wrong = ((stack < low) | (stack > high)).any(axis=0)
        fixed = np.maximum(stack.astype(np.float64) - dark, 0.0)
        total = (np.where(fixed > level, fixed, 0.0) / flat).sum(axis=0)
        there = not set(numbers.tolist()) & set(missing)
        wrong |= np.isnan(total)
        values.append(np.where(wrong | (not there), 0.0, total))
        invalid.append(wrong & there)
        valid.append(there)
    return Expected(np.array(values), np.array(invalid), np.array(valid))


def sort_run(folder, source, frames, qmap, edges, blocks=2, threads=1, **options):
    paths = []
    for start, stop in pairwise(edges):
        paths.append(Path(folder) / f"{start}-{stop}.h5")
        given_by = options.get("preprocessing", Preprocessing(NO_LIMIT))
        rest = {key: value for key, value in options.items() if key != "preprocessing"}
        sort_chunk(
            source,
            "area",
            frames,
            start,
            stop,
            qmap,
            given_by,
            paths[-1],
            blocks=blocks,
            threads=threads,
            **rest,
        )
    return paths


def assert_sorted(paths, expected: Expected, qmap, good=None, exact=True):
    """Blocks and all sums are those of the expected values."""
    values = expected.values.reshape(len(expected.values), -1)
    ordered = values[:, qmap.pixels]
    same = np.testing.assert_array_equal if exact else np.testing.assert_allclose
    tight = {} if exact else {"rtol": 2e-7}
    for form in ("frames", "events"):
        block = read_positions(paths, 0, ordered.shape[1], form)
        found = np.zeros(ordered.shape)
        if form == "frames":
            found[:] = block.values
        else:
            pixel = np.repeat(np.arange(block.pixels), np.diff(block.starts))
            found[block.frame, pixel] = block.count
            assert np.count_nonzero(found) == len(block.frame)
            assert (block.count != 0).all()
        same(found, ordered, **tight)
    good = qmap.mask if good is None else good | qmap.mask
    at = 0
    image = np.zeros(qmap.mask.shape)
    for path in paths:
        sums = read_frame_sums(path)
        own = slice(sums.start, sums.stop)
        assert sums.start == at
        at = sums.stop
        np.testing.assert_array_equal(sums.valid, expected.valid[own])
        same(sums.total, ordered[own].sum(axis=1), **tight)
        same(sums.detector_total, values[own][:, good.reshape(-1)].sum(axis=1), **tight)
        static = np.stack(
            [
                ordered[own][:, qmap.static_of_position == s].sum(axis=1)
                for s in range(qmap.static_bins)
            ],
            axis=1,
        )
        same(sums.static_sums, static, **tight)
        same(
            sums.image_squares,
            (expected.values[own] ** 2).sum(axis=0),
            **({"rtol": 4e-7} if tight else {}),
        )
        np.testing.assert_array_equal(sums.image_invalid, expected.invalid[own].sum(axis=0))
        wrong = expected.invalid[own].reshape(len(sums.total), -1)[:, qmap.pixels]
        np.testing.assert_array_equal(sums.invalid_pixels, wrong.sum(axis=1))
        assert sums.image_frames == expected.valid[own].sum()
        image += sums.image_sum
    assert at == len(values)
    same(image, expected.values.sum(axis=0), **tight)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_chunking_blocking_threads_and_raw_form_give_the_same(tmp_path_factory, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16, np.uint32, np.int32]))
    raw = rng.poisson(
        data.draw(st.sampled_from([0.03, 2.0])), (data.draw(st.integers(4, 30)), 5, 7)
    )
    raw[rng.random(raw.shape) < 0.02] = 200
    raw = raw.astype(dtype)
    chosen = {
        "begin": data.draw(st.integers(0, 2)),
        "stride": data.draw(st.integers(1, 2)),
        "average": data.draw(st.integers(1, 2)),
    }
    frames = frame_range(chosen, len(raw), "") if len(raw) >= 6 else FrameRange(0, len(raw))
    cuts = data.draw(st.sets(st.integers(0, frames.frames), max_size=2)) - {0, frames.frames}
    edges = [0, *sorted(cuts), frames.frames]
    missing = data.draw(st.sets(st.integers(0, len(raw) - 1), max_size=2))
    sparse = data.draw(st.booleans())
    qmap = random_qmap(rng, raw.shape[1:])
    good = rng.random(raw.shape[1:]) < 0.8
    paths = sort_run(
        tmp_path_factory.mktemp("sorted"),
        MemorySource(raw, sparse, missing),
        frames,
        qmap,
        edges,
        data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 2)),
        good=good,
        skip_missing=True,
    )
    high = np.iinfo(dtype).max - (1 if np.dtype(dtype).kind == "u" else 0)
    assert_sorted(paths, processed(raw, frames, 0, high, missing), qmap, good)


def test_blocks_of_raw_frames_change_nothing(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    raw = rng.poisson(0.5, (40, 6, 5)).astype(np.uint16)
    raw[30] = 0
    raw[31:, 2, 2] = 1000  # a wider type, from a later block on
    qmap, frames = random_qmap(rng, (6, 5)), FrameRange(0, 40)
    monkeypatch.setattr(raw_blocks, "BLOCK_BYTES", 7 * raw[0].nbytes)
    monkeypatch.setattr(raw_blocks, "EVENTS_PER_BLOCK", 20)
    for sparse in (False, True):
        paths = sort_run(tmp_path / str(sparse), MemorySource(raw, sparse), frames, qmap, [0, 40])
        assert_sorted(paths, processed(raw, frames, 0, 65534), qmap)
        with h5py.File(paths[0]) as file:
            assert file.attrs["dtype"] == "uint16"


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("rate", [0.01, 3.0])
def test_the_form_that_is_stored_follows_the_counts_alone(tmp_path, sparse, rate):
    rng = np.random.default_rng(5)
    raw = rng.poisson(rate, (50, 8, 8)).astype(np.uint16)
    qmap = random_qmap(rng, (8, 8))
    (path,) = sort_run(tmp_path, MemorySource(raw, sparse), FrameRange(0, 50), qmap, [0, 50])
    with h5py.File(path) as file:
        assert file.attrs["form"] == ("events" if rate < 0.1 else "frames")
        assert file.attrs["dtype"] == "uint8"


def test_a_run_that_becomes_bright_is_stored_in_one_form(tmp_path, monkeypatch):
    rng = np.random.default_rng(6)
    raw = rng.poisson(np.repeat([0.02, 2.0, 0.02], 10)[:, None, None], (30, 6, 6)).astype(np.uint8)
    monkeypatch.setattr(raw_blocks, "BLOCK_BYTES", 10 * raw[0].nbytes)
    qmap, frames = random_qmap(rng, (6, 6)), FrameRange(0, 30)
    for occupancy in (0.01, 0.2, 0.9):  # all dense, both, all events
        monkeypatch.setattr(sort_dense, "STORED_OCCUPANCY", occupancy)
        paths = sort_run(tmp_path / f"{occupancy}", MemorySource(raw), frames, qmap, [0, 30], 3)
        assert_sorted(paths, processed(raw, frames, 0, 254), qmap)


@pytest.mark.parametrize("sparse", [False, True])
def test_sentinels_measure_nothing_and_are_reported(tmp_path, sparse):
    raw = np.ones((6, 3, 4), np.uint32)
    raw[2, 1, 1] = 2**32 - 1
    raw[:, 2, 2] = 2**32 - 1
    qmap = small_qmap(np.ones((3, 4), int), np.ones((3, 4), int))
    frames = FrameRange(0, 6, 1, 2)
    paths = sort_run(tmp_path, MemorySource(raw, sparse), frames, qmap, [0, 3])
    expected = processed(raw, frames, 0, 2**32 - 2)
    assert expected.values[1, 1, 1] == 0  # an average with a sentinel is not half a sum
    assert_sorted(paths, expected, qmap)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_a_frame_of_sentinels_is_not_valid(tmp_path, dtype):
    raw = np.full((5, 4, 4), 2, dtype)
    raw[3] = np.iinfo(dtype).max
    qmap = small_qmap(np.ones((4, 4), int), np.ones((4, 4), int))
    (path,) = sort_run(tmp_path, MemorySource(raw), FrameRange(0, 5), qmap, [0, 5])
    sums = read_frame_sums(path)
    assert sums.valid.tolist() == [True, True, True, False, True]
    assert sums.reason[3] == FrameReason.NOTHING_MEASURED
    assert (sums.image_sum == 8).all()
    assert (sums.image_invalid == 0).all()


@pytest.mark.parametrize("sparse", [False, True])
def test_counts_of_32_bits_are_not_narrowed_and_their_squares_do_not_wrap(tmp_path, sparse):
    raw = np.zeros((4, 2, 3), np.uint32)
    raw[:, 0, 0] = 2**32 - 2
    raw[1, 1, 1] = 70_000
    qmap = small_qmap(np.ones((2, 3), int), np.ones((2, 3), int))
    (path,) = sort_run(tmp_path, MemorySource(raw, sparse), FrameRange(0, 4), qmap, [0, 4])
    assert read_positions([path], 0, 6).values.max() == 2**32 - 2
    sums = read_frame_sums(path)
    assert sums.image_sum[0, 0] == 4 * (2**32 - 2)
    assert sums.image_squares[0, 0] == pytest.approx(4 * float(2**32 - 2) ** 2, rel=1e-15)


@pytest.mark.parametrize("sparse", [False, True])
def test_an_average_that_no_type_holds_is_refused(tmp_path, sparse):
    raw = np.zeros((2, 2, 2), np.uint32)
    raw[:, 0, 0] = 2**32 - 2
    qmap = small_qmap(np.ones((2, 2), int), np.ones((2, 2), int))
    with pytest.raises(UserError, match="a pixel counts 8589934588 in one frame"):
        sort_run(tmp_path, MemorySource(raw, sparse), FrameRange(0, 2, 1, 2), qmap, [0, 1])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sparse", [False, True])
def test_dark_frames_sigma_level_and_flat(tmp_path, sparse):
    rng = np.random.default_rng(3)
    raw = rng.poisson(20.0, (24, 5, 6)).astype(np.uint16)
    raw[8:, 1:3] += 30
    raw[rng.random(raw.shape) < 0.1] = 0
    flat = rng.uniform(0.5, 1.5, (5, 6))
    source = MemorySource(raw, sparse)
    asked = {"dark_frames": [0, 8], "dark_sigma": 1.5, "lower_level": 2.0}
    given_by = preprocessing_of(asked, NO_LIMIT, source, "area", None, flat)
    frames = FrameRange(8, 24, 1, 2)
    qmap = random_qmap(rng, (5, 6))
    dark, deviation = raw[:8].mean(axis=0), raw[:8].std(axis=0, ddof=1)
    expected = processed(raw, frames, 0, 65534, (), 2.0 + 1.5 * deviation, dark, flat)
    assert 0.1 < (expected.values > 0).mean() < 0.9
    for edges in ([0, 8], [0, 3, 8]):
        paths = sort_run(
            tmp_path / str(len(edges)), source, frames, qmap, edges, preprocessing=given_by
        )
        assert_sorted(paths, expected, qmap, exact=False)


def test_corrected_values_are_the_same_bits_from_frames_and_events(tmp_path):
    rng = np.random.default_rng(4)
    raw = rng.poisson(0.05, (60, 8, 8)).astype(np.uint16)
    given_by = Preprocessing(NO_LIMIT, flat=rng.uniform(0.5, 1.5, (8, 8)))
    qmap, frames = random_qmap(rng, (8, 8)), FrameRange(0, 60, 1, 3)
    blocks = []
    for sparse in (False, True):
        paths = sort_run(
            tmp_path / str(sparse),
            MemorySource(raw, sparse),
            frames,
            qmap,
            [0, 20],
            preprocessing=given_by,
        )
        blocks.append(read_positions(paths, 0, len(qmap.pixels), "frames").values)
    assert blocks[0].dtype == np.float32
    assert blocks[0].tobytes() == blocks[1].tobytes()


@pytest.mark.parametrize("sparse", [False, True])
def test_a_lower_level_alone_leaves_integers(tmp_path, sparse):
    rng = np.random.default_rng(8)
    raw = rng.poisson(3.0, (10, 4, 4)).astype(np.uint16)
    qmap, frames = random_qmap(rng, (4, 4)), FrameRange(0, 10)
    given_by = Preprocessing(NO_LIMIT, lower_level=2.5)
    source = MemorySource(raw, sparse)
    paths = sort_run(tmp_path, source, frames, qmap, [0, 10], preprocessing=given_by)
    assert_sorted(paths, processed(raw, frames, 0, 65534, (), 2.5), qmap)
    assert read_positions(paths, 0, 1).dtype == np.uint8


@pytest.mark.parametrize("sparse", [False, True])
def test_pixels_unknown_to_dark_or_flat_measure_nothing(tmp_path, sparse):
    raw = np.full((3, 2, 2), 5, np.uint16)
    flat = np.array([[1.0, np.nan], [2.0, 1.0]])
    qmap = small_qmap(np.ones((2, 2), int), np.ones((2, 2), int))
    given_by = Preprocessing(NO_LIMIT, flat=flat)
    source = MemorySource(raw, sparse)
    paths = sort_run(tmp_path, source, FrameRange(0, 3), qmap, [0, 3], preprocessing=given_by)
    sums = read_frame_sums(paths[0])
    assert sums.image_sum.tolist() == [[15.0, 0.0], [7.5, 15.0]]
    assert sums.image_invalid.tolist() == [[0, 3], [0, 0]]


def test_frames_of_floats_keep_their_fractions(tmp_path):
    rng = np.random.default_rng(9)
    raw = rng.normal(1.0, 1.0, (9, 4, 4)).astype(np.float32)
    raw[2, 1, 1] = np.nan
    qmap, frames = random_qmap(rng, (4, 4)), FrameRange(0, 9)
    limits = {"minimum": None, "maximum": None, "bit_depth": None}
    paths = sort_run(
        tmp_path, MemorySource(raw), frames, qmap, [0, 4, 9], preprocessing=Preprocessing(limits)
    )
    whole = np.where(np.isnan(raw), np.float32(np.inf), raw)
    expected = processed(whole, frames, -np.inf, 3e38)
    assert_sorted(paths, expected, qmap, exact=False)


@pytest.mark.parametrize("whole_map", [False, True])
def test_a_crop_takes_a_part_of_the_detector(tmp_path, whole_map):
    rng = np.random.default_rng(10)
    raw = rng.poisson(1.0, (7, 8, 9)).astype(np.uint8)
    frames = FrameRange(0, 7)
    crop = {"rows": [2, 6], "columns": [1, 6]}
    cut = raw[:, 2:6, 1:6]
    qmap = random_qmap(rng, (4, 5))
    expected = processed(cut, frames, 0, 254)
    if whole_map:
        static = np.zeros((8, 9), int)
        static[2:6, 1:6] = qmap.static
        dynamic = np.zeros((8, 9), int)
        dynamic[2:6, 1:6] = qmap.dynamic
        qmap = small_qmap(dynamic, static)
        inside = np.zeros_like(raw)
        inside[:, 2:6, 1:6] = cut
        expected = processed(inside, frames, 0, 254)
    for sparse in (False, True):
        source = MemorySource(raw, sparse)
        paths = sort_run(tmp_path / str(sparse), source, frames, qmap, [0, 7], crop=crop)
        assert_sorted(paths, expected, qmap)


def test_maps_and_crops_that_do_not_fit_are_refused(tmp_path):
    source, frames = MemorySource(np.ones((2, 6, 6), np.uint8)), FrameRange(0, 2)
    one = np.ones((5, 6), int)
    with pytest.raises(UserError, match="the q-map has 5 x 6 pixels, the frames 6 x 6"):
        sort_run(tmp_path, source, frames, small_qmap(one, one), [0, 2])
    one = np.ones((6, 6), int)
    with pytest.raises(UserError, match="18 pixels of the q-map lie outside the crop"):
        sort_run(
            tmp_path,
            source,
            frames,
            small_qmap(one, one),
            [0, 2],
            crop={"rows": [0, 3], "columns": None},
        )
    with pytest.raises(UserError, match="the crop takes rows 3 to 9 of a detector of 6"):
        sort_run(tmp_path, source, frames, small_qmap(one, one), [0, 2], crop={"rows": [3, 9]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sparse", [False, True])
def test_a_missing_frame_is_an_error_unless_it_may_be_missing(tmp_path, sparse):
    raw = np.ones((5, 3, 3), np.uint8)
    qmap = small_qmap(np.ones((3, 3), int), np.ones((3, 3), int))
    source = MemorySource(raw, sparse, {2})
    with pytest.raises(FrameError):
        sort_run(tmp_path, source, FrameRange(0, 5), qmap, [0, 5])
    assert not list(tmp_path.iterdir())
    (path,) = sort_run(tmp_path, source, FrameRange(0, 5), qmap, [0, 5], skip_missing=True)
    sums = read_frame_sums(path)
    assert sums.reason.tolist() == [0, 0, FrameReason.MISSING, 0, 0]
    with h5py.File(path) as file:
        assert "the frame is missing (frame 2)" in file["provenance"][()].decode()


@pytest.mark.parametrize(
    ("given_by", "message"),
    [
        (Preprocessing({**NO_LIMIT, "minimum": 1.0}), "the valid range begins at 1"),
        (Preprocessing(NO_LIMIT, dark=np.full((3, 3), -0.5)), "the dark image has negative values"),
    ],
)
def test_what_would_make_pixels_without_an_event_count_is_refused(tmp_path, given_by, message):
    source = MemorySource(np.ones((2, 3, 3), np.uint16), sparse=True)
    qmap = small_qmap(np.ones((3, 3), int), np.ones((3, 3), int))
    with pytest.raises(UserError, match=message):
        sort_run(tmp_path, source, FrameRange(0, 2), qmap, [0, 2], preprocessing=given_by)


@pytest.mark.parametrize(
    ("asked", "dark", "message"),
    [
        ({"dark_frames": [0, 3]}, np.zeros((2, 2)), "both given"),
        ({"dark_frames": [3, 3]}, None, "dark frames 3 to 3 are not in the run"),
        (
            {"dark_frames": [0, 9]},
            None,
            "dark frames 0 to 9 are not in the run, which has 4 frames",
        ),
        (
            {"dark_frames": [0, 1], "dark_sigma": 3},
            None,
            "one dark frame has no standard deviation",
        ),
        ({"dark_sigma": 3}, None, "dark_sigma needs dark frames"),
    ],
)
def test_mistaken_dark_settings_are_refused(asked, dark, message):
    source = MemorySource(np.ones((4, 2, 2), np.uint8))
    with pytest.raises(UserError, match=message):
        preprocessing_of(asked, NO_LIMIT, source, "area", dark, None, "reduction x")
