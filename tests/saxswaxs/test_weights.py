"""Integration with prepared weights against pyFAI called directly, on the same frame, mask, geometry."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from pyFAI.detectors import Detector
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from scipy.sparse import csr_matrix

from scatterflow.errors import UserError
from scatterflow.kernels.azimuthal import Target, integrate_frames
from scatterflow.saxswaxs.weights import (
    Weights,
    bin_edges,
    prepare_weights,
    read_weights,
    write_weights,
)

SHAPE = (97, 131)
COMMON = {
    "unit": "q_A^-1",
    "radial_range": None,
    "azimuth_range": None,
    "azimuth_direction": "pyfai",
    "intensity": "per_pixel",
    "chi_discontinuity": 180,
    "split": "bbox",
    "solid_angle": True,
    "polarisation": 0.97,
}
KINDS = {
    "azimuthal": {"kind": "azimuthal", "bins": 200},
    "cake": {"kind": "cake", "radial_bins": 60, "azimuthal_bins": 40},
    "radial": {"kind": "radial", "bins": 72, "radial_bins": 50, "azimuthal_unit": "chi_deg"},
}


def integrator(orientation: int = 3) -> AzimuthalIntegrator:
    detector = Detector(172e-6, 172e-6, max_shape=SHAPE, orientation=orientation)
    return AzimuthalIntegrator(
        0.05, 0.009, 0.011, 0.06, 0.03, 0.02, detector=detector, wavelength=1e-10
    )


def frame_and_mask(masked: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    frame = rng.poisson(30 + 20 * np.cos(np.arange(SHAPE[1]) / 9), SHAPE).astype(np.int32)
    return frame, rng.random(SHAPE) >= masked


def target(weights: Weights, **options: object) -> Target:
    """What the kernel is to make with these weights."""
    return Target(weights.tiles, weights.normalisation, weights.weight, **options)


def reduce(
    weights: Weights, frame: np.ndarray, **options: object
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intensity, sigma, normalisation of one frame."""
    (sums,) = integrate_frames(
        frame[None],
        (0, np.iinfo(np.int32).max),
        [target(weights, **options)],
    )
    signal, variance = sums.signal, sums.variance
    norm = weights.normalisation - (0 if sums.lost is None else sums.lost)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            (signal / norm)[0],
            (np.sqrt(variance) / norm)[0],
            np.broadcast_to(norm, signal.shape)[0],
        )


