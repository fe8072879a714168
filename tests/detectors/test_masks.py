"""Good masks: shapes against other codes, combination, sanity checks, the file that keeps them."""

from __future__ import annotations

import time

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from scatterflow.config.detectors import DetectorConfig
from scatterflow.detectors.geometry import load_geometry
from scatterflow.detectors.good_mask import GoodMask, read_mask, write_mask
from scatterflow.detectors.masks import build_mask, inside_circle, inside_polygon
from scatterflow.errors import UserError
from scatterflow.files.checksums import mask_sha256

SHAPE = (8, 12)
GENERIC = {"distance_m": 1, "poni1_m": 0.0035, "poni2_m": 0.0055, "wavelength_m": 1e-10}
GENERIC |= {"pixel1_m": 1e-3, "pixel2_m": 1e-3}  # the beam: row 3, column 5
PILATUS = {"distance_m": 1, "poni1_m": 0.09, "poni2_m": 0.08, "wavelength_m": 1e-10}
PILATUS |= {"detector": "Pilatus1M"}


def build(*masks, geometry=GENERIC, shape=SHAPE, **rest):
    detector = DetectorConfig(shape=shape, geometry=geometry, masks=list(masks), **rest)
    return build_mask(detector.model_dump(), "d")


def circle(centre="beam", radius=1.0, name="c", **rest):
    return {"type": "circle", "name": name, "centre": centre, "radius": radius} | rest


def polygon(*corners, name="p", **rest):
    return {"type": "polygon", "name": name, "corners": list(corners)} | rest


def saved(folder, good, name="f"):
    np.save(folder / f"{name}.npy", good)
    path = str(folder / f"{name}.npy")
    return {"type": "file", "name": name, "path": path, "true_means": "good"}


# --- shapes --------------------------------------------------------------------------------------


def picture(inside):
    return ["".join(" #"[int(value)] for value in row) for row in inside]


def test_polygons_by_hand():
    square = inside_polygon([(0.5, 1.5), (0.5, 4.5), (3.5, 4.5), (3.5, 1.5)], (5, 6))
    assert picture(square) == ["      ", "  ### ", "  ### ", "  ### ", "      "]
    triangle = inside_polygon([(-0.6, -0.5), (4.5, -0.5), (4.5, 4.6)], (5, 6))
    assert picture(triangle) == ["#     ", "##    ", "###   ", "####  ", "##### "]
    arrow = inside_polygon([(-1, -1), (2, 3), (5, -1), (5, 7), (-1, 7)], (5, 6))
    assert picture(arrow) == [" #####", "  ####", "   ###", "  ####", " #####"]


def test_even_odd_rule_leaves_a_hole():
    # The outer square, then the inner one, in one stroke: what is enclosed twice is outside.
    outer = [(-0.5, -0.5), (-0.5, 4.5), (4.5, 4.5), (4.5, -0.5), (-0.5, -0.5)]
    inner = [(0.5, 0.5), (0.5, 3.5), (3.5, 3.5), (3.5, 0.5), (0.5, 0.5)]
    ring = inside_polygon(outer + inner, (5, 6))
    assert picture(ring) == ["##### ", "#   # ", "#   # ", "#   # ", "##### "]


coordinate = st.floats(-5, 20).map(lambda value: round(value, 3) + 0.00037)
corner = st.tuples(coordinate, coordinate)


@settings(max_examples=60, deadline=None)
@given(st.lists(corner, min_size=3, max_size=6))
def test_polygons_as_matplotlib_sees_them(corners):
    rows, columns = np.indices((15, 16))
    centres = np.column_stack([rows.ravel(), columns.ravel()])
    expected = Outline([*corners, corners[0]], closed=True).contains_points(centres)
    found = inside_polygon(corners, (15, 16)).ravel()
    # Matplotlib decides centres on an edge otherwise: leave out what is within 1e-6 of one.
    near = np.zeros(found.size, bool)
    for (row1, column1), (row2, column2) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = np.hypot(row2 - row1, column2 - column1)
        cross = (centres[:, 0] - row1) * (column2 - column1)
        cross = cross - (centres[:, 1] - column1) * (row2 - row1)
        near |= np.abs(cross) <= 1e-6 * length
    assert np.array_equal(found[~near], expected[~near])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-3, 18)] * 2), min_size=3, max_size=3), corner)
