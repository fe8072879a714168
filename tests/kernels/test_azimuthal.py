"""The integration kernel against sums written out in Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels.azimuthal import integrate_frames


def matrix_of(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CSR of a dense (bins, pixels) matrix of shares."""
    indptr, indices, data = [0], [], []
    for row in shares:
        used = np.flatnonzero(row)
        indices += list(used)
        data += list(row[used])
        indptr.append(len(indices))
    return np.array(indptr, np.int64), np.array(indices, np.int32), np.array(data, np.float32)


def by_hand(frames, limits, shares, weight, dark, error_model):
    """The formulas of the module's docstring, pixel by pixel, in exact Python numbers."""
    out = np.zeros((3, len(frames), len(shares)))
    for i, frame in enumerate(frames.reshape(len(frames), -1).tolist()):
        for b, row in enumerate(shares.tolist()):
            for p, share in enumerate(row):
                if share == 0 or not limits[0] <= frame[p] <= limits[1]:
                    continue
                d = 0.0 if dark is None else dark[p]
                noise = {"poisson": max(1, frame[p]), "counting": max(0, frame[p])}[error_model]
                out[0, i, b] += share * (frame[p] - d)
                out[1, i, b] += share**2 * (noise + d)
                out[2, i, b] += share * weight[p]
    return out


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.uint16, np.int32, np.uint32, np.float32]),
    pixels=st.integers(1, 30),
    bins=st.integers(1, 8),
    frames=st.integers(1, 5),
    model=st.sampled_from(["poisson", "counting"]),
    with_dark=st.booleans(),
    threads=st.integers(1, 3),
)
def test_sums_are_those_of_the_formulas(
    seed, dtype, pixels, bins, frames, model, with_dark, threads
):
    rng = np.random.default_rng(seed)
    stack = rng.integers(0, 60, (frames, 1, pixels)).astype(dtype)
    # Shares are exact in float32, so that the comparison is not blurred by their rounding.
    shares = rng.choice([0, 0, 0.25, 0.5, 1], (bins, pixels))
    weight = rng.uniform(0.5, 1, pixels)
    dark = rng.uniform(0, 2, pixels) if with_dark else None
    limits = (3, 50)
    found = integrate_frames(
        stack,
        limits,
        *matrix_of(shares),
        weight,
        dark=dark,
        dark_variance=dark,
        error_model=model,
        threads=threads,
    )
    expected = by_hand(stack, limits, shares, weight, dark, model)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_integer_sums_are_exact_where_float32_is_not():
    frame = np.full((1, 4), 2**24 + 1, np.uint32)
    signal, variance, norm = integrate_frames(
        frame, (0, 2**32 - 2), *matrix_of(np.ones((1, 4))), np.ones(4)
    )
    assert signal[0, 0] == 4 * (2**24 + 1)
    assert variance[0, 0] == 4 * (2**24 + 1)
    assert norm[0, 0] == 4


def test_sentinel_negative_and_nan_pixels_add_to_no_sum():
    matrix = matrix_of(np.ones((1, 3)))
    sentinel = np.array([[2**32 - 1, 5, 7]], np.uint32)
    assert [s[0, 0] for s in integrate_frames(sentinel, (0, 2**32 - 2), *matrix, np.ones(3))] == [
        12,
        12,
        2,
    ]
    gap = np.array([[-1, 5, 7]], np.int32)
    assert integrate_frames(gap, (0, 2**31 - 1), *matrix, np.ones(3))[2][0, 0] == 2
    hole = np.array([[np.nan, 5, 7]], np.float32)
    assert integrate_frames(hole, (-np.inf, np.inf), *matrix, np.ones(3))[0][0, 0] == 12


def test_without_error_model_the_variance_is_flagged_not_zero():
    variance = integrate_frames(
        np.ones((1, 2), np.int32),
        (0, 9),
        *matrix_of(np.ones((1, 2))),
        np.ones(2),
        error_model="none",
    )[1]
    assert np.isnan(variance).all()


def test_a_frame_does_not_depend_on_its_neighbours_or_threads():
    rng = np.random.default_rng(5)
    stack = rng.poisson(4, (7, 50)).astype(np.int32)
    matrix = matrix_of(rng.uniform(0, 1, (6, 50)))
    weight = rng.uniform(0.5, 1, 50)
    whole = integrate_frames(stack, (0, 1000), *matrix, weight, threads=3)
    for i in range(7):
        single = integrate_frames(stack[i : i + 1], (0, 1000), *matrix, weight)
        for a, b in zip(whole, single, strict=True):
            assert np.array_equal(a[i], b[0])


def test_frames_of_another_size_are_refused():
    with pytest.raises(ValueError, match="5 pixels, weights for 4"):
        integrate_frames(np.ones((1, 5)), (0, 1), *matrix_of(np.ones((1, 4))), np.ones(4))