def pyfai(ai: AzimuthalIntegrator, frame: np.ndarray, good: np.ndarray, settings: dict, **more):
    """Intensity and sigma as pyFAI gives them, flattened; a radial sigma from its cake's matrix."""
    ai.reset_engines()
    (ai.setChiDiscAtZero if settings["chi_discontinuity"] == 0 else ai.setChiDiscAtPi)()
    options = {
        "mask": (~good).astype(np.int8),
        "unit": settings["unit"],
        "method": (settings["split"], "csr", "cython"),
        "radial_range": settings["radial_range"],
        "azimuth_range": settings["azimuth_range"],
        "correctSolidAngle": settings["solid_angle"],
        "polarization_factor": settings["polarisation"],
        "error_model": "poisson",
        **more,
    }
    if "dark" in more and settings["kind"] != "azimuthal":
        # In two dimensions, and only there, pyFAI takes a dark image for one frame's counts with their noise.
        options.update(error_model=None, variance=np.maximum(frame, 1).astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if settings["kind"] == "azimuthal":
            result = ai.integrate1d(frame, settings["bins"], **options)
            return result.intensity, result.sigma
        if settings["kind"] == "cake":
            result = ai.integrate2d(
                frame, settings["radial_bins"], settings["azimuthal_bins"], **options
            )
            return result.intensity.ravel(), result.sigma.ravel()
        cake = ai.integrate2d(frame, settings["radial_bins"], settings["bins"], **options)
        norm = cake.sum_normalization.sum(axis=1)
        # pyFAI's is that of independent cake bins; those of one pixel are not.
        (engine,) = (item.engine for item in ai.engines.values())
        shares = csr_matrix(
            (engine.data.astype(np.float64), engine.indices, engine.indptr),
            (settings["bins"] * settings["radial_bins"], frame.size),
        )
        every_step = csr_matrix(np.tile(np.eye(settings["bins"]), settings["radial_bins"]))
        variance = np.where(good, np.maximum(frame, 1), 0).ravel()
        with np.errstate(invalid="ignore", divide="ignore"):
            sigma = np.sqrt((every_step @ shares).power(2) @ variance) / norm
        options.pop("error_model")
        options.pop("variance", None)
        unit = options.pop("unit")
        profile = ai.integrate_radial(
            frame, settings["bins"], npt_rad=settings["radial_bins"], radial_unit=unit, **options
        )
        return profile.intensity, sigma


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"radial_range": (0.5, 2.5), "azimuth_range": (-100.0, 20.0)},
        {"azimuth_range": (150.0, 210.0), "chi_discontinuity": 0},
        {"solid_angle": False, "polarisation": None},
        {"unit": "2th_deg"},
        {"unit": "r_mm"},
    ],
    ids=["plain", "ranges", "across-180", "uncorrected", "2theta", "r"],
)
def test_equal_to_pyfai(split, kind, change):
    settings = {**COMMON, **KINDS[kind], "split": split, **change}
    frame, good = frame_and_mask()
    weights = prepare_weights(integrator(), good, settings)
    intensity, sigma, norm = reduce(weights, frame)
    expected, expected_sigma = pyfai(integrator(), frame, good, settings)
    there = norm > 0
    assert there.sum() > 0.05 * there.size
    np.testing.assert_allclose(intensity[there], expected[there], rtol=1e-6, atol=0)
    np.testing.assert_allclose(sigma[there], expected_sigma[there], rtol=1e-6, atol=0)


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_errors_are_the_scatter_of_simulated_frames(kind, split):
    """Also where radial steps are finer than pixels, which are split among several of them."""
    settings = {**COMMON, **KINDS[kind], "split": split}
    if kind == "radial":
        settings["radial_bins"] = 300
    weights = prepare_weights(integrator(), np.ones(SHAPE, bool), settings)
    frames = np.random.default_rng(6).poisson(20, (1000, *SHAPE)).astype(np.int32)
    (sums,) = integrate_frames(frames, (0, 1000), [target(weights)])
    enough = weights.pixel_count > 5
    expected = 20 * weights.pixel_count[enough]
    pulls = (sums.signal[:, enough] - expected) / np.sqrt(sums.variance[:, enough])
    assert np.std(pulls) == pytest.approx(1, abs=0.05)
    assert np.mean(pulls) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_orientation_is_honoured(orientation):
    settings = {**COMMON, **KINDS["cake"]}
    frame, good = frame_and_mask()
    intensity, _, norm = reduce(prepare_weights(integrator(orientation), good, settings), frame)
    expected, _ = pyfai(integrator(orientation), frame, good, settings)
    np.testing.assert_allclose(intensity[norm > 0], expected[norm > 0], rtol=1e-6, atol=0)


