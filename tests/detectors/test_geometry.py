"""Geometry: positions against hand-written formulas, PONI files good and bad, real calibrants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.config.detectors import DetectorConfig
from scatterflow.detectors.geometry import (
    _beam_centre_by_search,
    beam_centre,
    geometry_description,
    geometry_files,
    geometry_sha256,
    load_geometry,
)
from scatterflow.errors import UserError

SHAPE = (4, 6)
PIXEL = 1e-3
ORIENTATIONS = (1, 2, 3, 4)
PONI = {
    "poni_version": "2.1",
    "Detector": "Detector",
    "Detector_config": '{"pixel1": 0.001, "pixel2": 0.001, "max_shape": [4, 6]}',
    "Distance": "0.5",
    "Poni1": "0.0015",
    "Poni2": "0.0015",
    "Rot1": "0.0",
    "Rot2": "0.0",
    "Rot3": "0.0",
    "Wavelength": "1e-10",
}


def write_poni(folder, comment="# a comment", **changes):
    """A PONI file like `PONI`; a change to None leaves the key out."""
    entries = {key: value for key, value in (PONI | changes).items() if value is not None}
    path = folder / "tiny.poni"
    path.write_text("\n".join([comment, *(f"{key}: {value}" for key, value in entries.items())]))
    return path


def config(geometry, shape=SHAPE, **rest):
    geometry = geometry if isinstance(geometry, dict) else str(geometry)
    return DetectorConfig(shape=shape, geometry=geometry, **rest).model_dump()


def parameters(**changes):
    return {
        "distance_m": 0.5,
        "poni1_m": 0.0015,
        "poni2_m": 0.0015,
        "wavelength_m": 1e-10,
        "pixel1_m": PIXEL,
        "pixel2_m": PIXEL,
    } | changes


def tiny(shape=SHAPE, orientation=None, **changes):
    return load_geometry(config(parameters(**changes), shape, orientation=orientation), "tiny")


def physical(index, count, turned):
    """Position of pixel centres from the detector's own corner, m."""
    return ((count - 1 - index if turned else index) + 0.5) * PIXEL


