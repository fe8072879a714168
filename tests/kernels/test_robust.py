"""Sigma-clipped and trimmed averages against pyFAI, and against the definitions written out in numpy."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyFAI.detectors import Detector
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from scipy import stats

from scatterflow.kernels.robust import clip_frames, trim_frames, variance_factor
from scatterflow.saxswaxs.weights import prepare_weights

SHAPE = (97, 131)
LIMITS = (0, np.iinfo(np.int32).max)
BINS = 60
SETTINGS = {
    "kind": "azimuthal",
    "bins": BINS,
    "unit": "q_A^-1",
    "radial_range": None,
    "azimuth_range": None,
    "azimuth_direction": "pyfai",
    "chi_discontinuity": 180,
    "split": "no",
    "solid_angle": True,
    "polarisation": 0.97,
    "intensity": "per_pixel",
}


def integrator() -> AzimuthalIntegrator:
    detector = Detector(172e-6, 172e-6, max_shape=SHAPE)
    return AzimuthalIntegrator(
        0.05, 0.009, 0.011, 0.06, 0.03, 0.02, detector=detector, wavelength=1e-10
    )


def spoilt_frames(number: int = 2) -> np.ndarray:
    """Poisson noise on a smooth pattern, with hot pixels and a few spots."""
    rng = np.random.default_rng(5)
    frames = rng.poisson(200 + 20 * np.cos(np.arange(SHAPE[1]) / 40), (number, *SHAPE))
    for frame in frames:
        frame.ravel()[rng.integers(0, frame.size, 40)] = 2000
        frame[30:33, 60:63] += 900
    return frames.astype(np.int32)


def good_mask() -> np.ndarray:
    return np.random.default_rng(1).random(SHAPE) >= 0.1


def matrix_of(split: str = "no", **change) -> tuple[np.ndarray, ...]:
    weights = prepare_weights(integrator(), good_mask(), {**SETTINGS, "split": split, **change})
    return weights.indptr, weights.indices, weights.coefficients, weights.weight


def pyfai(method: str, frame: np.ndarray, implementation: str = "cython", **options):
    """What pyFAI finds: the whole result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(integrator(), method)(
            frame,
            BINS,
            unit="q_A^-1",
            mask=(~good_mask()).astype(np.int8),
            method=(options.pop("split", "no"), "csr", implementation),
            polarization_factor=options.pop("polarisation", 0.97),
            **options,
        )


