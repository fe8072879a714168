"""The direction of the azimuth: a bright spot at a known chi, full circles and asymmetric ranges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pyFAI.detectors import Detector
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

from scatterflow.saxswaxs.weights import Weights, prepare_weights

from .two_detectors import settings, sums

SHAPE = (120, 120)
PIXEL = 1e-4


def integrator() -> AzimuthalIntegrator:
    """Beam in the middle of the detector."""
    detector = Detector(PIXEL, PIXEL, max_shape=SHAPE)
    return AzimuthalIntegrator(0.1, 0.006, 0.006, detector=detector, wavelength=1e-10)


def spot(chi: float) -> tuple[np.ndarray, float]:
    """A frame with one bright pixel, and the chi of its centre in pyFAI's direction, degrees."""
    frame = np.zeros(SHAPE, dtype=np.int32)
    row = math.floor(60 + 40 * math.sin(math.radians(chi)))
    column = math.floor(60 + 40 * math.cos(math.radians(chi)))
    frame[row, column] = 1000
    return frame, math.degrees(math.atan2(row + 0.5 - 60, column + 0.5 - 60))


def weights(kind: str, **change) -> Weights:
    integration = settings(kind, radial_range=None, split="no", **change)
    return prepare_weights(integrator(), np.ones(SHAPE, bool), integration)


def profile(prepared: Weights, frame: np.ndarray) -> np.ndarray:
    """Counts along the azimuth."""
    signal = sums(prepared, frame)[0]
    return signal.reshape(prepared.azimuthal_axis.size, -1).sum(axis=1)


@pytest.mark.parametrize("kind", ["cake", "radial"])
@pytest.mark.parametrize(
    ("direction", "chi", "limits", "discontinuity"),
    [
        ("pyfai", 37.0, None, 180),
        ("reversed", 37.0, None, 180),
        ("reversed", -120.0, None, 180),
        ("reversed", 37.0, None, 0),
        ("pyfai", 37.0, (-10.0, 80.0), 180),
        ("reversed", 37.0, (-80.0, 10.0), 180),
        ("reversed", -37.0, (-10.0, 80.0), 180),
        ("reversed", 175.0, (150.0, 210.0), 0),
        ("pyfai", -175.0, (150.0, 210.0), 0),
        ("reversed", -100.0, (90.0, 130.0), 0),
    ],
)
def test_a_spot_is_where_it_belongs(kind, direction, chi, limits, discontinuity):
    frame, found_at = spot(chi)
    prepared = weights(
        kind,
        azimuth_direction=direction,
        azimuth_range=limits,
        chi_discontinuity=discontinuity,
    )
    axis = prepared.azimuthal_axis
    assert (np.diff(axis) > 0).all()
    counts = profile(prepared, frame)
    assert counts.sum() == 1000
    expected = -found_at if direction == "reversed" else found_at
    if limits is not None:
        assert limits[0] - 0.01 <= axis[0] < axis[-1] <= limits[1] + 0.01
    elif discontinuity == 0:
        assert axis[0] > 0
    place = axis[np.argmax(counts)]
    assert abs((place - expected + 180) % 360 - 180) <= (axis[1] - axis[0]) / 2 + 1e-6


def test_a_range_that_the_spot_is_outside_of_is_empty():
    """pyFAI's chi of 37 degrees is -37 the other way round."""
    frame, _ = spot(37.0)
    for kind in ("cake", "radial", "azimuthal"):
        for direction, limits in (("pyfai", (-80.0, 10.0)), ("reversed", (-10.0, 80.0))):
            prepared = weights(kind, azimuth_direction=direction, azimuth_range=limits)
            assert sums(prepared, frame)[0].sum() == 0


def test_a_sector_of_an_azimuthal_integration_is_given_in_the_chosen_direction():
    frame, _ = spot(37.0)
    for direction, limits in (("pyfai", (20.0, 50.0)), ("reversed", (-50.0, -20.0))):
        prepared = weights("azimuthal", azimuth_direction=direction, azimuth_range=limits)
        assert sums(prepared, frame)[0].sum() == 1000


@pytest.mark.parametrize("unit", ["chi_deg", "chi_rad"])
def test_intensities_are_mirrored_with_the_axis(unit):
    """Over the full circle the one profile is the other, read backwards."""
    frame = np.random.default_rng(1).poisson(30, SHAPE).astype(np.int32)
    change = {"azimuth_range": (-180.0, 180.0), "azimuthal_unit": unit}
    forward = weights("radial", **change)
    backward = weights("radial", azimuth_direction="reversed", **change)
    assert np.array_equal(sums(forward, frame)[0][::-1], sums(backward, frame)[0])
    assert np.array_equal(forward.pixel_count[::-1], backward.pixel_count)
    # pyFAI's last bin is wider by the rounding of single precision.
    np.testing.assert_allclose(forward.azimuthal_axis, backward.azimuthal_axis, atol=1e-4)