# --- positions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orientation", "expected"), [(1, (2, 4)), (2, (2, 1)), (3, (1, 1)), (4, (1, 4))]
)
def test_beam_centre_follows_orientation(orientation, expected):
    # 1.5 mm from the corner is the centre of the second pixel; turned round, the third of 4 rows,
    # the fifth of 6 columns.
    assert beam_centre(tiny(orientation=orientation)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_q_and_chi_of_every_pixel(orientation):
    integrator = tiny(orientation=orientation)
    rows, columns = np.indices(SHAPE)
    y = physical(rows, SHAPE[0], orientation in (1, 2)) - 0.0015
    x = physical(columns, SHAPE[1], orientation in (1, 4)) - 0.0015
    q = 4 * np.pi / 0.1 * np.sin(0.5 * np.arctan2(np.hypot(x, y), 0.5))
    found_q = integrator.center_array(SHAPE, unit="q_nm^-1", scale=True)
    found_chi = integrator.center_array(SHAPE, unit="chi_rad", scale=True)
    assert found_q == pytest.approx(q, abs=1e-6)
    off_centre = np.hypot(x, y) > 0.5 * PIXEL
    turn = np.angle(np.exp(1j * (found_chi - np.arctan2(y, x))))
    assert turn[off_centre] == pytest.approx(0, abs=1e-5)


def test_beam_centre_of_a_tilted_detector():
    # Both rotations are left-handed: rot1 moves the beam by -distance tan(rot1) along the columns,
    # rot2 by +distance tan(rot2) along the rows.
    row, column = beam_centre(tiny(rotation1_rad=0.3))
    assert (row, column) == pytest.approx((1.0, (0.0015 - 0.5 * math.tan(0.3)) / PIXEL - 0.5))
    row, column = beam_centre(tiny(rotation2_rad=0.3))
    assert (row, column) == pytest.approx(((0.0015 + 0.5 * math.tan(0.3)) / PIXEL - 0.5, 1.0))


@settings(max_examples=30, deadline=None)
@given(
    tilts=st.tuples(*[st.floats(-1, 1)] * 3),
    poni=st.tuples(*[st.floats(-0.1, 0.1)] * 2),
    orientation=st.sampled_from(ORIENTATIONS),
)
def test_scattering_angle_vanishes_at_the_beam_centre(tilts, poni, orientation):
    integrator = tiny(
        orientation=orientation,
        poni1_m=poni[0],
        poni2_m=poni[1],
        **{f"rotation{axis}_rad": tilt for axis, tilt in zip((1, 2, 3), tilts, strict=True)},
    )
    row, column = beam_centre(integrator)
    assert integrator.tth(np.array([row]), np.array([column]))[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_search_agrees_with_the_formula(orientation):
    integrator = tiny(
        (40, 60), orientation, poni1_m=0.012, poni2_m=0.04, rotation1_rad=0.02, rotation2_rad=-0.01
    )
    assert _beam_centre_by_search(integrator) == pytest.approx(beam_centre(integrator), abs=2e-3)


def test_beam_centre_of_pixels_of_different_size():
    # ImXPad S10: pixels of 130 um, but 2.5 times as wide where two of its chips of 80 columns meet.
    geometry = parameters(detector="ImXPadS10", poni1_m=0.0078, poni2_m=0.0052)
    del geometry["pixel1_m"], geometry["pixel2_m"]
    integrator = load_geometry(config(geometry, (120, 80)), "xpad")
    row, column = beam_centre(integrator)
    angles = integrator.center_array((120, 80), unit="2th_rad", scale=True)
    nearest = np.unravel_index(np.argmin(angles), angles.shape)
    assert abs(row - nearest[0]) <= 0.51
    assert abs(column - nearest[1]) <= 0.51


def test_beam_that_never_meets_the_detector():
    with pytest.raises(UserError, match="never meets"):
        beam_centre(tiny(rotation1_rad=math.pi / 2))
    with pytest.raises(UserError, match="never meets"):
        beam_centre(tiny(rotation2_rad=3.0))


# --- PONI files and parameters -------------------------------------------------------------------


def test_poni_and_parameters_are_one_geometry(tmp_path, capfd):
    from_file = load_geometry(config(write_poni(tmp_path)), "tiny")
    assert geometry_sha256(from_file) == geometry_sha256(tiny())
    assert from_file.detector.shape == SHAPE
    assert capfd.readouterr() == ("", "")


def test_digest_knows_numbers_and_nothing_else(tmp_path):
    first = geometry_sha256(load_geometry(config(write_poni(tmp_path)), "tiny"))
    changed = {}
    for key, value in [("Poni1", "0.00150000001"), ("Rot3", "1e-9"), ("Wavelength", "1.1e-10")]:
        path = write_poni(tmp_path, **{key: value})
        changed[key] = geometry_sha256(load_geometry(config(path), "tiny"))
    assert len({first, *changed.values()}) == 4
    dated = write_poni(tmp_path, comment="# Calibration done on Mon Jan 1 2024\n# other words")
    assert geometry_sha256(load_geometry(config(dated), "other name")) == first
    stated = write_poni(tmp_path, Distance="5.000e-1")
    assert geometry_sha256(load_geometry(config(stated, orientation=3), "tiny")) == first
    assert geometry_sha256(load_geometry(config(stated, orientation=2), "tiny")) != first


def test_description_is_complete_and_its_poni_gives_the_geometry_back(tmp_path):
    integrator = tiny(orientation=2, rotation2_rad=0.2, pixel2_m=2e-3)
    found = geometry_description(integrator)
    text = found.pop("poni")
    assert found == {
        "distance_m": 0.5,
        "poni1_m": 0.0015,
        "poni2_m": 0.0015,
        "rot1_rad": 0.0,
        "rot2_rad": 0.2,
        "rot3_rad": 0.0,
        "pixel1_m": 1e-3,
        "pixel2_m": 2e-3,
        "wavelength_m": 1e-10,
        "energy_keV": pytest.approx(12.398419843),
        "detector": "Detector",
        "shape": [4, 6],
        "orientation": 2,
        "parallax": False,
    }
    (tmp_path / "again.poni").write_text(text)
    again = load_geometry(config(tmp_path / "again.poni"), "tiny")
    assert geometry_sha256(again) == geometry_sha256(integrator)


def test_version_1_states_pixel_sizes_and_takes_the_configured_orientation(tmp_path):
    old = {"poni_version": None, "Detector": None, "Detector_config": None}
    path = write_poni(tmp_path, **old, PixelSize1="0.001", PixelSize2="0.001")
    assert beam_centre(load_geometry(config(path), "tiny")) == pytest.approx((1, 1))
    assert beam_centre(load_geometry(config(path, orientation=1), "tiny")) == pytest.approx((2, 4))


def test_older_name_of_the_distance(tmp_path):
    path = write_poni(tmp_path, Distance=None, Dist="0.75")
    assert load_geometry(config(path), "tiny").dist == 0.75


def test_digest_knows_where_a_distorted_detector_has_its_pixels(tmp_path):
    import h5py
    from pyFAI.detectors import ImXPadS10

    described = tmp_path / "pixels.h5"
    ImXPadS10().save(str(described))
    path = write_poni(
        tmp_path, Detector="NexusDetector", Detector_config=f'{{"filename": "{described}"}}'
    )
    before = load_geometry(config(path, (120, 80)), "xpad")
    assert geometry_files(config(path, (120, 80))) == [str(path), str(described)]
    with h5py.File(described, "a") as file:
        corners = []
        file.visit(lambda name: corners.append(name) if name.endswith("pixel_corners") else None)
        file[corners[0]][5, 5] += 1e-5
    after = load_geometry(config(path, (120, 80)), "xpad")
    assert geometry_sha256(before) != geometry_sha256(after)


def test_last_value_of_a_key_counts(tmp_path):
    path = write_poni(tmp_path)
    path.write_text(path.read_text() + "\nDistance: 0.25\n")
    assert load_geometry(config(path), "tiny").dist == 0.25


def test_orientation_of_the_poni_is_honoured_and_may_be_repeated(tmp_path):
    with_orientation = PONI["Detector_config"].replace("}", ', "orientation": 4}')
    path = write_poni(tmp_path, Detector_config=with_orientation)
    for configured in (None, 4):
        integrator = load_geometry(config(path, orientation=configured), "tiny")
        assert beam_centre(integrator) == pytest.approx((1, 4))
    with pytest.raises(UserError, match="says orientation 4, the configuration says 2"):
        load_geometry(config(path, orientation=2), "tiny")


def test_parallax_needs_a_sensor(tmp_path):
    path = write_poni(tmp_path, poni_version="3", Parallax="True")
    with pytest.raises(UserError, match="parallax"):
        load_geometry(config(path), "tiny")
    sensor = ', "sensor": {"material": "Si", "thickness": 0.00032}}'
    silicon = PONI["Detector_config"].replace("}", sensor)
    path = write_poni(tmp_path, poni_version="3", Parallax="True", Detector_config=silicon)
    corrected = load_geometry(config(path), "tiny")
    assert geometry_description(corrected)["parallax"] is True
    assert geometry_sha256(corrected) != geometry_sha256(tiny())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Wavelength": None}, "lacks wavelength"),
        ({"Rot2": None, "Poni1": None}, "lacks poni1, rot2"),
        ({"Distance": "nan"}, "distance is 'nan'"),
        ({"Poni2": "inf"}, "poni2 is 'inf'"),
        ({"Rot1": "left"}, "rot1 is 'left'"),
        ({"Distance": "0"}, "must be positive"),
        ({"Distance": "-0.5"}, "must be positive"),
        ({"Wavelength": "1.03"}, "no X-ray wavelength"),
        ({"Wavelength": "0"}, "no X-ray wavelength"),
        ({"poni_version": "9"}, "newer"),
        ({"poni_version": "two"}, "poni_version is 'two'"),
        ({"Detector": "Pilatus1N"}, "did you mean 'Pilatus1M'"),
        ({"Detector": "logging"}, "cannot make the detector"),
        ({"Detector_config": "{"}, "no JSON"),
        ({"Detector_config": "[1]"}, "no JSON object"),
        ({"Detector_config": "{}"}, "no usable pixel size"),
        ({"Detector_config": '{"pixel1": -1, "pixel2": 1}'}, "no usable pixel size"),
        ({"Detector_config": '{"pixel1": NaN, "pixel2": 1}'}, "no usable pixel size"),
        ({"Detector_config": '{"pixel1": "x", "pixel2": 1}'}, "cannot make the detector"),
        ({"Detector_config": '{"pixel1": 1, "pixel2": 1, "orientation": 6}'}, "orientation 6"),
        ({"Detector": "Pilatus100k", "Detector_config": "{}"}, "195 x 487 pixels"),
    ],
)
def test_bad_poni_files_are_refused_by_name(tmp_path, changes, message, capfd):
    path = write_poni(tmp_path, **changes)
    with pytest.raises(UserError) as refusal:
        load_geometry(config(path), "tiny")
    assert message in str(refusal.value)
    assert str(path) in refusal.value.where
    assert refusal.value.how
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89HDF\r\n\x1a\n" + bytes(99), b"hello: world\n", b'{"dist": 1}', b"\xff\xfe\xfd"],
)
def test_files_that_are_no_poni(tmp_path, content):
    path = tmp_path / "not.poni"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a PONI file") as refusal:
        load_geometry(config(path), "tiny")
    assert "not.poni" in refusal.value.where