def enough_pixels(matrix: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.diff(matrix[0]) >= 10


@pytest.mark.parametrize(
    ("implementation", "spread", "model"),
    [
        ("python", "observed", "azimuthal"),
        ("cython", "observed", "azimuthal"),
        ("cython", "expected", "poisson"),
    ],
)
@pytest.mark.parametrize(("threshold", "iterations"), [(5, 5), (3, 2), (0, 5)])
def test_clipping_equals_pyfai(implementation, spread, model, threshold, iterations):
    # In Cython, pyFAI's observed variance is exact for pixels of equal weight only.
    equal = (implementation, spread) == ("cython", "observed")
    plain = {"solid_angle": False, "polarisation": None} if equal else {}
    frames, matrix = spoilt_frames(), matrix_of(**plain)
    found = clip_frames(
        frames, LIMITS, *matrix, threshold=threshold, iterations=iterations, spread=spread
    )
    there = enough_pixels(matrix)
    for i, frame in enumerate(frames):
        wanted = pyfai(
            "sigma_clip_ng",
            frame,
            implementation,
            thres=threshold,
            max_iter=iterations,
            error_model=model,
            correctSolidAngle=not equal,
            polarisation=None if equal else 0.97,
        )
        kept = there & (wanted.sum_normalization > 0)
        assert kept.sum() > 30
        norm = found.normalisation[i]
        np.testing.assert_allclose(norm[there], wanted.sum_normalization[there], rtol=1e-6)
        intensity = found.signal[i, kept] / norm[kept]
        np.testing.assert_allclose(intensity, wanted.intensity[kept], rtol=1e-6)
        if model == "poisson":
            sigma = np.sqrt(found.variance[i, kept]) / norm[kept]
            np.testing.assert_allclose(sigma, wanted.sem[kept], rtol=1e-6)


@pytest.mark.parametrize("percentile", [50, (25, 75), (10, 60), (0, 90), 30])
@pytest.mark.parametrize("split", ["no", "bbox"])
def test_trimming_equals_pyfai(percentile, split):
    """Of equal values of different weight pyFAI takes any: the values differ."""
    plain = {"solid_angle": False, "polarisation": None}
    matrix = matrix_of(split, **plain)
    frames = spoilt_frames() + np.random.default_rng(4).random((2, *SHAPE), np.float32)
    frames = frames.astype(np.float32)
    limits = percentile if isinstance(percentile, tuple) else (percentile, percentile)
    found = trim_frames(frames, (0, 1e9), *matrix, quantiles=(limits[0] / 100, limits[1] / 100))
    there = enough_pixels(matrix)
    for i, frame in enumerate(frames):
        wanted = pyfai(
            "medfilt1d_ng",
            frame,
            percentile=percentile,
            split=split,
            polarisation=None,
            correctSolidAngle=False,
        )
        intensity = found.signal[i, there] / found.normalisation[i, there]
        np.testing.assert_allclose(intensity, wanted.intensity[there], rtol=1e-6)


def trimmed(values, share, lower, upper):
    """The definition: sums of c w x and c w over what is kept, and which that is."""
    order = np.argsort(values, kind="stable")
    after = np.cumsum(share[order])
    before = after - share[order]
    start, end = lower * after[-1], upper * after[-1]
    kept = order[(before >= start) & (after <= end)]
    if lower == upper or kept.size == 0:
        kept = order[(after >= start) & (before <= end)]
    return (values * share)[kept].sum(), share[kept].sum(), kept


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_trimming_by_its_definition(data):
    """Any weights, ties, shared pixels; weights are binary fractions, so that sums are exact."""
    pixels = data.draw(st.integers(1, 40))
    values = st.lists(st.integers(0, 12), min_size=pixels, max_size=pixels)
    counts = np.array(data.draw(values), dtype=np.int32)
    parts = data.draw(st.lists(st.sampled_from([0.25, 0.5, 1.0]), min_size=pixels, max_size=pixels))
    limits = st.sampled_from([0.0, 0.25, 0.5, 0.625, 1.0])
    lower, upper = sorted((data.draw(limits), data.draw(limits)))
    if lower == upper:
        lower, upper = 0.5, 0.5
    share = np.array(parts)
    found = trim_frames(
        counts[None],
        (0, 100),
        np.array([0, pixels]),
        np.arange(pixels, dtype=np.int32),
        share.astype(np.float32),
        np.ones(pixels),
        quantiles=(lower, upper),
    )
    signal, norm, kept = trimmed(counts.astype(float), share, lower, upper)
    assert found.signal[0, 0] == signal
    assert found.normalisation[0, 0] == norm
    assert found.rejected_pixels[0] == pixels - kept.size
    assert np.flatnonzero(found.rejected_frames == 0).tolist() == sorted(kept.tolist())


def test_clipping_by_its_definition_with_splitting_and_dark():
    """Bin by bin in numpy, with shared pixels, a dark image of its own variance, pixels out of range."""
    frames, (indptr, indices, coefficients, weight) = spoilt_frames(1), matrix_of("bbox")
    frames[0, 50, :] = -1
    dark = np.random.default_rng(2).uniform(1, 5, weight.size)
    found = clip_frames(
        frames,
        LIMITS,
        indptr,
        indices,
        coefficients,
        weight,
        threshold=3.5,
        dark=dark,
        dark_variance=dark,
        error_model="counting",
    )
    rejected: set[int] = set()
    for b in range(BINS):
        part = slice(indptr[b], indptr[b + 1])
        pixel, c = indices[part], coefficients[part].astype(float)
        valid = frames[0].ravel()[pixel] >= 0
        pixel, c = pixel[valid], c[valid]
        counts = frames[0].ravel()[pixel].astype(float)
        x, share = (counts - dark[pixel]) / weight[pixel], c * weight[pixel]
        kept = np.ones(pixel.size, bool)
        for _ in range(5):
            if kept.sum() < 3:
                break
            mean = np.average(x[kept], weights=share[kept])
            sigma = math.sqrt(np.sum((share * (x - mean))[kept] ** 2) / np.sum(share[kept] ** 2))
            chauvenet = math.sqrt(2 * math.log(max(3, c[kept].sum()) / math.sqrt(2 * math.pi)))
            kept &= np.abs(x - mean) <= max(3.5, chauvenet) * sigma
        rejected |= set(pixel[~kept].tolist())
        variance = np.sum((c**2 * (counts + dark[pixel]))[kept])
        np.testing.assert_allclose(found.signal[0, b], np.sum((share * x)[kept]), rtol=1e-12)
        np.testing.assert_allclose(found.normalisation[0, b], share[kept].sum(), rtol=1e-12)
        np.testing.assert_allclose(found.variance[0, b], variance, rtol=1e-12)
    assert 40 <= len(rejected) < 400
    assert set(np.flatnonzero(found.rejected_frames).tolist()) == rejected
    assert found.rejected_pixels.tolist() == [len(rejected)]


def test_a_hot_pixel_is_found_in_every_frame():
    rng = np.random.default_rng(3)
    frames = rng.poisson(50, (6, *SHAPE)).astype(np.int32)
    pixel = int(matrix_of()[1][4000])
    frames.reshape(6, -1)[:, pixel] = 5000
    found = clip_frames(frames, LIMITS, *matrix_of(), threshold=6)
    assert found.rejected_frames[pixel] == 6
    assert found.rejected_frames.sum() == found.rejected_pixels.sum() <= 8
    clean = clip_frames(frames, (0, 4000), *matrix_of(), threshold=6)
    assert np.array_equal(found.signal, clean.signal)
    assert np.array_equal(found.normalisation, clean.normalisation)


@pytest.mark.parametrize("call", [clip_frames, trim_frames])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_results_do_not_depend_on_threads_or_on_the_frames_beside(call, dtype):
    frames = spoilt_frames(5).astype(dtype)
    matrix = matrix_of("bbox")
    together = call(frames, (0, 60000), *matrix, threads=3)
    alone = [call(frame[None], (0, 60000), *matrix) for frame in frames]
    for name in ("signal", "variance", "normalisation", "rejected_pixels"):
        separate = np.concatenate([getattr(part, name) for part in alone])
        assert np.array_equal(getattr(together, name), separate)
    assert np.array_equal(together.rejected_frames, sum(part.rejected_frames for part in alone))


@pytest.mark.parametrize("call", [clip_frames, trim_frames])
def test_dead_time_is_corrected_before_pixels_are_compared(call):
    """The same pixels are kept, and the same counts found, as from frames of a counter never dead; of that
    never dead for n counts the variance is n, of the other one n f^4."""
    seen, matrix = spoilt_frames(3), matrix_of("bbox")
    dead = np.array([0.0, 2e-4, 5.1e-4])  # a hot pixel of 2000 is dead all the time in the last
    alive = dead[:, None, None] * seen < 1
    true = np.where(alive, seen / (1 - np.where(alive, dead[:, None, None] * seen, 0)), np.nan)
    found = call(seen, LIMITS, *matrix, dead_time_fraction=dead, error_model="counting", threads=2)
    expected = call(true, (0.0, 1e9), *matrix)
    assert np.isnan(true).any()
    np.testing.assert_allclose(found.signal, expected.signal, rtol=1e-12)
    np.testing.assert_allclose(found.normalisation, expected.normalisation, rtol=1e-12)
    assert np.array_equal(found.rejected_frames, expected.rejected_frames)
    single = call(
        np.array([[400]], np.int32),
        LIMITS,
        np.array([0, 1]),
        np.zeros(1, np.int32),
        np.ones(1, np.float32),
        np.ones(1),
        dead_time_fraction=np.array([1e-3]),
    )
    assert single.signal[0, 0] == pytest.approx(400 / 0.6)
    factor = variance_factor(0.5, 0.5) if call is trim_frames else 1
    assert single.variance[0, 0] == pytest.approx(factor * 400 / 0.6**4)


def test_equal_pixels_and_few_pixels_are_all_kept():
    frames = np.full((1, 8), 7, dtype=np.int32)
    frames[0, 6:] = (1, 1000)
    indptr, indices = np.array([0, 6, 8, 8]), np.arange(8, dtype=np.int32)
    weight = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 1.0, 1.0])
    found = clip_frames(
        frames, (0, 2000), indptr, indices, np.ones(8, np.float32), weight, threshold=0
    )
    assert found.rejected_pixels.tolist() == [0]
    assert found.signal.tolist() == [[42, 1001, 0]]
    assert found.normalisation[0, 2] == 0
    median = trim_frames(frames, (0, 2000), indptr, indices, np.ones(8, np.float32), weight)
    assert median.normalisation[0, 2] == 0
    assert median.signal[0, 2] == 0


