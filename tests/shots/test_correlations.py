"""Autocorrelation against sums over all pairs, and speckles whose size and contrast are known."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.shots.correlations import autocorrelations, prepare_autocorrelation


def all_pairs(frame, good, reach):
    """A(d), pair by pair; frame, good: (tiles, rows, columns)."""
    size = 2 * reach + 1
    sums = np.zeros((4, size, size))
    for tile in range(frame.shape[0]):
        pixels = np.argwhere(good[tile])
        for p in pixels:
            for o in pixels:
                down, right = o - p
                if max(abs(down), abs(right)) <= reach:
                    a, b = float(frame[tile, *p]), float(frame[tile, *o])
                    sums[:, reach + down, reach + right] += (a * b, 1, a, b)
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[0] * sums[1] / (sums[2] * sums[3])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
@pytest.mark.parametrize("shape", [(9, 13), (2, 8, 7)])
def test_autocorrelation_is_that_of_all_pairs(shape, dtype):
    rng = np.random.default_rng(1)
    good = rng.uniform(size=shape) > 0.25
    good[..., 0] = False
    frames = rng.poisson(4, (3, *shape)).astype(dtype)
    mask = prepare_autocorrelation(good, {"reach": 5, "fit": False})
    found = autocorrelations(frames, mask, threads=2)
    for shot in range(3):
        tiles = (-1, *shape[-2:])
        expected = all_pairs(frames[shot].reshape(tiles), good.reshape(tiles), 5)
        assert np.array_equal(np.isnan(found["acf"][shot]), np.isnan(expected))
        assert np.allclose(found["acf"][shot], expected, rtol=1e-5, equal_nan=True)


def test_profile_is_measured_from_lag_0():
    rng = np.random.default_rng(2)
    frames = rng.poisson(1, (2, 30, 26)).astype(np.float32)
    mask = prepare_autocorrelation(np.ones((30, 26), bool), {"reach": 6})
    found = autocorrelations(frames, mask)
    row, column = np.indices((13, 13)) - 6
    distance = np.hypot(row, column)
    for ring in range(6):
        chosen = (distance >= ring + 0.5) & (distance < ring + 1.5)
        assert np.allclose(found["profile"][:, ring], found["acf"][:, chosen].mean(axis=1))
        assert mask.radius[ring] == pytest.approx(distance[chosen].mean())
    assert found["acf"].shape == (2, 13, 13)


def test_a_pixel_missing_in_one_shot():
    rng = np.random.default_rng(3)
    good = rng.uniform(size=(10, 9)) > 0.2
    frames = rng.poisson(5, (2, 10, 9)).astype(np.float32)
    frames[1, 4, 4], good[4, 4] = np.nan, True
    found = autocorrelations(frames, prepare_autocorrelation(good, {"reach": 3, "fit": False}))
    own = good & np.isfinite(frames[1])
    expected = all_pairs(np.nan_to_num(frames[1:2]), own[None], 3)
    assert np.allclose(found["acf"][1], expected, rtol=1e-5)


def test_threshold():
    frames = np.random.default_rng(4).poisson(2, (1, 12, 12)).astype(np.float32)
    good = np.ones((12, 12), bool)
    cut = autocorrelations(frames, prepare_autocorrelation(good, {"reach": 3, "threshold": 2}))
    again = all_pairs(np.where(frames < 2, 0, frames), good[None], 3)
    assert np.allclose(cut["acf"][0], again, rtol=1e-5)


@pytest.mark.parametrize("photons", [None, 0.5])
def test_speckles_of_known_size_and_contrast(photons):
    """|gamma|^2 of a field smoothed by a Gaussian of s pixels is exp(-r^2 / (2 s^2)); contrast 1."""
    rng = np.random.default_rng(5)
    sigma, shots, size = 2.5, 12, 256
    k = np.fft.fftfreq(size)
    envelope = np.exp(-2 * (np.pi * sigma) ** 2 * (k[:, None] ** 2 + k[None, :] ** 2))
    noise = rng.normal(size=(shots, size, size)) + 1j * rng.normal(size=(shots, size, size))
    intensity = np.abs(np.fft.ifft2(np.fft.fft2(noise) * envelope)) ** 2
    intensity /= intensity.mean()
    if photons is not None:
        intensity = rng.poisson(photons * intensity)
    good = rng.uniform(size=(size, size)) > 0.1
    mask = prepare_autocorrelation(good, {"reach": 24})
    found = autocorrelations(intensity.astype(np.float32), mask)
    fwhm = 2 * np.sqrt(2 * np.log(2)) * sigma
    # About (256 / (2 s sqrt(pi)))^2 = 830 speckles a shot: contrast to some 5 %, 12 shots to 2 %.
    assert found["contrast"].mean() == pytest.approx(1, abs=0.06)
    assert found["speckle_size"].mean() == pytest.approx(fwhm, rel=0.03)
    assert found["baseline"].mean() == pytest.approx(1, abs=0.02)
    assert np.isfinite(found["speckle_size_error"]).all()


def test_dark_frames_and_bad_settings():
    mask = prepare_autocorrelation(np.ones((30, 30), bool), {"reach": 8})
    found = autocorrelations(np.zeros((2, 30, 30), np.float32), mask)
    assert np.isnan(found["acf"]).all()
    assert np.isnan(found["speckle_size"]).all()
    with pytest.raises(UserError, match="no pixel"):
        prepare_autocorrelation(np.zeros((3, 3), bool), {})
    with pytest.raises(UserError, match="lags up to 9"):
        prepare_autocorrelation(np.ones((5, 5), bool), {"reach": 9})
    with pytest.raises(UserError, match="mask of this detector"):
        autocorrelations(np.zeros((2, 3, 3)), mask)
