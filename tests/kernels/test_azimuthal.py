"""The integration kernel against sums written out in Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels.azimuthal import Integrator, Sums, Target, integrate_frames
from scatterflow.kernels.sizes import LANES, TILE
from scatterflow.kernels.tiles import Tiles, cut_into_tiles

MODELS = {"poisson": 1, "counting": 0}


def tiles_of(shares: np.ndarray) -> Tiles:
    """A dense (bins, pixels) matrix of shares in tiles."""
    rows, pixels = np.nonzero(shares)
    indptr = np.searchsorted(rows, np.arange(len(shares) + 1))
    return cut_into_tiles(indptr, pixels, shares[rows, pixels].astype(np.float32), shares.shape[1])


def target_of(shares: np.ndarray, weight: np.ndarray, **options: object) -> Target:
    """A target with these shares and pixel weights."""
    return Target(tiles_of(shares), shares @ weight, weight, **options)


def by_hand(frames, limits, shares, weight, dark, error_model, dead=None):
    """The formulas of the module's docstring: signal, variance, normalisation (frames, bins)."""
    flat = frames.reshape(len(frames), -1).astype(float)
    valid = (flat >= limits[0]) & (flat <= limits[1])
    live = np.ones_like(flat) if dead is None else 1 - np.asarray(dead)[:, None] * flat
    valid &= live > 0
    counts = np.where(valid, flat, 0)
    factor = 1 / np.where(valid, live, 1)
    dark = np.zeros(flat.shape[1]) if dark is None else dark
    noise = np.maximum(counts, MODELS[error_model]) * factor**4 + dark
    return (
        (valid * (counts * factor - dark)) @ shares.T,
        (valid * noise) @ (shares**2).T,
        (valid * weight) @ shares.T,
    )


def check(found: Sums, normalisation: np.ndarray, expected, tolerance: float = 1e-12) -> None:
    lost = 0 if found.lost is None else found.lost
    norm = np.broadcast_to(normalisation - lost, found.signal.shape)
    for values, wanted in zip((found.signal, found.variance, norm), expected, strict=True):
        np.testing.assert_allclose(values, wanted, rtol=tolerance, atol=tolerance * 100)
    assert np.array_equal(norm == 0, expected[2] == 0)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(
        [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.uint64, np.float32, np.float64]
    ),
    pixels=st.sampled_from([1, 7, 30, 16 * 5, TILE - 1, TILE, TILE + 9, 2 * TILE]),
    frames=st.sampled_from([1, 3, LANES, LANES + 2]),
    model=st.sampled_from(list(MODELS)),
    with_dark=st.booleans(),
    with_dead_time=st.booleans(),
    limits=st.sampled_from([(0, 100), (3, 50)]),
    threads=st.integers(1, 3),
)
def test_sums_are_those_of_the_formulas(
    seed, dtype, pixels, frames, model, with_dark, with_dead_time, limits, threads
):
    rng = np.random.default_rng(seed)
    stack = rng.integers(0, 60, (frames, 1, pixels)).astype(dtype)
    # Shares are exact in float32, so that the comparison is not blurred by their rounding.
    matrices = [rng.choice([0, 0, 0, 0.25, 0.5, 1], (bins, pixels)) for bins in (6, 1, 3)]
    weight = rng.uniform(0.5, 1, pixels)
    dark = rng.uniform(0, 2, pixels) if with_dark else None
    # Some frames are not corrected, in some the fastest pixels were dead all the time.
    dead = rng.choice([0, 0.001, 1 / 64, 0.0182], frames) if with_dead_time else None
    targets = [
        target_of(shares, weight, error_model=model, dark=dark, dark_variance=dark)
        for shares in matrices
    ]
    found = integrate_frames(stack, limits, targets, dead_time_fraction=dead, threads=threads)
    for shares, target, sums in zip(matrices, targets, found, strict=True):
        expected = by_hand(stack, limits, shares, weight, dark, model, dead)
        check(sums, target.normalisation, expected, 1e-9 if with_dead_time else 1e-12)


def test_targets_may_have_error_models_of_their_own():
    frame = np.zeros((1, 4), np.uint16)
    targets = [
        target_of(np.ones((1, 4)), np.ones(4), error_model=m) for m in ("poisson", "counting")
    ]
    assert [s.variance[0, 0] for s in integrate_frames(frame, (0, 9), targets)] == [4, 0]


def test_integer_sums_are_exact_where_float32_is_not():
    frame = np.full((1, 4), 2**24 + 1, np.uint32)
    (sums,) = integrate_frames(frame, (0, 2**32 - 2), [target_of(np.ones((1, 4)), np.ones(4))])
    assert sums.signal[0, 0] == 4 * (2**24 + 1)
    assert sums.variance[0, 0] == 4 * (2**24 + 1)
    assert sums.lost is None


@pytest.mark.parametrize(
    ("frame", "limits"),
    [
        (np.array([[2**32 - 1, 5, 7]], np.uint32), (0, 2**32 - 2)),
        (np.array([[-1, 5, 7]], np.int32), (0, 2**31 - 1)),
        (np.array([[np.nan, 5, 7]], np.float32), (-3e38, 3e38)),
        (np.array([[np.inf, 5, 7]], np.float64), (-1e308, 1e308)),
    ],
)
def test_sentinel_negative_and_nan_pixels_add_to_no_sum(frame, limits):
    (sums,) = integrate_frames(frame, limits, [target_of(np.ones((1, 3)), np.ones(3))])
    assert (sums.signal[0, 0], sums.variance[0, 0], sums.lost[0, 0]) == (12, 12, 1)