def test_polygons_that_share_an_edge_share_no_pixel(corners, apex):
    # Triangles from one apex over each edge of another: together (even-odd) they are that triangle,
    # also where corners and edges lie right on pixel centres.
    shape = (15, 16)
    together = np.zeros(shape, bool)
    for first, second in zip(corners, corners[1:] + corners[:1], strict=True):
        together ^= inside_polygon([first, second, apex], shape)
    assert np.array_equal(together, inside_polygon(corners, shape))


def test_circle_by_hand():
    disc = inside_circle((2, 3), 2, (5, 7))  # the rim belongs to it
    assert picture(disc) == ["   #   ", "  ###  ", " ##### ", "  ###  ", "   #   "]
    assert inside_circle((2, 3), 1.9, (5, 7)).sum() == 9


def test_shapes_mask_their_inside_or_their_outside():
    square = [(0.5, 0.5), (0.5, 2.5), (2.5, 2.5), (2.5, 0.5)]
    inside = np.zeros(SHAPE, bool)
    inside[1:3, 1:3] = True
    assert np.array_equal(build(polygon(*square)).good, ~inside)
    only = build(polygon(*square, inside_is="good"), most_masked=1)
    assert np.array_equal(only.good, inside)
    beam = build(circle(radius=1))
    assert np.argwhere(~beam.good).tolist() == [[2, 5], [3, 4], [3, 5], [3, 6], [4, 5]]


def test_circle_round_the_beam_follows_orientation():
    masked = {
        orientation: np.argwhere(~build(circle(radius=0.5), orientation=orientation).good).tolist()
        for orientation in (1, 2, 3, 4)
    }
    assert masked == {1: [[4, 6]], 2: [[4, 5]], 3: [[3, 5]], 4: [[3, 6]]}


# --- combination ---------------------------------------------------------------------------------


def test_members_are_combined_by_and(tmp_path):
    left, top = np.ones((2, *SHAPE), bool)
    left[:, :4] = False
    top[:3] = False
    mask = build(saved(tmp_path, left, "left"), saved(tmp_path, top, "top"))
    assert np.array_equal(mask.good, left & top)
    assert mask.good.dtype == bool
    assert mask.sha256 == mask_sha256(left & top)
    assert mask.masked_fraction == pytest.approx(1 - (left & top).mean())
    assert [member["name"] for member in mask.members] == ["left", "top"]
    assert mask.members[0] == {
        "name": "left",
        "type": "file",
        "path": str(tmp_path / "left.npy"),
        "sha256": mask_sha256(left),
        "masked_fraction": pytest.approx(4 / 12),
    }
    # More than half is masked: worth a look, not an error.
    (warning,) = mask.warnings
    assert "58% of its pixels" in warning


def test_reasons_are_bits_of_nexus(tmp_path):
    values = np.zeros(SHAPE, np.uint32)
    values[0, :3] = [2, 16, 1 << 31]
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["entry/pixel_mask"] = values
    member = {"type": "file", "name": "m", "path": str(tmp_path / "e.h5")}
    mask = build(member | {"dataset": "entry/pixel_mask"}, circle((0, 1), 0.5))
    assert mask.reasons.dtype == np.uint32
    assert mask.reasons[0, :4].tolist() == [2, 16 | 256, 1 << 31, 0]
    assert mask.good[0, :4].tolist() == [False, False, True, True]


