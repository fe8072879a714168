"""The frames of a run: good and bad ones, scale, means and errors, against numpy on the raw frames."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.xpcs.runs_in_memory import MemorySource, random_qmap, small_qmap
from tests.xpcs.test_sort import sort_run

from scatterflow.errors import UserError
from scatterflow.frame_range import FrameRange
from scatterflow.xpcs.frames import (
    REASONS,
    Frames,
    profile_means,
    read_frames,
    summarise_frames,
    write_frames,
)


def summary(folder, raw, qmap, edges, asked=None, **options) -> Frames:
    source = MemorySource(raw, options.pop("sparse", False), options.pop("missing", None))
    frames = FrameRange(0, len(raw))
    paths = sort_run(folder, source, frames, qmap, edges, skip_missing=True, **options)
    return summarise_frames(paths, asked or {}, qmap, "run a")


def assert_means(found: Frames, raw: np.ndarray, qmap, valid: np.ndarray) -> None:
    """Means and variances are those of the valid raw frames, in the pixels of the map."""
    good = raw[valid].astype(float)
    where = qmap.mask
    np.testing.assert_allclose(found.mean[where], good.mean(axis=0)[where], rtol=1e-14)
    variance = good.var(axis=0, ddof=1) / len(good)
    np.testing.assert_allclose(found.mean_variance[where], variance[where], rtol=1e-12, atol=1e-16)
    for number in range(qmap.static_bins):
        own = qmap.static == number + 1
        assert found.static_mean[number] == pytest.approx(good[:, own].mean(), rel=1e-14)
        assert found.static_pixels[number] == own.sum()


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_chunking_gives_the_same_bits(tmp_path_factory, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    raw = rng.poisson(data.draw(st.sampled_from([0.05, 3.0])), (24, 4, 5)).astype(np.uint16)
    raw[7] *= 10
    raw[3, 1, 1] = 65535
    qmap = random_qmap(rng, (4, 5))
    asked = {"bad": "2,11-13", "automatic_bad": {"low": 0.1, "high": 4.0}, "normalise": "frame_sum"}
    whole = summary(tmp_path_factory.mktemp("whole"), raw, qmap, [0, 24], asked)
    cuts = sorted(data.draw(st.sets(st.integers(1, 23), min_size=1, max_size=3)))
    sparse = data.draw(st.booleans())
    parts = summary(
        tmp_path_factory.mktemp("parts"), raw, qmap, [0, *cuts, 24], asked, blocks=3, sparse=sparse
    )
    for item in fields(Frames):
        a, b = getattr(whole, item.name), getattr(parts, item.name)
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), item.name


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("rate", [0.05, 5.0])
def test_means_are_those_of_the_good_frames(tmp_path, sparse, rate):
    rng = np.random.default_rng(2)
    raw = rng.poisson(rate, (40, 6, 7)).astype(np.uint16)
    qmap = random_qmap(rng, (6, 7))
    found = summary(
        tmp_path, raw, qmap, [0, 13, 40], {"bad": "5,20-22"}, missing={30}, sparse=sparse
    )
    valid = np.ones(40, bool)
    valid[[5, 20, 21, 22, 30]] = False
    assert np.array_equal(found.valid, valid)
    assert_means(found, raw, qmap, valid)
    assert found.reason[5] == REASONS["listed"]
    assert found.reason[30] == REASONS["missing"]
    assert np.isnan(found.mean[~qmap.mask]).all()  # nothing is kept there of the listed frames
    assert found.total[5] == raw[5][qmap.mask].sum()
    assert found.total[30] == 0
    assert found.unscaled
    assert (found.scale == 1).all()


def test_without_bad_frames_the_mean_is_known_everywhere(tmp_path):
    rng = np.random.default_rng(3)
    raw = rng.poisson(1.0, (12, 5, 5)).astype(np.uint8)
    qmap = random_qmap(rng, (5, 5))
    good = rng.random((5, 5)) < 0.7
    found = summary(tmp_path, raw, qmap, [0, 6, 12], missing={4}, good=good)
    valid = np.arange(12) != 4
    np.testing.assert_allclose(found.mean, raw[valid].mean(axis=0), rtol=1e-15)
    seen = good | qmap.mask
    assert found.good_pixels == seen.sum()
    assert found.detector_total[valid].tolist() == raw[valid][:, seen].sum(axis=1).tolist()


def test_totals_far_from_the_median_make_bad_frames(tmp_path):
    raw = np.full((9, 2, 2), 10, np.uint16)
    raw[1], raw[2], raw[3], raw[4] = 4, 5, 20, 21
    qmap = small_qmap(np.ones((2, 2), int), np.ones((2, 2), int))
    asked = {"automatic_bad": {"low": 0.5, "high": 2.0}}
    found = summary(tmp_path, raw, qmap, [0, 9], asked)
    expected = np.zeros(9, int)
    expected[1], expected[4] = REASONS["too dark"], REASONS["too bright"]
    assert found.reason.tolist() == expected.tolist()
    assert_means(found, raw, qmap, expected == 0)
    only_low = {"automatic_bad": {"low": 0.5, "high": None}}
    assert (
        summary(tmp_path, raw, qmap, [0, 9], only_low).valid.tolist() == [True, False] + [True] * 7
    )


def test_the_median_is_that_of_the_other_good_frames(tmp_path):
    raw = np.full((7, 2, 2), 10, np.uint16)
    raw[:4] = 1  # listed: they do not count
    qmap = small_qmap(np.ones((2, 2), int), np.ones((2, 2), int))
    asked = {"bad": "0-3", "automatic_bad": {"low": 0.9, "high": 1.1}}
    assert summary(tmp_path, raw, qmap, [0, 7], asked).valid.tolist() == [False] * 4 + [True] * 3


def test_normalised_frames_have_the_mean_total(tmp_path):
    rng = np.random.default_rng(4)
    raw = rng.poisson(np.linspace(1, 5, 20)[:, None, None], (20, 4, 4)).astype(np.uint16)
    raw[6] = 0
    raw[9] = 500
    qmap = random_qmap(rng, (4, 4))
    asked = {"normalise": "frame_sum", "bad": "9"}
    found = summary(tmp_path, raw, qmap, [0, 20], asked)
    totals = raw[:, qmap.mask].sum(axis=1)
    others = [i for i in range(20) if i not in (6, 9)]
    mean = totals[[i for i in range(20) if i != 9]].mean()
    np.testing.assert_allclose(found.scale[others] * totals[others], mean, rtol=1e-15)
    assert found.scale[[6, 9]].tolist() == [1, 1]
    assert not found.unscaled


def test_values_that_measured_nothing_are_left_out_of_means(tmp_path, caplog):
    raw = np.full((10, 2, 3), 4, np.uint16)
    raw[:5, 0, 0] = 65535
    raw[:, 1, 1] = 65535
    used = np.ones((2, 3), int)
    used[1, 1] = 0
    found = summary(tmp_path, raw, small_qmap(used, used), [0, 4, 10])
    assert found.mean[0].tolist() == [4, 4, 4]
    assert np.isnan(found.mean[1, 1])
    assert found.invalid.tolist() == [[5, 0, 0], [0, 10, 0]]
    assert found.static_mean[0] == pytest.approx(4.0, rel=1e-15)
    assert "1 pixels of the q-map have values outside the detector's valid range" in caplog.text


def test_pixels_that_never_measured_are_refused(tmp_path):
    raw = np.full((6, 2, 3), 4, np.uint16)
    raw[:, 1, 1] = raw[1:, 1, 2] = 65535
    one = np.ones((2, 3), int)
    with pytest.raises(
        UserError, match=r"1 pixels of the q-map measured nothing .* row 1, column 1"
    ):
        summary(tmp_path, raw, small_qmap(one, one), [0, 4, 6])


def test_segments_and_errors_follow_their_definition():
    rng = np.random.default_rng(5)
    sums = rng.poisson(50.0, (43, 3))
    pixels, valid = np.array([5, 6, 7]), rng.random(43) < 0.8
    mean, error, segments = profile_means(sums, pixels, valid)
    parts = [np.arange(43)[k * 43 // 10 : (k + 1) * 43 // 10] for k in range(10)]
    parts = [part[valid[part]] for part in parts]
    expected = np.array([sums[part].mean(axis=0) / pixels for part in parts])
    np.testing.assert_allclose(segments, expected, rtol=1e-14)
    np.testing.assert_allclose(mean, sums[valid].mean(axis=0) / pixels, rtol=1e-14)
    share = np.array([len(part) for part in parts])[:, None] / valid.sum()
    scatter = (share**2 * (expected - mean) ** 2).sum(axis=0) * 10 / 9
    np.testing.assert_allclose(error, np.sqrt(scatter), rtol=1e-12)


@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_errors_of_profiles_are_true_for_correlated_frames_too(memory):
    rng = np.random.default_rng(6)
    steps = rng.normal(size=(400, 2000))
    series = np.empty_like(steps)
    series[0] = steps[0] / np.sqrt(1 - memory**2)
    for i in range(1, 400):
        series[i] = memory * series[i - 1] + steps[i]
    mean, error, _ = profile_means(series, np.ones(2000), np.ones(400, bool))
    # Segments of 40 frames hold eight correlation times; the error is right to a few per cent.
    assert np.sqrt((mean**2).mean() / (error**2).mean()) == pytest.approx(1.0, abs=0.08)


def test_frames_come_back_from_their_file(tmp_path):
    rng = np.random.default_rng(8)
    raw = rng.poisson(2.0, (6, 3, 3)).astype(np.uint8)
    qmap = random_qmap(rng, (3, 3))
    found = summary(tmp_path, raw, qmap, [0, 6], {"bad": "1"})
    write_frames(tmp_path / "frames.h5", found, {"made": "here"})
    again = read_frames(tmp_path / "frames.h5")
    for item in fields(Frames):
        a, b = getattr(found, item.name), getattr(again, item.name)
        assert type(a) is type(b)
        np.testing.assert_array_equal(a, b)
    with pytest.raises(UserError, match="not a summary of frames"):
        read_frames(tmp_path / "0-6.h5")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"bad": "3-6"}, "frame 6 is listed as bad, but there are 6 frames"),
        ({"bad": "x"}, "'x' is no frame number or range"),
        ({"bad": "0-5"}, "none of the 6 frames is valid"),
        (
            {"automatic_bad": {"low": 2.0, "high": None}},
            "none of the 6 frames is valid .*too dark 0-5",
        ),
    ],
)
def test_what_leaves_no_frames_is_refused(tmp_path, asked, message):
    raw = np.ones((6, 2, 2), np.uint8)
    qmap = small_qmap(np.ones((2, 2), int), np.ones((2, 2), int))
    with pytest.raises(UserError, match=message) as error:
        summary(tmp_path, raw, qmap, [0, 6], asked)
    assert error.value.where.startswith("run a")