def test_a_bin_without_valid_pixel_has_lost_its_normalisation_exactly():
    weight = np.random.default_rng(1).uniform(0.5, 1, 3000)
    target = target_of(np.full((1, 3000), 0.1), weight, dark=np.full(3000, 0.3))
    (sums,) = integrate_frames(np.full((2, 3000), -1, np.int32), (0, 9), [target])
    assert np.array_equal(sums.lost, np.broadcast_to(target.normalisation, (2, 1)))
    assert not sums.signal.any()
    assert not sums.variance.any()


def test_invalid_pixels_of_no_bin_cost_nothing():
    shares = np.array([[1.0, 0.0, 1.0]])
    (sums,) = integrate_frames(
        np.array([[1, -1, 2]], np.int32), (0, 9), [target_of(shares, np.ones(3))]
    )
    assert sums.lost is None
    assert sums.signal[0, 0] == 3


def test_without_error_model_the_variance_is_flagged_not_zero():
    target = target_of(np.ones((1, 2)), np.ones(2), error_model="none")
    (sums,) = integrate_frames(np.ones((1, 2), np.int32), (0, 9), [target])
    assert np.isnan(sums.variance).all()


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
@pytest.mark.parametrize("neighbours", ["plain", "invalid", "dead time"])
def test_a_frame_does_not_depend_on_its_neighbours_or_threads(dtype, neighbours):
    rng = np.random.default_rng(5)
    pixels = TILE + 50
    stack = rng.poisson(4, (2 * LANES + 3, pixels)).astype(dtype)
    if dtype == np.float64:
        stack += rng.normal(size=stack.shape)
    dead = np.zeros(len(stack))
    if neighbours == "invalid":
        stack[::2] = np.where(rng.random((LANES + 2, pixels)) < 0.01, 99, stack[::2])
    if neighbours == "dead time":
        dead[::2] = 1e-4
    target = target_of(rng.uniform(0, 1, (6, pixels)), rng.uniform(0.5, 1, pixels))
    (whole,) = integrate_frames(stack, (-50, 50), [target], dead_time_fraction=dead, threads=3)
    for i in range(len(stack)):
        alone = dead[i : i + 1] if dead[i] else None
        (single,) = integrate_frames(
            stack[i : i + 1], (-50, 50), [target, target], dead_time_fraction=alone
        )[:1]
        assert whole.signal[i].tobytes() == single.signal[0].tobytes()
        assert whole.variance[i].tobytes() == single.variance[0].tobytes()
        if single.lost is not None:
            assert whole.lost[i].tobytes() == single.lost[0].tobytes()


def test_dead_time_gives_back_what_a_counter_missed():
    """A counter that is not paralysable sees m = n / (1 + n tau / t) of n."""
    true = np.array([[10.0, 100.0, 1000.0]])
    fraction = 2e-4
    seen = true / (1 + true * fraction)
    (sums,) = integrate_frames(
        seen, (0, 1e9), [target_of(np.eye(3), np.ones(3))], dead_time_fraction=np.array([fraction])
    )
    np.testing.assert_allclose(sums.signal, true, rtol=1e-12)
    # sigma of the corrected counts: dn/dm = (n / m)^2
    np.testing.assert_allclose(sums.variance, seen * (true / seen) ** 4, rtol=1e-12)


def test_no_frames_and_no_targets():
    (sums,) = integrate_frames(
        np.empty((0, 3), np.int32), (0, 9), [target_of(np.ones((2, 3)), np.ones(3))]
    )
    assert sums.signal.shape == (0, 2)
    assert integrate_frames(np.ones((2, 3), np.int32), (0, 9), []) == []


def test_frames_of_another_size_are_refused():
    target = target_of(np.ones((1, 4)), np.ones(4))
    with pytest.raises(ValueError, match="5 pixels, weights for 4"):
        integrate_frames(np.ones((1, 5)), (0, 1), [target])
    with pytest.raises(ValueError, match="weights for others"):
        Integrator([target], 2 * TILE, np.dtype(np.int32))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([5, TILE, 2 * TILE + 3]), st.integers(1, 9))
def test_tiles_hold_just_the_entries_of_the_matrix(seed, pixels, bins):
    rng = np.random.default_rng(seed)
    shares = rng.choice([0, 0, 0, 0.25, 1], (bins, pixels))
    tiles = tiles_of(shares)
    found = np.zeros_like(shares)
    np.add.at(found, tiles.entries(), tiles.coefficient)
    assert np.array_equal(found, shares)
    assert tiles.coefficient.all()
    assert tiles.tile_start.size == -(-pixels // TILE) + 1


def test_tiles_take_a_pixel_that_a_bin_names_twice():
    indptr, indices = np.array([0, 3]), np.array([4, 1, 4])
    tiles = cut_into_tiles(indptr, indices, np.array([0.5, 0.25, 0.125], np.float32), 6)
    (sums,) = integrate_frames(
        np.arange(6, dtype=np.int32)[None], (0, 9), [Target(tiles, np.array([0.875]), np.ones(6))]
    )
    assert sums.signal[0, 0] == 0.25 + 4 * 0.625