def test_gaps_of_a_known_detector():
    mask = build({"type": "gaps"}, geometry=PILATUS, shape=(1043, 981))
    # Modules of 195 x 487 pixels, 17 rows and 7 columns between them (Dectris, Pilatus 1M).
    good = np.zeros((1043, 981), bool)
    for row in range(0, 1043, 212):
        for column in range(0, 981, 494):
            good[row : row + 195, column : column + 487] = True
    assert np.array_equal(mask.good, good)
    assert np.array_equal(mask.reasons, np.where(good, 0, 1))
    assert mask.members[0]["path"] is None
    assert mask.warnings == []


def test_without_masks_all_is_good():
    mask = build()
    assert mask.good.all()
    assert mask.members == mask.warnings == []


def test_sixty_per_cent_masked_is_not_turned(tmp_path):
    good = np.random.default_rng(1).random(SHAPE) > 0.6
    assert good.mean() < 0.5
    assert np.array_equal(build(saved(tmp_path, good)).good, good)


def test_the_given_geometry_is_used():
    detector = DetectorConfig(shape=SHAPE, geometry="no.poni", masks=[circle(radius=0.5)])
    there = load_geometry(DetectorConfig(shape=SHAPE, geometry=GENERIC).model_dump(), "d")
    assert not build_mask(detector.model_dump(), "d", there).good[3, 5]
    with pytest.raises(UserError, match="does not exist"):
        build_mask(detector.model_dump(), "d")


# --- sanity --------------------------------------------------------------------------------------


def test_an_inverted_mask_is_refused(tmp_path):
    good = np.zeros((50, 50), bool)
    good[0, :5] = True  # 99.8 % masked
    with pytest.raises(UserError, match=r"99\.8%.*looks inverted") as refusal:
        build(saved(tmp_path, good, "upside"), shape=(50, 50))
    assert "detector d" in refusal.value.where
    assert "upside" in refusal.value.what
    assert "true_means" in refusal.value.how
    assert build(saved(tmp_path, good, "upside"), shape=(50, 50), most_masked=0.999).good.sum() == 5


def test_a_mask_without_a_good_pixel_is_refused(tmp_path):
    with pytest.raises(UserError, match="no good pixel"):
        build(saved(tmp_path, np.zeros(SHAPE, bool)), most_masked=1)


def test_members_that_cannot_be_made(tmp_path):
    with pytest.raises(UserError, match="knows no gaps") as refusal:
        build({"type": "gaps", "name": "modules"})
    assert "detector d, mask modules" in refusal.value.where
    with pytest.raises(UserError, match="never meets") as refusal:
        build(circle(name="stop"), geometry=GENERIC | {"rotation1_rad": 2.0})
    assert "mask stop" in refusal.value.where
    with pytest.raises(UserError, match="7 x 7 pixels") as refusal:
        build(saved(tmp_path, np.ones((7, 7)), "small"))
    assert "mask small" in refusal.value.where
    assert "small.npy" in refusal.value.where


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_coordinates_must_be_finite(value):
    detector = DetectorConfig(shape=SHAPE, geometry=GENERIC).model_dump()
    for mask in (circle((value, 1)), circle((1, 1), value), polygon((0, 0), (1, value), (2, 0))):
        with pytest.raises(UserError, match="infinite or NaN"):
            build_mask(detector | {"masks": [mask]}, "d")


def test_a_shape_beside_the_detector_is_told():
    mask = build(circle((100, 100), name="lost"))
    assert mask.good.all()
    assert len(mask.warnings) == 1
    assert "'lost'" in mask.warnings[0]
    assert "masks no pixel" in mask.warnings[0]


def test_open_gaps_are_told(real_data):
    path = str(real_data("ssrl-bl15-swaxs") / "saxs_mask.edf.gz")
    real = {"type": "file", "name": "upstream", "path": path}
    stop = circle(radius=30)
    assert build(real, geometry=PILATUS, shape=(1043, 981)).warnings == []
    (warning,) = build(stop, geometry=PILATUS, shape=(1043, 981)).warnings
    assert "gaps" in warning
    assert "detector d" in warning
    gaps = {"type": "gaps"}
    assert build(stop, gaps, geometry=PILATUS, shape=(1043, 981)).warnings == []


