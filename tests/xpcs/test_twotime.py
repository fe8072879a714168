"""Two-time maps against the definition, pixel by pixel; sums along diagonals against numpy; known answers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.kernels import twotime as kernel
from scatterflow.kernels import twotime_events
from scatterflow.xpcs.blocks import Block, as_events
from scatterflow.xpcs.twotime import (
    TwoTimeSettings,
    analyse_map,
    correlate_bin,
    correlate_twotime,
)
from scatterflow.xpcs.twotime_tiles import faster_by_events, places
from scatterflow.xpcs.twotime_weights import SMOOTHING

GROUPS = np.repeat([4, 5, 9], [7, 2, 11])


def block_of(values: np.ndarray) -> Block:
    return Block(0, values.shape[1], len(values), "frames", values=np.ascontiguousarray(values))


def definition(values, group_of, valid, scale, smoothing):
    """C2 from the formula in `twotime_weights`, with loops; NaN below the diagonal."""
    u = values.astype(float) * scale[:, None]
    frames = len(u)
    x = np.full(u.shape, np.nan)
    for t in np.flatnonzero(valid):
        for group in np.unique(group_of):
            own = group_of == group
            mean = {
                "none": 1.0,
                "dynamic": u[t].mean(),
                "static": u[t, own].mean(),
                "time_average": u[valid][:, own].mean(),
            }[smoothing]
            if mean > 0:
                x[t, own] = u[t, own] / mean
            elif smoothing != "static":
                x[t, own] = 0.0
    c2 = np.full((frames, frames), np.nan)
    for t1 in range(frames):
        for t2 in range(t1, frames):
            both = np.isfinite(x[t1] + x[t2])
            s1, s2 = x[t1, both].sum(), x[t2, both].sum()
            if s1 > 0 and s2 > 0:
                c2[t1, t2] = both.sum() * (x[t1, both] * x[t2, both]).sum() / (s1 * s2)
    return c2


def counts_of(seed, frames=12, mean=0.3, dtype=np.uint8):
    return np.random.default_rng(seed).poisson(mean, (frames, len(GROUPS))).astype(dtype)


def same(one, other) -> bool:
    """Whether two results are the same to the last bit."""
    return all(
        np.array_equal(value, getattr(other, name), equal_nan=True)
        if isinstance(value, np.ndarray)
        else value == getattr(other, name) or value != value
        for name, value in vars(one).items()
    )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(SMOOTHING),
    st.sampled_from([0.03, 0.3, 5.0]),
    st.sampled_from(["events", "frames"]),
)
def test_maps_are_those_of_the_definition(seed, smoothing, mean, form):
    values = counts_of(seed, mean=mean)
    rng = np.random.default_rng(seed)
    valid, scale = rng.random(len(values)) < 0.8, rng.uniform(0.5, 2, len(values))
    values[~valid] = 0
    asked = TwoTimeSettings(smoothing, form=form)
    found = correlate_bin(block_of(values), GROUPS, valid, scale, asked)
    expected = definition(values, GROUPS, valid, scale, smoothing)
    upper = np.triu_indices(len(values))
    assert found.c2[upper] == pytest.approx(expected[upper], rel=1e-6, nan_ok=True)
    assert not np.tril(found.c2, -1).any()
    for lag in range(len(values)):
        diagonal = np.diagonal(expected, lag)
        known = diagonal[np.isfinite(diagonal)]
        assert found.pairs[lag] == known.size
        if known.size:
            assert found.g2[lag] == pytest.approx(known.mean(), rel=1e-12)
        else:
            assert np.isnan(found.g2[lag])
        if known.size > 1:
            assert found.variance[lag] == pytest.approx(np.var(known, ddof=1), abs=1e-11)
    assert found.invalid_frames == np.count_nonzero(~valid)
    assert found.empty_frames == np.count_nonzero(valid & (values.sum(axis=1) == 0))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(SMOOTHING),
    st.sampled_from([(np.uint8, 0.1), (np.uint8, 3.0), (np.uint16, 900.0), (np.uint32, 40_000.0)]),
    st.booleans(),
)
def test_events_and_frames_agree_to_the_last_bit(seed, smoothing, kind, chi4):
    dtype, mean = kind
    values = counts_of(seed, mean=mean, dtype=dtype)
    asked = TwoTimeSettings(smoothing, 2, None, 2, 2000, chi4)
    valid, scale = np.ones(len(values), bool), np.ones(len(values))
    given_as = (block_of(values), as_events(block_of(values)))
    results = [
        correlate_bin(block, GROUPS, valid, scale, replace(asked, form=form), threads=threads)
        for block in given_as
        for form in ("events", "frames")
        for threads in (1, 3)
    ]
    assert all(same(results[0], other) for other in results[1:])


@pytest.mark.parametrize("smoothing", SMOOTHING)
@pytest.mark.parametrize("form", ["events", "frames"])
def test_tiles_of_any_size_make_the_same_map(monkeypatch, smoothing, form):
    values = counts_of(1, frames=50)
    valid, scale = np.ones(50, bool), np.ones(50)
    valid[[3, 20]], values[[3, 20]] = False, 0
    asked = TwoTimeSettings(smoothing, 3, None, 4, 2000, True, form)
    whole = correlate_bin(block_of(values), GROUPS, valid, scale, asked)
    monkeypatch.setattr(kernel, "TILE", 16)
    for name, size in (("BAND", 5), ("ROWS", 10), ("COLUMNS", 25)):
        monkeypatch.setattr(twotime_events, name, size)
    monkeypatch.setattr("scatterflow.xpcs.twotime_weights.PANEL", 3)
    cut = correlate_bin(block_of(values), GROUPS, valid, scale, asked, threads=2)
    assert same(cut, whole)
    coarse = correlate_bin(
        block_of(values), GROUPS, valid, scale, replace(asked, largest_map=20), threads=2
    )
    assert coarse.step == 3
    assert coarse.c2.shape == (17, 17)
    above = np.where(np.triu(np.ones((51, 51), bool), 1), np.nan, np.nan)
    above[:50, :50] = np.where(np.triu(np.ones((50, 50), bool), 1), whole.c2, np.nan)
    cells = above.reshape(17, 3, 17, 3).transpose(0, 2, 1, 3).reshape(17, 17, 9)
    for i in range(17):
        for j in range(i, 17):
            known = cells[i, j][np.isfinite(cells[i, j])]
            expected = known.mean() if known.size else np.nan
            assert coarse.c2[i, j] == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert np.array_equal(coarse.g2, cut.g2, equal_nan=True)


def test_bright_frames_whose_products_exceed_float32():
    # sum x^2 of a static bin is above 2^24 in two ways: many panels together, a single pixel.
    values = counts_of(2, mean=1500.0, dtype=np.uint32)
    values[3, 8], values[5, 8] = 70_000, 90_001
    valid, scale = np.ones(len(values), bool), np.ones(len(values))
    exact = values.astype(object) @ values.astype(object).T
    total = values.sum(axis=1, dtype=np.int64).astype(object)
    expected = [
        float(len(GROUPS) * exact[0, t] / (total[0] * total[t])) for t in range(len(values))
    ]
    for form in ("events", "frames"):
        found = correlate_bin(
            block_of(values), GROUPS, valid, scale, TwoTimeSettings("none", form=form)
        )
        assert found.c2[0] == pytest.approx(expected, rel=1e-7)


def test_counts_at_the_end_of_uint32_do_not_overflow():
    values = counts_of(3, dtype=np.uint32)
    values[:, 4] = 2**32 - 2
    valid, scale = np.ones(len(values), bool), np.ones(len(values))
    u = values.astype(np.float64)
    expected = len(GROUPS) * (u @ u.T) / np.outer(u.sum(axis=1), u.sum(axis=1))
    for form in ("events", "frames"):
        found = correlate_bin(
            block_of(values), GROUPS, valid, scale, TwoTimeSettings("none", form=form)
        )
        np.testing.assert_allclose(found.c2, np.triu(expected), rtol=1e-6)


def test_fractions_keep_float64():
    values = (counts_of(4, mean=3.0) / np.float32(7)).astype(np.float32)
    valid, scale = np.ones(len(values), bool), np.ones(len(values))
    expected = definition(values, GROUPS, valid, scale, "static")
    for form in ("events", "frames"):
        asked = TwoTimeSettings("static", form=form)
        found = correlate_bin(block_of(values), GROUPS, valid, scale, asked)
        lag_means = [np.nanmean(np.diagonal(expected, lag)) for lag in range(len(values))]
        assert found.g2 == pytest.approx(lag_means, rel=1e-12)


def test_an_empty_static_bin_is_left_out_and_counted():
    values = np.ones((4, len(GROUPS)), np.uint8)
    values[1, GROUPS == 5] = 0
    values[2] = 0
    found = correlate_bin(
        block_of(values), GROUPS, np.ones(4, bool), np.ones(4), TwoTimeSettings("static")
    )
    assert (found.empty_frames, found.empty_static, found.invalid_frames) == (1, 1, 0)
    # All other pixels are at their mean in every frame.
    expected = np.triu(np.ones((4, 4)))
    expected[2, 2:], expected[:3, 2] = np.nan, np.nan
    assert found.c2 == pytest.approx(expected, nan_ok=True)


def test_one_frame_and_one_pixel():
    found = correlate_bin(
        block_of(np.full((1, 1), 3, np.uint8)),
        np.zeros(1, int),
        np.ones(1, bool),
        np.ones(1),
        TwoTimeSettings(chi4=True, ages=2, partial=3),
    )
    assert found.g2.tolist() == [1.0]
    assert np.isnan(found.stationarity)
    assert found.chi4 is not None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 5), st.integers(1, 4))
def test_cuts_and_windows_of_a_given_map(seed, frames, ages, windows):
    rng = np.random.default_rng(seed)
    c2 = 1 + rng.normal(size=(frames, frames))
    found = analyse_map(c2, TwoTimeSettings(ages=ages, partial=windows))
    t1, t2 = np.triu_indices(frames)
    for lag in range(frames):
        own = t2 - t1 == lag
        assert found.g2[lag] == pytest.approx(c2[t1, t2][own].mean(), abs=1e-12)
        # Cuts that touch hold every pair once.
        cut = np.minimum((t1 + t2) * ages // (2 * frames), ages - 1)
        in_half = (t1 + t2 >= frames).astype(int)
        for shown, number, index in (
            (found.age_g2, ages, cut),
            (found.half_g2, 2, in_half),
        ):
            for part in range(number):
                here = own & (index == part)
                expected = c2[t1, t2][here].mean() if here.any() else np.nan
                assert shown[part, lag] == pytest.approx(expected, abs=1e-12, nan_ok=True)
    for window in range(windows):
        first, last = window * frames // windows, (window + 1) * frames // windows
        for lag in range(last - first):
            expected = np.diagonal(c2[first:last, first:last], lag).mean()
            assert found.partial[window, lag] == pytest.approx(expected, abs=1e-12)


def test_narrow_cuts_hold_the_ages_near_their_centres():
    found = analyse_map(np.ones((40, 40)), TwoTimeSettings(ages=2, age_width=3.0))
    assert found.age_centres.tolist() == [10.0, 30.0]
    assert found.age_width == 3.0
    # t1 + t2 = 17..22 about an age of 10: even lags 18, 20, 22, odd lags 17, 19, 21.
    assert np.isfinite(found.age_g2[0, :18]).all()
    assert np.isnan(found.age_g2[0, 23:]).all()


def test_measured_map_has_its_known_answers(real_data):
    c2 = np.load(real_data("nsls2-two-time") / "two_time.npy")
    found = analyse_map(c2, TwoTimeSettings(partial=2, ages=2))
    lags = [1, 2, 5, 10, 20, 50, 100, 200]
    known = [1.08828, 1.08274, 1.07516, 1.06137, 1.05389, 1.03723, 1.02716, 1.02543]
    assert found.g2[lags] == pytest.approx(known, abs=6e-6)
    assert found.partial[:, [1, 10, 50]] == pytest.approx(
        np.array([[1.0871, 1.0443, 1.0280], [1.0889, 1.0769, 1.0399]]), abs=6e-5
    )
    # It slows down: the halves differ by more than their noise.
    assert found.stationarity > 1.5 * found.stationarity_noise
    with pytest.raises(UserError, match="square"):
        analyse_map(c2[:10], TwoTimeSettings())


def speckles(rng, frames, fields, tau):
    """(frames, fields) intensities of complex Gaussian fields with g1 = exp(-t / tau), mean 1."""
    decay = np.exp(-1 / tau)
    steps = rng.normal(size=(2, frames, fields)) / np.sqrt(2)
    field = np.empty_like(steps)
    field[:, 0] = steps[:, 0]
    for t in range(1, frames):
        field[:, t] = decay * field[:, t - 1] + np.sqrt(1 - decay**2) * steps[:, t]
    return (field**2).sum(axis=0)


def test_errors_and_g2_are_those_of_a_known_field():
    rng = np.random.default_rng(12)
    frames, fields, tau, runs = 256, 400, 4.0, 60
    lags = np.array([1, 2, 4, 8, 16, 32])
    found, errors, indices, noises = [], [], [], []
    for _ in range(runs):
        values = rng.poisson(3 * speckles(rng, frames, fields, tau)).astype(np.uint16)
        result = correlate_bin(
            block_of(values),
            np.zeros(fields, int),
            np.ones(frames, bool),
            np.ones(frames),
            TwoTimeSettings("none"),
        )
        found.append(result.g2[lags])
        errors.append(result.error[lags])
        indices.append(result.stationarity)
        noises.append(result.stationarity_noise)
    truth = 1 + np.exp(-2 * lags / tau)
    # Dividing by the sum of 400 fields biases by 1 / 400 of the contrast at most.
    assert np.mean(found, axis=0) == pytest.approx(truth, abs=0.006)
    pulls = np.std(found, axis=0, ddof=1) / np.sqrt(np.mean(np.square(errors), axis=0))
    # 60 runs know a pull to 9 %; six lags are not independent.
    assert np.all((pulls > 0.75) & (pulls < 1.3)), pulls
    assert 0.8 < np.mean(pulls) < 1.2
    assert np.median(indices) < 2 * np.median(noises)


def test_chi4_is_what_all_pixels_do_together_without_their_noise():
    rng = np.random.default_rng(5)
    frames, fields, lag = 1500, 100, 1
    # The decay of all fields from one frame to the next is fast or slow for stretches of 50 frames.
    slow = np.repeat(rng.random(frames // 50) < 0.5, 50)
    decay = np.where(slow, 0.95, 0.6)
    field = rng.normal(size=(2, fields))
    values = np.empty((frames, fields), np.uint16)
    for t in range(frames):
        steps = rng.normal(size=field.shape)
        field = decay[t] * field + np.sqrt(1 - decay[t] ** 2) * steps
        values[t] = rng.poisson(4 * (field**2).sum(axis=0) / 2)
    asked = TwoTimeSettings("none", chi4=True)
    ones = np.ones(frames, bool), np.ones(frames)
    found = correlate_bin(block_of(values), np.zeros(fields, int), *ones, asked)
    truth = np.var(decay[1:] ** 2)
    assert found.chi4 is not None
    assert found.chi4[lag] == pytest.approx(truth, rel=0.2)
    assert found.variance[lag] > 1.3 * truth
    steady = correlate_bin(
        block_of(rng.poisson(4 * speckles(rng, frames, fields, 3.0)).astype(np.uint16)),
        np.zeros(fields, int),
        *ones,
        asked,
    )
    assert steady.chi4 is not None
    assert abs(steady.chi4[lag]) < 0.1 * steady.variance[lag]


def test_the_form_follows_the_number_of_events():
    rng = np.random.default_rng(3)
    few = (rng.random((300, 200)) < 0.005).astype(np.uint8)
    many = np.ones((300, 200), np.uint8)
    assert faster_by_events(block_of(few))
    assert faster_by_events(as_events(block_of(few)))
    assert not faster_by_events(block_of(many))
    assert not faster_by_events(as_events(block_of(many)))


def bins_of(values):
    """A q-map of three dynamic bins, and what reads their positions."""
    static = np.repeat([0, 1, 2, 3], [3, 4, 5, 8])
    qmap = SimpleNamespace(
        dynamic_bins=3,
        dynamic_of_position=np.array([0, 1, 1, 2])[static].astype(np.int32),
        static_of_position=static.astype(np.int32),
    )
    return qmap, lambda first, last: replace(
        block_of(values[:, first:last]), first=first, last=last
    )


def test_bins_are_taken_whole_and_in_the_order_asked():
    values = counts_of(8, mean=1.0)
    qmap, read = bins_of(values)
    frames = SimpleNamespace(valid=np.ones(12, bool), scale=np.ones(12))
    found = list(correlate_twotime(read, qmap, frames, TwoTimeSettings("none"), [2, 0]))
    assert [(result.bin, result.pixels) for result in found] == [(2, 8), (0, 3)]
    expected = definition(values[:, :3], np.zeros(3), frames.valid, frames.scale, "none")
    assert found[1].c2 == pytest.approx(np.triu(expected), rel=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (TwoTimeSettings("statc"), "did you mean 'static'"),
        (TwoTimeSettings(ages=-1), "ages is below 0"),
        (TwoTimeSettings(partial=-1), "partial is below 0"),
        (TwoTimeSettings(largest_map=0), "a map needs a cell"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    qmap, read = bins_of(counts_of(1))
    frames = SimpleNamespace(valid=np.ones(12, bool), scale=np.ones(12))
    with pytest.raises(UserError) as caught:
        list(correlate_twotime(read, qmap, frames, settings, [0]))
    assert message in str(caught.value)


def test_too_few_valid_frames():
    qmap, read = bins_of(counts_of(1))
    frames = SimpleNamespace(valid=np.arange(12) == 3, scale=np.ones(12))
    with pytest.raises(UserError, match="fewer than two frames"):
        list(correlate_twotime(read, qmap, frames, TwoTimeSettings(), [0]))


@pytest.mark.parametrize("frames", [1, 9, 10, 57])
@pytest.mark.parametrize("sides", [(10, 10), (10, 25), (100, 100)])
def test_tiles_cover_the_triangle_once(frames, sides):
    covered = np.zeros((frames, frames), int)
    for place in places(frames, *sides):
        covered[slice(*place.rows), slice(*place.columns)] += 1
        assert place.diagonal == (place.rows[0] == place.columns[0])
    assert (covered[np.triu_indices(frames)] == 1).all()