def test_dark_and_flat_equal_to_pyfai():
    rng = np.random.default_rng(4)
    dark, flat = rng.uniform(1, 3, SHAPE), rng.uniform(0.8, 1.2, SHAPE)
    # float32 values, as pyFAI narrows both
    dark, flat = dark.astype(np.float32).astype(float), flat.astype(np.float32).astype(float)
    settings = {**COMMON, **KINDS["azimuthal"]}
    frame, good = frame_and_mask()
    weights = prepare_weights(integrator(), good, settings, flat)
    intensity, sigma, _ = reduce(weights, frame, dark=dark)
    expected, expected_sigma = pyfai(integrator(), frame, good, settings, dark=dark, flat=flat)
    np.testing.assert_allclose(intensity, expected, rtol=1e-6, atol=0)
    np.testing.assert_allclose(sigma, expected_sigma, rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("with_dark", [False, True])
def test_invalid_pixels_equal_to_masked_ones_of_pyfai(kind, with_dark):
    settings = {**COMMON, **KINDS[kind]}
    frame, good = frame_and_mask()
    dark = np.float32(2.5) * np.ones(SHAPE) if with_dark else None
    weights = prepare_weights(integrator(), good, settings)
    rng = np.random.default_rng(9)
    bad = rng.random(SHAPE) < 0.05
    bad[40:60, 50:70] = True  # whole bins of the cake
    marked = np.where(bad, -1, frame).astype(np.int32)
    intensity, sigma, norm = reduce(weights, marked, dark=dark)
    more = {} if dark is None else {"dark": dark}
    expected, expected_sigma = pyfai(integrator(), frame, good & ~bad, settings, **more)
    assert ((norm == 0) & (weights.normalisation > 0)).any() == (kind == "cake")
    there = norm > 0
    np.testing.assert_allclose(intensity[there], expected[there], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sigma[there], expected_sigma[there], rtol=1e-6, atol=0)


def test_a_mask_of_most_pixels_is_not_inverted():
    """pyFAI's legacy code inverts a mask of more than half the pixels; a hand-made average shows it."""
    frame = np.full(SHAPE, 100, np.int32)
    good = np.zeros(SHAPE, bool)
    good[:38] = True
    frame[good] = 1
    settings = {**COMMON, **KINDS["azimuthal"], "solid_angle": False, "polarisation": None}
    assert good.mean() < 0.4
    for split in ("no", "bbox", "full"):
        intensity, _, norm = reduce(
            prepare_weights(integrator(), good, {**settings, "split": split}), frame
        )
        np.testing.assert_allclose(intensity[norm > 0], 1.0, rtol=1e-12)


def test_pixels_without_flat_are_left_out():
    flat = np.ones(SHAPE)
    flat[20, :] = np.nan
    frame, good = frame_and_mask(0)
    frame[20, :] = 1_000_000
    settings = {**COMMON, **KINDS["azimuthal"]}
    with_hole, _, _ = reduce(prepare_weights(integrator(), good, settings, flat), frame)
    assert np.nanmax(with_hole) < 1000


def test_no_split_conserves_counts():
    frame, good = frame_and_mask()
    weights = prepare_weights(integrator(), good, {**COMMON, **KINDS["azimuthal"], "split": "no"})
    (sums,) = integrate_frames(frame[None], (0, 10**6), [target(weights)])
    assert sums.signal.sum() == frame[good].sum()
    assert weights.pixel_count.sum() == good.sum()


def test_an_empty_range_is_refused():
    settings = {**COMMON, **KINDS["azimuthal"], "radial_range": (50.0, 60.0)}
    with pytest.raises(UserError, match="no good pixel"):
        prepare_weights(integrator(), np.ones(SHAPE, bool), settings)


def test_file_round_trip_is_exact_and_mapped(tmp_path):
    weights = prepare_weights(integrator(), frame_and_mask()[1], {**COMMON, **KINDS["cake"]})
    path = tmp_path / "w.h5"
    write_weights(path, weights)
    back = read_weights(path)
    names = ("indptr", "indices", "coefficients", "weight", "pixel_count", "normalisation")
    pairs = [(getattr(back, name), getattr(weights, name)) for name in names]
    pairs += list(zip(back.tiles.arrays(), weights.tiles.arrays(), strict=True))
    for found, expected in pairs:
        assert isinstance(found, np.memmap)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert np.array_equal(back.radial_axis, weights.radial_axis)
    assert back.settings["radial_bins"] == 60
    first = path.read_bytes()
    write_weights(path, weights)
    assert path.read_bytes() == first


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "w.h5"
    write_weights(
        path, prepare_weights(integrator(), frame_and_mask()[1], {**COMMON, **KINDS["cake"]})
    )
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match="not a complete HDF5 file"):
        read_weights(path)


def test_bin_edges():
    assert bin_edges(np.array([1.0, 2.0, 3.0])).tolist() == [0.5, 1.5, 2.5, 3.5]
