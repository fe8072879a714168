"""Geometry from calibrant rings: simulated rings of a displaced detector give its true geometry."""

from __future__ import annotations

import numpy as np
import pytest
from pyFAI.detectors import Detector
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

from scatterflow.detectors.geometry import load_geometry
from scatterflow.errors import UserError
from scatterflow.files.json import read_json
from scatterflow.plots.geometry import plot_refinement
from scatterflow.plots.results import FrameSum
from scatterflow.saxswaxs.refine import (
    refine_geometry,
    write_refined_poni,
    write_refinement,
)
from scatterflow.saxswaxs.ring_positions import calibrant_d_spacings

ALL = ["distance", "poni1", "poni2", "rot1", "rot2"]
WAVELENGTH = 1.0332e-10
PIXEL = 172e-6


def geometry(shape, distance, poni1, poni2, rot1=0.0, rot2=0.0):
    return AzimuthalIntegrator(
        dist=distance,
        poni1=poni1,
        poni2=poni2,
        rot1=rot1,
        rot2=rot2,
        detector=Detector(PIXEL, PIXEL, max_shape=shape),
        wavelength=WAVELENGTH,
    )


def rings(truth, shape, calibrant, width, seed=0, strength=1000.0):
    """Mean counts of a frame of rings, with Poisson noise and some masked pixels (NaN)."""
    q = 2 * np.pi / calibrant_d_spacings(calibrant)
    sine = q * WAVELENGTH * 1e10 / (4 * np.pi)
    angle = truth.center_array(shape, unit="2th_rad", scale=False)
    expected = np.full(shape, 20.0)
    for position in 2 * np.arcsin(sine[sine < 1]):
        expected += strength * np.exp(-0.5 * ((angle - position) / width) ** 2)
    image = np.random.default_rng(seed).poisson(expected).astype(float)
    image[shape[0] // 2 : shape[0] // 2 + 6] = np.nan
    return image


WAXS = (
    (195, 487),
    {"distance": 0.161, "poni1": 0.0172, "poni2": 0.0148, "rot1": -0.552, "rot2": 0.003},
)
WAXS_START = {"distance": 0.16, "poni1": 0.017, "poni2": 0.015, "rot1": -0.55, "rot2": 0.0}
SAXS = (300, 320), {"distance": 1.01, "poni1": 0.0071, "poni2": 0.0277}
SAXS_START = {"distance": 1.0, "poni1": 0.006966, "poni2": 0.027606}

CASES = {
    "LaB6 on a tilted detector": (*WAXS, WAXS_START, "LaB6", 0.002, ALL),
    "silver behenate, whole circles": (*SAXS, SAXS_START, "AgBh", 0.0004, ALL[:3]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_true_geometry_is_found_within_its_errors(case, seed):
    shape, truth, start, calibrant, width, refine = CASES[case]
    image = rings(geometry(shape, **truth), shape, calibrant, width, seed)
    before = geometry(shape, **start)
    found = refine_geometry(image, before, calibrant, refine)
    assert found.verdict == "pass", found.sentence
    for name in refine:
        assert abs(found.after[name] - truth[name]) < 4 * found.errors[name], name
        # Errors that say something: far below the displacement, but for tilts.
        assert found.errors[name] < 0.002
    assert found.errors["distance"] < 0.02 * abs(truth["distance"] - start["distance"])
    rms = [np.sqrt(np.mean(r**2)) for r in (found.residual_before, found.residual_after)]
    assert rms[1] < 0.05 * rms[0]
    assert before.dist == start["distance"]


def test_what_is_not_refined_stays():
    shape, truth, start, calibrant, width, _ = CASES["silver behenate, whole circles"]
    image = rings(geometry(shape, **{**truth, "distance": 1.0}), shape, calibrant, width)
    found = refine_geometry(image, geometry(shape, **start), calibrant, ["poni1", "poni2"])
    assert found.verdict == "pass"
    assert set(found.errors) == {"poni1", "poni2"}
    for name in ("distance", "rot1", "rot2", "rot3"):
        assert found.after[name] == found.before[name]
    assert abs(found.after["poni2"] - truth["poni2"]) < 4 * found.errors["poni2"]


def test_one_ring_is_too_few():
    shape = (260, 260)  # of silver behenate only the first ring, at 103 pixels
    start = {"distance": 1.0, "poni1": 0.0223, "poni2": 0.0223}
    truth = geometry(shape, 1.0, 0.0225, 0.0222)
    image = rings(truth, shape, "AgBh", 0.0004)
    found = refine_geometry(image, geometry(shape, **start), "AgBh", ALL)
    assert found.verdict == "fail"
    assert not found.refined
    assert found.after == found.before
    assert "only 1 ring of AgBh was found, 2 are needed" in found.sentence


def test_a_frame_without_rings_is_told():
    shape = (195, 487)
    image = np.random.default_rng(0).poisson(20.0, shape).astype(float)
    found = refine_geometry(image, geometry(shape, **WAXS_START), "LaB6", ALL)
    assert found.verdict == "fail"
    assert found.sentence.startswith("Not refined: ")
    assert found.after == found.before


def test_parameters_that_the_rings_do_not_determine_are_named():
    # At small angles a tilt and a shift of the point of normal incidence look alike.
    shape, truth, start, calibrant, width, _ = CASES["silver behenate, whole circles"]
    image = rings(geometry(shape, **truth), shape, calibrant, width, strength=60.0)
    found = refine_geometry(image, geometry(shape, **start), calibrant, ALL)
    assert found.verdict == "warn"
    assert "do not determine" in found.sentence
    assert "poni" in found.sentence


def test_an_unknown_calibrant_is_refused():
    with pytest.raises(UserError, match="LaB6"):
        refine_geometry(np.zeros((10, 10)), geometry((10, 10), 1, 0, 0), "LaB66", ALL)


def test_files_and_figure(tmp_path):
    shape, truth, start, calibrant, width, refine = CASES["LaB6 on a tilted detector"]
    image = rings(geometry(shape, **truth), shape, calibrant, width)
    before = geometry(shape, **start)
    found = refine_geometry(image, before, calibrant, refine)
    poni, verdict = tmp_path / "waxs.poni", tmp_path / "waxs.json"
    write_refined_poni(str(poni), before, found, ["From LaB6 in somewhere"])
    write_refinement(str(verdict), "waxs", found)
    header = [line for line in poni.read_text().splitlines() if line.startswith("#")]
    assert header[:2] == ["# Refined geometry.", "# From LaB6 in somewhere"]
    assert any(line.startswith("# distance: +0.00") for line in header)
    detector = {"shape": list(shape), "geometry": str(poni), "orientation": None}
    read = load_geometry(detector, "waxs")
    assert read.dist == pytest.approx(found.after["distance"], rel=1e-12)
    assert read.rot1 == pytest.approx(found.after["rot1"], rel=1e-12)
    assert read.wavelength == pytest.approx(WAVELENGTH, rel=1e-12)
    said = read_json(verdict)
    assert said["verdict"] == "pass"
    assert said["rings"] >= 5
    assert said["rms_after_deg"] < 0.05 * said["rms_before_deg"]
    change = said["parameters"]["distance"]
    assert change["change"] == pytest.approx(change["after"] - change["before"])
    frame = FrameSum("run", image, np.isnan(image), np.zeros(shape, bool), 1, None, "counts")
    plot_refinement(frame, before, found, tmp_path / "a.png", tmp_path / "a.svg")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_a_failed_refinement_writes_the_configured_geometry_and_says_so(tmp_path):
    shape = (195, 487)
    before = geometry(shape, **WAXS_START)
    image = np.full(shape, 20.0)
    found = refine_geometry(image, before, "LaB6", ALL)
    write_refined_poni(str(tmp_path / "w.poni"), before, found, [])
    text = (tmp_path / "w.poni").read_text()
    assert text.startswith("# NOT REFINED: the configured geometry.\n# Not refined: no ring")
    detector = {"shape": list(shape), "geometry": str(tmp_path / "w.poni"), "orientation": None}
    assert load_geometry(detector, "w").dist == before.dist
    frame = FrameSum("run", image, np.isnan(image), np.zeros(shape, bool), 1, None, "counts")
    plot_refinement(frame, before, found, tmp_path / "a.png", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").exists()
