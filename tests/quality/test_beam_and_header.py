"""Where the beam stands, how steady it is, what the header says: against what was put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyFAI.units import to_unit

from scatterflow.quality.beam import (
    displacements,
    flicker,
    intensity_of_monitor,
    intensity_of_parts,
    radius_pixels,
    wandering,
)
from scatterflow.quality.header import Stated, header_measures, stated_by_nexus
from scatterflow.quality.history import against_history

RADIUS = np.arange(5.0, 40.0)
AZIMUTH = np.radians(np.arange(-175.0, 180.0, 10))


def cakes(places, full=slice(None), seed=1) -> tuple[np.ndarray, np.ndarray]:
    """Patterns round the given places as seen from the origin, with Poisson noise, and errors."""
    rng = np.random.default_rng(seed)
    x = RADIUS * np.cos(AZIMUTH)[:, None]
    y = RADIUS * np.sin(AZIMUTH)[:, None]
    parts = []
    for number, (dx, dy) in enumerate(places):
        radius = np.hypot(x - dx, y - dy)
        # Each part of another brightness and another decay.
        parts.append((1 + 0.1 * number) * 1e5 * np.exp(-radius / (10 + 0.5 * number)))
    counts = rng.poisson(parts).astype(float)
    errors = np.sqrt(np.maximum(counts, 1))
    counts[:, [i for i in range(len(AZIMUTH)) if i not in range(len(AZIMUTH))[full]]] = np.nan
    return counts, errors


@pytest.mark.parametrize("full", [slice(None), slice(0, 14)])
@settings(max_examples=15, deadline=None)
@given(dx=st.floats(-0.5, 0.5), dy=st.floats(-0.5, 0.5), seed=st.integers(0, 1000))
def test_displacements_are_those_put_in(full, dx, dy, seed):
    places = np.array([(0, 0), (0, 0), (dx, dy), (dx, dy)])
    found, errors = displacements(*cakes(places, full, seed), RADIUS, AZIMUTH)
    between = found[2:].mean(axis=0) - found[:2].mean(axis=0)
    size = np.hypot(dx, dy)
    assert np.hypot(*(between - (dx, dy))) < 0.05 + 0.1 * size + 5 * errors.max()
    assert errors.max() < 0.1


def test_too_few_azimuths_tell_nothing():
    found, errors = displacements(*cakes([(0, 0), (1, 1)], slice(0, 2)), RADIUS, AZIMUTH)
    assert np.isnan(found).all()
    assert wandering(found, errors, 1.0).level == "unknown"


def test_what_is_not_seen_well_enough_is_not_known():
    places, errors = np.zeros((5, 2)), np.full((5, 2), 2.0)
    assert wandering(places, errors, 1.0).level == "unknown"
    assert wandering(places, errors / 100, 1.0).level == "fine"
    places[0] = 3.0
    assert wandering(places, errors / 100, 1.0).value == pytest.approx(np.hypot(3, 3))


@pytest.mark.parametrize("unit", ["q_A^-1", "q_nm^-1", "2th_deg", "2th_rad", "r_mm", "r_m"])
def test_radii_are_those_of_pyfai(unit):
    wavelength, distance, pixel = 1e-10, 0.3, 1e-4
    metres = np.linspace(1e-4, 0.05, 20)
    axis = to_unit(unit).equation(metres, 0.0, distance, wavelength) * to_unit(unit).scale
    found = radius_pixels(axis, unit, wavelength, distance, pixel)
    assert found == pytest.approx(metres / pixel)


def test_axes_that_are_no_radii():
    assert radius_pixels(RADIUS, "chi_deg", 1e-10, 0.3, 1e-4) is None
    assert radius_pixels(np.array([10.0, 95.0]), "2th_deg", 1e-10, 0.3, 1e-4) is None


def test_counting_noise_is_neither_drift_nor_flicker():
    counts = np.random.default_rng(3).poisson(200.0, 1000).astype(float)
    assert intensity_of_parts(counts, 0.2).value < 0.01
    assert flicker(counts, 0.05).value == 0


def test_drift_and_flicker_are_those_put_in():
    rng = np.random.default_rng(3)
    drift = rng.poisson(1e4 * np.linspace(1.5, 0.5, 1000)).astype(float)
    found = intensity_of_parts(drift, 0.2)
    assert found.level == "bad"
    assert found.value == pytest.approx(0.45, abs=0.01)
    assert flicker(drift, 0.05).value < 0.01  # a drift is no flicker
    beam = rng.poisson(1e4 * rng.gamma(1 / 0.3**2, 0.3**2, 1000)).astype(float)
    assert flicker(beam, 0.05).value == pytest.approx(0.3, rel=0.1)
    assert flicker(np.zeros(100), 0.05).level == "unknown"


def test_the_monitor_is_judged_frame_by_frame():
    values = np.full(50, 1000.0)
    values[31] = 250.0
    found = intensity_of_monitor("i0", values, 0.5)
    assert found.value == pytest.approx(0.75)
    assert found.details["frame"] == 31
    assert intensity_of_monitor("i0", np.zeros(5), 0.5).level == "unknown"


USED = Stated(12.398419843320026, 2.5, 100.0, 200.0)


@pytest.mark.parametrize(
    "metadata",
    [
        {
            "/entry/instrument/beam/incident_wavelength": 1.0,
            "/entry/instrument/detector/detector_distance": 2.5,
            "/entry/instrument/detector/beam_center_x": 200.0,
            "/entry/instrument/detector/beam_center_y": 100.0,
        },
        {  # eV and mm, as they ought not to be
            "/entry/instrument/monochromator/energy": 12398.419843320026,
            "/entry/instrument/area/distance": 2500,
            "/entry/instrument/area/beam_center_x": 200.0,
            "/entry/instrument/area/beam_center_y": 100.0,
        },
        {
            "/entry/instrument/beam/incident_wavelength": 1e-10,
            "/entry/instrument/detector_1/distance": 2.5,
            "/entry/instrument/detector_1/beam_center_x": 200.0,
            "/entry/instrument/detector_1/beam_center_y": 100.0,
        },
    ],
)
def test_headers_of_nexus(metadata):
    found = stated_by_nexus(metadata, "area", USED)
    assert found.energy_keV == pytest.approx(USED.energy_keV)
    assert (found.distance_m, found.row, found.column) == (2.5, 100.0, 200.0)
    measures = header_measures({"area": (found, USED)})
    assert {name: measure(1e-3).level for name, measure in measures.items()} == dict.fromkeys(
        ("header_energy", "header_distance", "header_beam_centre"), "fine"
    )


def test_a_header_that_is_off():
    measures = header_measures({"area": (Stated(12.5, 2.6, 103.0, 204.0), USED)})
    assert measures["header_energy"](1e-3).value == pytest.approx(12.5 / USED.energy_keV - 1)
    assert measures["header_distance"](0.02).value == pytest.approx(0.04)
    assert measures["header_beam_centre"](3.0).value == pytest.approx(5.0)
    assert {measure(0.0).level for measure in measures.values()} == {"bad"}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"/entry/instrument/detector/beam_center_x": 0.0, "/entry/note": "distance"},
        {"/entry/instrument/other/distance": 3.0, "/entry/instrument/beam/incident_energy": "?"},
    ],
)
def test_a_header_that_says_nothing(metadata):
    measures = header_measures({"area": (stated_by_nexus(metadata, "area", USED), USED)})
    assert {measure(1.0).level for measure in measures.values()} == {"unknown"}


def test_history_is_its_median():
    found = against_history("intensity", 3.0, [1.0, 100.0, 1.2], (0.5, 2.0))
    assert found.value == pytest.approx(2.5)
    assert found.level == "bad"
    assert against_history("intensity", 3.0, [1.0, 2.0], (0.5, 2.0)).level == "unknown"
    assert against_history("intensity", float("nan"), [1.0] * 3, (0.5, 2.0)).level == "unknown"