def test_pixels_that_are_no_number_are_left_out():
    frames = np.array([[1.0, np.nan, 3.0, 2.0]])
    args = (np.array([0, 4]), np.arange(4, dtype=np.int32), np.ones(4, np.float32), np.ones(4))
    assert trim_frames(frames, (0.0, 9.0), *args).signal.tolist() == [[2.0]]
    assert clip_frames(frames, (0.0, 9.0), *args).signal.tolist() == [[6.0]]


def test_the_factor_of_the_variance():
    """The median's is pi / 2; that of the quartile mean from the influence function by quadrature."""
    assert variance_factor(0, 1) == pytest.approx(1, rel=1e-12)
    assert variance_factor(0.5, 0.5) == pytest.approx(math.pi / 2, rel=1e-12)
    for lower, upper in ((0.25, 0.75), (0.1, 0.6), (0.0, 0.9)):
        z = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
        clipped = np.clip(z, *stats.norm.ppf([lower, upper]))
        expected = clipped.var() / (upper - lower) ** 2
        assert variance_factor(lower, upper) == pytest.approx(expected, rel=1e-4)
    for wrong in ((0.6, 0.4), (-0.1, 0.5), (0.5, 1.1), (0, 0), (1, 1)):
        with pytest.raises(ValueError, match="quantiles"):
            variance_factor(*wrong)