@pytest.mark.parametrize("name", ["none.poni", ".", "x" * 400])
def test_missing_poni(tmp_path, name):
    with pytest.raises(UserError, match="does not exist"):
        load_geometry(config(tmp_path / name), "tiny")


def test_shape_that_differs_or_is_swapped(tmp_path):
    path = write_poni(tmp_path)
    with pytest.raises(UserError, match="4 x 6 pixels, the configuration says 4 x 7"):
        load_geometry(config(path, (4, 7)), "tiny")
    with pytest.raises(UserError, match="look swapped"):
        load_geometry(config(path, (6, 4)), "tiny")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixel1_m": None}, "pixel size is missing"),
        ({"poni1_m": math.nan}, "poni1 is 'nan'"),
        ({"rotation3_rad": math.inf}, "rot3 is 'inf'"),
        ({"detector": "Pilatus100k", "pixel1_m": None, "pixel2_m": None}, "195 x 487"),
        ({"detector": "Eigr4M"}, "did you mean 'Eiger4M'"),
    ],
)
def test_bad_parameters(changes, message):
    detector = config(parameters())
    detector["geometry"] |= changes  # the library does not lean on the configuration's own checks
    with pytest.raises(UserError) as refusal:
        load_geometry(detector, "tiny")
    assert message in str(refusal.value)