# --- the file ------------------------------------------------------------------------------------


def example():
    good = np.random.default_rng(2).random(SHAPE) > 0.3
    reasons = np.where(good, 0, 257).astype(np.uint32)
    reasons[0, 0] |= 1 << 20
    member = {"name": "é", "type": "gaps", "path": None, "sha256": "0", "masked_fraction": 0.3}
    return GoodMask(good, reasons, [member], ["a warning"])


def test_mask_file_round_trip(tmp_path):
    mask = example()
    write_mask(tmp_path / "sub" / "mask.h5", mask)
    found = read_mask(tmp_path / "sub" / "mask.h5")
    assert np.array_equal(found.good, mask.good)
    assert found.good.dtype == bool
    assert np.array_equal(found.reasons, mask.reasons)
    assert found.reasons.dtype == np.uint32
    assert (found.members, found.warnings) == (mask.members, mask.warnings)
    with h5py.File(tmp_path / "sub" / "mask.h5") as file:  # for other programs
        assert file["mask"].attrs["convention"] == "True = good"
        assert file["mask"].attrs["sha256"] == mask.sha256
        assert np.array_equal(file["mask/good"][()] == 1, mask.good)


def test_equal_masks_give_equal_bytes(tmp_path):
    write_mask(tmp_path / "a.h5", example())
    time.sleep(1.1)  # HDF5 keeps times in seconds, if it keeps them
    write_mask(tmp_path / "b.h5", example())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def spoil_pixel(file):
    file["mask/good"][1, 1] = 1 - file["mask/good"][1, 1]


def spoil_reason(file):
    file["mask/pixel_mask"][1, 1] ^= 1 << 30


def lose_a_part(file):
    del file["mask/members"]


def lose_the_convention(file):
    del file["mask"].attrs["convention"]


def write_two(file):
    file["mask/good"][1, 1] = 2


def make_a_cube(file):
    del file["mask/good"]
    file["mask/good"] = np.ones((2, 2, 2), np.uint8)


def break_json(file):
    del file["mask/members"]
    file["mask/members"] = "{"


@pytest.mark.parametrize(
    "fault",
    [
        spoil_pixel,
        spoil_reason,
        lose_a_part,
        lose_the_convention,
        write_two,
        make_a_cube,
        break_json,
    ],
)
def test_a_changed_mask_file_is_refused(tmp_path, fault):
    path = tmp_path / "mask.h5"
    write_mask(path, example())
    with h5py.File(path, "a") as file:
        fault(file)
    with pytest.raises(UserError, match="damaged") as refusal:
        read_mask(path)
    assert refusal.value.where == str(path)


def test_files_that_are_no_mask(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_mask(tmp_path / "none.h5")
    write_mask(tmp_path / "mask.h5", example())
    content = (tmp_path / "mask.h5").read_bytes()
    for fault in (b"", b"text", content[: len(content) // 2]):
        (tmp_path / "mask.h5").write_bytes(fault)
        with pytest.raises(UserError, match="damaged"):
            read_mask(tmp_path / "mask.h5")


def test_good_and_reasons_must_agree(tmp_path):
    mask = example()
    write_mask(tmp_path / "mask.h5", GoodMask(mask.good, np.zeros(SHAPE, np.uint32)))
    with pytest.raises(UserError, match="contradict"):
        read_mask(tmp_path / "mask.h5")


def test_a_write_that_fails_leaves_nothing(tmp_path):
    broken = GoodMask(np.ones(SHAPE, bool), np.zeros(SHAPE, np.uint32), [{"name": object()}])
    with pytest.raises(TypeError):
        write_mask(tmp_path / "mask.h5", broken)
    assert list(tmp_path.iterdir()) == []
