"""Bins, intensity scale and azimuth of merged detectors: against pyFAI's MultiGeometry and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.saxswaxs.common_bins import common_bins
from scatterflow.saxswaxs.scale import pixel_solid_angle
from scatterflow.saxswaxs.weights import prepare_weights

from .two_detectors import (
    SHAPES,
    common_weights,
    frames,
    integrators,
    masks,
    multi_geometry,
    settings,
    sums,
)


def merged(integration: dict) -> tuple[np.ndarray, np.ndarray]:
    """Intensity and sigma of both detectors together."""
    data = frames()
    parts = [sums(weights, data[name]) for name, weights in common_weights(integration).items()]
    signal, variance, norm = (sum(values) for values in zip(*parts, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return signal / norm, np.sqrt(variance) / norm


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
@pytest.mark.parametrize("kind", ["azimuthal", "cake"])
@pytest.mark.parametrize(
    "change",
    [{}, {"polarisation": 0.95, "azimuth_range": (-60.0, 100.0)}],
    ids=["plain", "sector"],
)
def test_per_steradian_equals_multi_geometry(split, kind, change):
    integration = settings(kind, split=split, intensity="per_steradian", **change)
    if kind == "cake" and not change:
        integration["azimuth_range"] = (-180.0, 180.0)
    wanted = multi_geometry(integration)
    intensity, sigma = merged(integration)
    expected = wanted.intensity.ravel()
    there = np.isfinite(expected)
    assert there.sum() > 0.2 * there.size
    assert np.array_equal(np.isfinite(intensity), there)
    np.testing.assert_allclose(intensity[there], expected[there], rtol=1e-6)
    np.testing.assert_allclose(sigma[there], wanted.sigma.ravel()[there], rtol=1e-6)
    for axis, name in (("radial_axis", "radial"), ("azimuthal_axis", "azimuthal")):
        values = getattr(common_weights(integration)["near"], axis)
        if values is not None:
            np.testing.assert_allclose(values, getattr(wanted, name), rtol=1e-6, atol=1e-6)


def test_radial_on_the_same_scale_as_the_cake():
    """The radial profile is the cake's sums over q, per steradian: pyFAI's, added up here."""
    integration = settings("radial", intensity="per_steradian", azimuth_range=(-180.0, 180.0))
    cake = multi_geometry(integration)
    signal, norm = cake.sum_signal.sum(axis=1), cake.sum_normalization.sum(axis=1)
    there = norm > 0
    intensity, _ = merged(integration)
    np.testing.assert_allclose(intensity[there], signal[there] / norm[there], rtol=1e-6)


@pytest.mark.parametrize("kind", ["azimuthal", "cake", "radial"])
def test_per_pixel_is_per_steradian_times_the_first_detectors_pixel(kind):
    solid_angle = pixel_solid_angle(integrators()["near"])
    assert solid_angle == pytest.approx(172e-6**2 / 0.06**2, rel=1e-12)
    per_pixel, _ = merged(settings(kind))
    per_steradian, _ = merged(settings(kind, intensity="per_steradian"))
    np.testing.assert_allclose(per_pixel, per_steradian * solid_angle, rtol=1e-12)
    own = common_weights(settings(kind))["near"]
    assert own.settings["pixel_solid_angle_sr"] == solid_angle
    assert common_weights(settings(kind))["far"].settings["pixel_solid_angle_sr"] == solid_angle


def test_radial_overlap_by_hand():
    """Bins seen by both hold the weighted mean of all pixels, not the sum of two means: pixel by pixel, no
    splitting, positions and solid angles from pyFAI's formulas written out here."""
    # From below the lowest pixel: pyFAI's unsplit pixels just below a range fall into its first bin.
    whole = {"radial_range": (0.0, 14.0), "azimuth_range": (-180.0, 180.0)}
    integration = settings("radial", split="no", **whole)
    edges = np.linspace(-180, 180, 46)
    signal, norm, seen = np.zeros(45), np.zeros(45), np.zeros((2, 45))
    for i, (name, ai) in enumerate(integrators().items()):
        q, chi, cosine = positions(ai, SHAPES[name])
        used = masks()[name] & (q < 14.0)
        place = np.searchsorted(edges, chi[used], "right") - 1
        relative = pixel_solid_angle(ai) / pixel_solid_angle(integrators()["near"])
        signal += np.bincount(place, frames()[name][used], 45)
        norm += np.bincount(place, relative * cosine[used] ** 3, 45)
        seen[i] = np.bincount(place, minlength=45)
    assert (seen.min(axis=0) > 0).sum() >= 5
    intensity, _ = merged(integration)
    there = norm > 0
    np.testing.assert_allclose(intensity[there], signal[there] / norm[there], rtol=1e-6)