def test_known_detector_brings_its_pixel_size():
    geometry = parameters(detector="Pilatus100k", pixel1_m=None, pixel2_m=None)
    assert load_geometry(config(geometry, (195, 487)), "waxs").detector.pixel1 == 172e-6
    for size in (100e-6, 175e-6):
        geometry = parameters(detector="Pilatus100k", pixel1_m=size, pixel2_m=None)
        with pytest.raises(UserError, match="Pilatus100k has pixels of"):
            load_geometry(config(geometry, (195, 487)), "waxs")


def test_binned_detector():
    geometry = parameters(detector="Rayonix133", pixel1_m=128e-6, pixel2_m=128e-6)
    binned = load_geometry(config(geometry, (1024, 1024)), "ccd")
    assert beam_centre(binned) == pytest.approx([0.0015 / 128e-6 - 0.5] * 2)
    with pytest.raises(UserError, match="1024 x 1024 pixels"):
        load_geometry(config(geometry, (2048, 2048)), "ccd")


def test_files_of_a_geometry(tmp_path):
    path = write_poni(tmp_path)
    assert geometry_files(config(path)) == [str(path)]
    assert geometry_files(config(parameters())) == []
    (tmp_path / "pixels.h5").write_bytes(b"x")
    path = write_poni(tmp_path, Detector=tmp_path / "pixels.h5")
    assert geometry_files(config(path)) == [str(path), str(tmp_path / "pixels.h5")]


# --- real calibrants -----------------------------------------------------------------------------


def silver_behenate_ring(folder, orientation, scratch):
    """Ring 1: centroid (1/A) of what exceeds half its height between 0.09 and 0.13 1/A; height."""
    import fabio

    poni = (folder / "saxs.poni").read_text()
    path = scratch / "turned.poni"
    path.write_text(poni.replace('"orientation": 3', f'"orientation": {orientation}'))
    integrator = load_geometry(config(path, (1043, 981)), "saxs")
    q = integrator.center_array((1043, 981), unit="q_A^-1", scale=True)
    counts = fabio.open(str(folder / "saxs_agbh.edf.gz")).data
    edges = np.linspace(0.09, 0.13, 81)
    valid = counts >= 0
    total, _ = np.histogram(q[valid], edges, weights=counts[valid].astype(float))
    pixels, _ = np.histogram(q[valid], edges)
    mean = total / pixels
    above = np.clip(mean - 0.5 * (mean.max() + np.median(mean)), 0, None)
    return (above * (edges[1:] + edges[:-1]) / 2).sum() / above.sum(), mean.max()


def test_real_silver_behenate_tells_orientation(real_data, tmp_path):
    folder = real_data("ssrl-bl15-swaxs")
    position, height = silver_behenate_ring(folder, 3, tmp_path)
    assert position == pytest.approx(2 * np.pi / 58.38, abs=1e-4)
    for turned in (1, 2):  # 4 turns the columns, and the beam is in the middle of those
        elsewhere, faint = silver_behenate_ring(folder, turned, tmp_path)
        assert abs(elsewhere - position) > 0.01
        assert faint < 0.7 * height


def test_real_geometries(real_data):
    folder = real_data("ssrl-bl15-swaxs")
    saxs = load_geometry(config(folder / "saxs.poni", (1043, 981)), "saxs")
    waxs = load_geometry(config(folder / "waxs.poni", (195, 487)), "waxs")
    assert geometry_description(saxs)["energy_keV"] == pytest.approx(12.0, abs=1e-3)
    # Not tilted: the PONI is the beam, half a pixel from the corner to the pixel's centre.
    expected = (0.10779319712 / 172e-6 - 0.5, 0.08448893862 / 172e-6 - 0.5)
    assert beam_centre(saxs) == pytest.approx(expected, abs=1e-4)
    row, column = beam_centre(waxs)
    assert column > 487  # turned by 0.567 rad, the beam passes beside the detector
    assert waxs.tth(np.array([row]), np.array([column]))[0] == pytest.approx(0, abs=1e-9)