@pytest.mark.parametrize("quantiles", [(0.5, 0.5), (0.25, 0.75), (0.1, 0.9)])
def test_uncertainties_of_trimmed_means(quantiles):
    """Pulls of 1500 frames: their mean is 0, their width 1 (to 5 %, the median's to its finite step)."""
    rng = np.random.default_rng(8)
    pixels, level = 301, 2500.0
    frames = rng.poisson(level, (1500, pixels)).astype(np.int32)
    found = trim_frames(
        frames,
        (0, 10**6),
        np.array([0, pixels]),
        np.arange(pixels, dtype=np.int32),
        np.ones(pixels, np.float32),
        np.ones(pixels),
        quantiles=quantiles,
    )
    intensity = found.signal / found.normalisation
    pull = (intensity - level) * found.normalisation / np.sqrt(found.variance)
    assert abs(pull.mean()) < 0.1
    assert abs(pull.std() - 1) < 0.06


def test_without_error_model_there_is_no_variance():
    frames, matrix = spoilt_frames(1), matrix_of()
    assert np.isnan(clip_frames(frames, LIMITS, *matrix, error_model="none").variance).all()
    assert np.isnan(trim_frames(frames, LIMITS, *matrix, error_model="none").variance).all()
    with pytest.raises(ValueError, match="needs an error model"):
        clip_frames(frames, LIMITS, *matrix, spread="expected", error_model="none")