def positions(ai, shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q (1/nm), chi (degrees) and cosine of the incidence angle of pixel centres (orientation 3)."""
    p1 = (np.arange(shape[0]) + 0.5)[:, None] * ai.detector.pixel1 - ai.poni1
    p2 = (np.arange(shape[1]) + 0.5)[None, :] * ai.detector.pixel2 - ai.poni2
    p1, p2 = np.broadcast_arrays(p1, p2)
    flat = np.stack([p1, p2, np.full(shape, ai.dist)])
    c1, c2, c3 = (math.cos(angle) for angle in (ai.rot1, ai.rot2, ai.rot3))
    s1, s2, s3 = (math.sin(angle) for angle in (ai.rot1, ai.rot2, ai.rot3))
    first = np.array([[1, 0, 0], [0, c1, s1], [0, -s1, c1]])
    second = np.array([[c2, 0, -s2], [0, 1, 0], [s2, 0, c2]])
    third = np.array([[c3, -s3, 0], [s3, c3, 0], [0, 0, 1]])
    t1, t2, t3 = np.tensordot(third @ second @ first, flat, 1)
    angle = np.arctan2(np.hypot(t1, t2), t3)
    q = 4 * np.pi / ai.wavelength * np.sin(angle / 2) * 1e-9
    distance = np.sqrt((flat**2).sum(axis=0))
    return q, np.degrees(np.arctan2(t1, t2)), ai.dist / distance


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_open_ranges_become_the_union(split):
    integration = settings("cake", split=split, radial_range=None)
    found = common_bins(integration, integrators())
    q = [positions(ai, SHAPES[name])[0] for name, ai in integrators().items()]
    low, high = found["radial_range"]
    slack = 1e-6 if split == "no" else 0.3
    assert min(item.min() for item in q) - slack <= low <= min(item.min() for item in q) + 1e-6
    assert max(item.max() for item in q) - 1e-6 <= high <= max(item.max() for item in q) + slack
    total = {name: good.sum() for name, good in masks().items()}
    weights = common_weights(integration)
    for name, item in weights.items():
        assert np.array_equal(item.radial_axis, weights["near"].radial_axis)
        assert np.array_equal(item.azimuthal_axis, weights["near"].azimuthal_axis)
        # The bins hold (nearly) every pixel: the outermost of a range belongs to no bin.
        assert item.pixel_count.sum() > 0.99 * total[name]


def test_one_detector_gets_the_bins_that_it_has_alone_when_ranges_are_given():
    integration = settings("azimuthal")
    alone = prepare_weights(integrators()["near"], masks()["near"], integration)
    together = common_weights(integration)["near"]
    for name in ("indptr", "indices", "coefficients", "weight", "radial_axis"):
        assert np.array_equal(getattr(alone, name), getattr(together, name))


def test_different_wavelengths_are_refused():
    common_bins(settings("azimuthal"), integrators(1.00005e-10))
    with pytest.raises(UserError, match="wavelengths") as caught:
        common_bins(settings("azimuthal"), integrators(1.0002e-10))
    assert "1.0002 angstrom (far)" in caught.value.what
    assert "detectors.near.geometry" in caught.value.where
