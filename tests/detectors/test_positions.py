"""Positions of pixels: against EXtra-geom, pyFAI's own formula written out, and by hand."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from scatterflow.detectors.crystfel import crystfel_good, crystfel_positions
from scatterflow.detectors.positions import (
    load_positions,
    marked_good,
    quadrant_positions,
    sacla_positions,
)
from scatterflow.errors import UserError

QUADRANTS = [(-525, 625), (-550, -10), (520, -160), (542.5, 475)]


@pytest.fixture(scope="module")
def agipd():
    from extra_geom import AGIPD_1MGeometry

    return AGIPD_1MGeometry.from_quad_positions(QUADRANTS)


@pytest.mark.parametrize("dims", [("frame", "modno", "ss", "fs"), ("frame", "ss", "fs")])
def test_crystfel_files_of_a_large_camera_are_those_of_extra_geom(agipd, tmp_path, dims):
    path = tmp_path / "agipd.geom"
    agipd.write_crystfel_geom(path, dims=dims, adu_per_ev=0.0075, clen=0.2, photon_energy=9000)
    expected = np.moveaxis(agipd.get_pixel_positions(), -1, 0) * 1000
    found = load_positions({"geometry": str(path)}, (16, 512, 128), "agipd")
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_quadrants_are_those_of_extra_geom(agipd):
    found = load_positions(
        {"geometry": {"family": "AGIPD_1M", "quadrants": QUADRANTS}}, (16, 512, 128), "agipd"
    )
    np.testing.assert_array_equal(found, np.moveaxis(agipd.get_pixel_positions(), -1, 0) * 1000)


GEOM = """\
adu_per_eV = 0.01
res = 20000
dim0 = %
dim2 = ss
dim3 = fs
p0/dim1 = 0
p0/min_fs = 0
p0/max_fs = 3
p0/min_ss = 0
p0/max_ss = 2
p0/corner_x = -10.5
p0/corner_y = 2.0
p0/fs = +0.0x +1.0y
p0/ss = -1.0x +0.0y
p0/coffset = 0.001
p1/dim1 = 2
p1/min_fs = 1
p1/max_fs = 4
p1/min_ss = 0
p1/max_ss = 2
p1/corner_x = 5.0
p1/corner_y = -2.0
p1/fs = +0.8x +0.6y
p1/ss = -0.6x +0.8y
bad_a/panel = p0
bad_a/min_fs = 1
bad_a/max_fs = 2
bad_a/min_ss = 2
bad_a/max_ss = 2
bad_b/min_x = 4.0
bad_b/max_x = 5.5
bad_b/min_y = -100
bad_b/max_y = 100
"""


@pytest.fixture
def geom(tmp_path):
    path = tmp_path / "two.geom"
    path.write_text(GEOM)
    return str(path)


def test_panels_of_any_number_by_hand(geom):
    x, y, z = crystfel_positions(geom, (3, 3, 5), "here")
    size = 1000 / 20000  # mm
    for ss in range(3):
        for fs in range(4):
            assert x[0, ss, fs] == pytest.approx(size * (-10.5 - (ss + 0.5)))
            assert y[0, ss, fs] == pytest.approx(size * (2.0 + (fs + 0.5)))
            u, v = fs + 0.5, ss + 0.5
            assert x[2, ss, fs + 1] == pytest.approx(size * (5 + 0.8 * u - 0.6 * v))
            assert y[2, ss, fs + 1] == pytest.approx(size * (-2 + 0.6 * u + 0.8 * v))
    assert (z[0, :, :4] == 1.0).all()
    assert (z[2, :, 1:] == 0).all()
    for values in (x, y, z):  # no panel there
        assert np.isnan(values[1]).all()
        assert np.isnan(values[0, :, 4]).all()
        assert np.isnan(values[2, :, 0]).all()


def test_bad_regions_of_a_panel_and_of_the_plane(geom):
    good = crystfel_good(geom, (3, 3, 5), "here")
    x = crystfel_positions(geom, (3, 3, 5), "here")[0]
    expected = np.isfinite(x)
    expected[0, 2, 1:3] = False
    expected &= ~((x >= 4 * 0.05) & (x <= 5.5 * 0.05))
    np.testing.assert_array_equal(good, expected)
    assert 0 < good[2].sum() < 12
    np.testing.assert_array_equal(marked_good({"geometry": geom}, (3, 3, 5), "two"), expected)
    assert marked_good({"geometry": "a.poni"}, (3, 3, 5), "two").all()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("p1/dim1 = 2", "p1/dim1 = 3", "p1"),
        ("res = 20000", "", "res"),
        ("p0/fs = +0.0x +1.0y", "p0/fs = sideways", "no CrystFEL geometry"),
    ],
)
def test_mistakes_of_a_geometry_are_told(geom, tmp_path, old, new, said):
    path = tmp_path / "bad.geom"
    path.write_text(GEOM.replace(old, new))
    with pytest.raises(UserError) as told:
        crystfel_positions(str(path), (3, 3, 5), "here")
    assert said in told.value.what


def test_a_poni_places_stacked_tiles_in_one_plane():
    parameters = {
        "distance_m": 0.2, "poni1_m": 0.003, "poni2_m": 0.0012, "rotation1_rad": 0.02,
        "rotation2_rad": -0.03, "rotation3_rad": 0.4, "wavelength_m": 1e-10, "pixel1_m": 1e-4,
        "pixel2_m": 2e-4,
    }  # fmt: skip
    x, y, z = load_positions({"geometry": parameters}, (2, 5, 7), "plane")
    row, column = np.indices((10, 7))
    p1 = (row + 0.5) * 1e-4 - 0.003
    p2 = (column + 0.5) * 2e-4 - 0.0012
    c, s = (f([0.02, -0.03, 0.4]) for f in (np.cos, np.sin))
    # pyFAI's documentation: t = R3 R2 R1 p, axes 1, 2, 3; written out.
    r1 = np.array([[1, 0, 0], [0, c[0], s[0]], [0, -s[0], c[0]]])
    r2 = np.array([[c[1], 0, -s[1]], [0, 1, 0], [s[1], 0, c[1]]])
    r3 = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    t1, t2, t3 = np.einsum("ij,jkl", r3 @ r2 @ r1, np.stack([p1, p2, np.full(p1.shape, 0.2)]))
    for found, expected in ((x, t2), (y, t1), (z, t3 - 0.2)):
        np.testing.assert_allclose(found, expected.reshape(2, 5, 7) * 1000, atol=1e-9)


def test_panels_of_sacla_by_hand():
    info = {"pixel_size_in_micro_meter": [50.0, 50.0], "detector_stage_shift_weight": -1.0}
    info |= {
        "detector_stage_direction_in_degree": 90.0,
        "manipulator_position_in_micro_meter": 300.0,
    }
    origins = ([100.0, 200.0, 10.0], [-700.0, 40.0, 30.0])
    panels = [
        {
            **info,
            "detector_coordinate_in_micro_meter": origin,
            "detector_rotation_angle_in_degree": angle,
        }
        for origin, angle in zip(origins, (90.0, 180.0), strict=True)
    ]
    x, y, z = sacla_positions(panels, (2, 4, 3), "here")
    for row in range(4):
        for column in range(3):
            assert x[0, row, column] == pytest.approx(0.1 - 0.05 * row)
            assert y[0, row, column] == pytest.approx(0.2 - 0.3 + 0.05 * column)
            assert x[1, row, column] == pytest.approx(-0.7 - 0.05 * column)
            assert y[1, row, column] == pytest.approx(0.04 - 0.3 - 0.05 * row)
    assert z[:, 0, 0] == pytest.approx([-0.01, 0.01])
    one = load_positions({"geometry": "source"}, (4, 3), "single", panels[0])
    np.testing.assert_allclose(one[:2], (x[0], y[0]))
    del panels[1]["detector_rotation_angle_in_degree"]
    with pytest.raises(UserError, match="rotation_angle"):
        sacla_positions(panels, (2, 4, 3), "here")


def test_positions_stored_in_hdf5_in_their_units(tmp_path):
    path = tmp_path / "positions.h5"
    random = np.random.default_rng(2)
    x, y, z = random.normal(0, 50, (3, 2, 4, 3))
    with h5py.File(path, "w") as file:
        for group, factor, unit in (
            ("/", 1, None),
            ("metres", 1e-3, "m"),
            ("UserDataCfg/e", 1e3, None),
        ):
            for name, values in (("x", x), ("y", y), ("z", z)):
                file.require_group(group)[name] = values * factor
                if unit:
                    file[group][name].attrs["units"] = unit
    for group in ("", "::metres", "::UserDataCfg/e"):
        found = load_positions({"geometry": f"{path}{group}"}, (2, 4, 3), "stored")
        np.testing.assert_allclose(found, (x, y, z), rtol=1e-12)
    with h5py.File(path, "a") as file:
        file["text/x"] = "left"
        file["text/y"] = file["deeper/x/y"] = 0.0
    for shape, group, said in (
        ((2, 4, 4), "", "shape"),
        ((2, 4, 3), "::nowhere", "no group"),
        ((1, 1), "::text", "x holds no numbers"),
        ((1, 1), "::deeper", "x holds no numbers"),
    ):
        with pytest.raises(UserError, match=said):
            load_positions({"geometry": f"{path}{group}"}, shape, "stored")


def test_what_is_not_there_is_told():
    for settings, said in (({}, "not known"), ({"geometry": "source"}, "do not say")):
        with pytest.raises(UserError, match=said):
            load_positions(settings, (4, 3), "camera")
    with pytest.raises(UserError, match="AGIPD_2M"):
        quadrant_positions("AGIPD_2M", QUADRANTS, (16, 512, 128), "here")
    with pytest.raises(UserError, match="frames of"):
        quadrant_positions("AGIPD_1M", QUADRANTS, (8, 512, 128), "here")
