"""q-maps from a geometry: coordinates by independent formulas, bins, nesting, what is refused."""

from __future__ import annotations

import math
import re
import runpy
from itertools import pairwise
from pathlib import Path

import fabio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from scatterflow import bin_spans
from scatterflow.config.detectors import DetectorConfig
from scatterflow.config.qmap import QMapSettings
from scatterflow.detectors.geometry import load_geometry
from scatterflow.detectors.good_mask import GoodMask, write_mask
from scatterflow.detectors.qmap import with_mask
from scatterflow.detectors.qmap_files import read_qmap, write_qmap
from scatterflow.detectors.qmap_partition import (
    coordinate_values,
    folded,
    partition_detector,
    pixel_positions,
    prepare_qmap,
)
from scatterflow.errors import UserError

SHAPE = (40, 50)
PIXEL = (1e-3, 1.2e-3)
DISTANCE = 0.4
CENTRE = (17.3, 21.6)
WAVELENGTH = 1.1e-10


def geometry(orientation=None, shape=SHAPE, **changes):
    parameters = {
        "distance_m": DISTANCE,
        "poni1_m": (CENTRE[0] + 0.5) * PIXEL[0],
        "poni2_m": (CENTRE[1] + 0.5) * PIXEL[1],
        "wavelength_m": WAVELENGTH,
        "pixel1_m": PIXEL[0],
        "pixel2_m": PIXEL[1],
    }
    config = DetectorConfig(shape=shape, geometry=parameters | changes, orientation=orientation)
    return load_geometry(config.model_dump(), "d")


def coordinates(*items):
    return QMapSettings(coordinates=list(items)).model_dump()["coordinates"]


def q(dynamic, static=1, **rest):
    return {"name": "q", "dynamic": dynamic, "static": static} | rest


def phi(dynamic, static=1, **rest):
    return {"name": "phi", "dynamic": dynamic, "static": static} | rest


def make(*items, good=None, integrator=None):
    good = np.ones(SHAPE, bool) if good is None else good
    return partition_detector(integrator or geometry(), good, coordinates(*items), "detector d")


def offsets():
    """Rows down and columns right of the beam, m, without tilt."""
    rows, columns = np.indices(SHAPE)
    return (rows - CENTRE[0]) * PIXEL[0], (columns - CENTRE[1]) * PIXEL[1]


def q_by_hand():
    v, h = offsets()
    two_theta = np.arctan(np.hypot(v, h) / DISTANCE)
    return 2 * (2 * math.pi / (WAVELENGTH * 1e10)) * np.sin(two_theta / 2)


def phi_by_hand():
    v, h = offsets()
    return -np.degrees(np.arctan2(v, h))


# --- coordinates


def values(integrator, coordinate):
    return coordinate_values(integrator, pixel_positions(integrator), coordinate)


def test_q_of_every_pixel():
    integrator = geometry()
    found = values(integrator, {"name": "q", "unit": "q_A^-1"})
    assert found.dtype == np.float64
    assert found == pytest.approx(q_by_hand(), rel=1e-12)
    nm = values(integrator, {"name": "q", "unit": "q_nm^-1"})
    assert nm == pytest.approx(10 * q_by_hand(), rel=1e-12)


def test_phi_counts_against_the_clock_from_the_columns():
    found = values(geometry(), {"name": "phi"})
    assert found == pytest.approx(phi_by_hand(), abs=1e-10)
    assert found[17, 49] == pytest.approx(0, abs=1.0)  # right of the beam
    assert found[0, 22] == pytest.approx(90, abs=3)  # above it
    assert found[39, 22] == pytest.approx(-90, abs=3)


def test_x_is_the_column_and_y_the_row():
    integrator = geometry()
    rows, columns = np.indices(SHAPE)
    assert np.array_equal(values(integrator, {"name": "x"}), columns)
    assert np.array_equal(values(integrator, {"name": "y"}), rows)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_phi_is_that_of_the_stored_frame_in_any_orientation(orientation):
    # The beam in the middle of the detector: turned round, it stays where it is.
    middle = {"poni1_m": 20 * PIXEL[0], "poni2_m": 25 * PIXEL[1]}
    integrator = geometry(orientation, **middle)
    rows, columns = np.indices(SHAPE)
    v, h = (rows - 19.5) * PIXEL[0], (columns - 24.5) * PIXEL[1]
    assert values(integrator, {"name": "phi"}) == pytest.approx(
        -np.degrees(np.arctan2(v, h)), abs=1e-10
    )
    scattering = np.arctan(np.hypot(v, h) / DISTANCE)
    by_hand = 4 * math.pi / 1.1 * np.sin(scattering / 2)
    found = values(integrator, {"name": "q", "unit": "q_A^-1"})
    assert found == pytest.approx(by_hand, rel=1e-12)


def test_q_of_a_tilted_detector_from_its_vectors():
    # pyFAI: rotations about axes 1, 2, 3 in this order, the first two left-handed.
    angles = (0.3, -0.2, 0.1)
    integrator = geometry(
        **{f"rotation{axis}_rad": angle for axis, angle in zip((1, 2, 3), angles, strict=True)}
    )
    c1, c2, c3 = np.cos(angles)
    s1, s2, s3 = np.sin(angles)
    turn1 = np.array([[1, 0, 0], [0, c1, s1], [0, -s1, c1]])
    turn2 = np.array([[c2, 0, -s2], [0, 1, 0], [s2, 0, c2]])
    turn3 = np.array([[c3, -s3, 0], [s3, c3, 0], [0, 0, 1]])
    v, h = offsets()
    vectors = np.stack([v, h, np.full(SHAPE, DISTANCE)], axis=-1) @ (turn3 @ turn2 @ turn1).T
    cosine = vectors[..., 2] / np.linalg.norm(vectors, axis=-1)
    by_hand = 4 * math.pi / 1.1 * np.sqrt((1 - cosine) / 2)  # sin(theta) = sqrt((1 - cos 2theta)/2)
    found = values(integrator, {"name": "q", "unit": "q_A^-1"})
    assert found == pytest.approx(by_hand, rel=1e-9)
    azimuth = -np.degrees(np.arctan2(vectors[..., 0], vectors[..., 1]))
    assert values(integrator, {"name": "phi"}) == pytest.approx(azimuth, abs=1e-8)


# --- bins


def test_linear_bins_of_all_good_pixels():
    good = np.ones(SHAPE, bool)
    good[15:20, 18:25] = False
    qmap = make(q({"bins": 5}, 3), good=good)
    values = q_by_hand()
    low, high = values[good].min(), values[good].max()
    expected = np.minimum(((values - low) / (high - low) * 5).astype(int), 4) + 1
    near = np.abs((values - low) / (high - low) * 15 % 1 - 0.5) < 0.5 - 1e-9
    assert np.array_equal(qmap.dynamic[good & near], expected[good & near])
    assert np.array_equal(qmap.mask, good)  # the outermost pixel has a bin as well
    edges = low + (high - low) * np.arange(6) / 5
    assert qmap.dynamic_lists[0] == pytest.approx((edges[1:] + edges[:-1]) / 2)
    assert qmap.dynamic_spans[0] == pytest.approx(np.stack([edges[:-1], edges[1:]], 1))
    assert (qmap.dynamic_shape, qmap.static_shape) == ((5, 1), (15, 1))
    assert (qmap.names, qmap.units) == (("q",), ("1/angstrom",))


def test_logarithmic_bins_are_equal_in_ratio():
    division = {"spacing": "log", "range": [0.05, 0.4], "bins": 3}
    qmap = make(q(division, 2))
    edges = 0.05 * 2.0 ** np.arange(4)
    assert qmap.dynamic_spans[0] == pytest.approx(np.stack([edges[:-1], edges[1:]], 1))
    assert qmap.dynamic_lists[0] == pytest.approx(np.sqrt(edges[:-1] * edges[1:]))
    fine = 0.05 * 2.0 ** (np.arange(7) / 2)
    assert qmap.static_lists[0] == pytest.approx(np.sqrt(fine[:-1] * fine[1:]))
    values = q_by_hand()
    for number in range(6):
        inside = (values >= fine[number]) & (values < fine[number + 1])
        assert np.array_equal(qmap.static == number + 1, inside)


def test_spans_round_centres_leave_room():
    division = {"centres": [0.1, 0.2, 0.25], "widths": [0.02, 0.05, 0.05]}
    qmap = make(q(division))
    values = q_by_hand()
    expected = np.zeros(SHAPE, int)
    for number, (low, high) in enumerate([(0.09, 0.11), (0.175, 0.225), (0.225, 0.275)]):
        expected[(values >= low) & (values <= high)] = number + 1
    assert np.array_equal(qmap.dynamic, expected)
    assert qmap.dynamic_lists[0] == pytest.approx([0.1, 0.2, 0.25])
    assert not qmap.mask.all()


def test_two_coordinates_in_natural_order():
    qmap = make(q({"edges": [0.05, 0.1, 0.2]}, 2), phi({"range": [-180, 180], "bins": 4}, 3))
    values, angles = q_by_hand(), phi_by_hand()
    for number, index in enumerate(qmap.dynamic_index.tolist()):
        i, j = divmod(index, 4)
        low = [0.05, 0.1][i]
        inside = (values >= low) & (values < 2 * low)
        inside &= (angles >= -180 + 90 * j) & (angles < -90 + 90 * j)
        assert np.array_equal(qmap.dynamic == number + 1, inside)
        assert qmap.dynamic_values[number] == pytest.approx([1.5 * low, -135 + 90 * j])
    assert (qmap.dynamic_shape, qmap.static_shape) == ((2, 4), (4, 12))
    assert qmap.units == ("1/angstrom", "degree")
    # Nesting in both coordinates: static (i, j) lies in dynamic (i // 2, j // 3).
    i, j = np.divmod(qmap.static_index, 12)
    assert (qmap.dynamic_index[qmap.parent] == (i // 2) * 4 + j // 3).all()


def test_boxes_of_pixels():
    qmap = make(
        {"name": "x", "dynamic": {"bins": 5}, "static": 2},
        {"name": "y", "dynamic": {"edges": [-0.5, 9.5, 39.5]}},
    )
    rows, columns = np.indices(SHAPE)
    assert np.array_equal(qmap.dynamic, (columns // 10) * 2 + (rows >= 10) + 1)
    assert qmap.units == ("pixel", "pixel")


def test_symmetry_folds_phi_and_offset_turns_it():
    angles = phi_by_hand()
    qmap = make(phi({"edges": [-30, 0, 30]}, symmetry=6, offset_deg=10.0))
    turned = np.mod(angles + 10 + 30, 60) - 30
    assert np.array_equal(qmap.dynamic, np.where(turned < 0, 1, 2))
    # Pixels across the beam are equivalent with a twofold symmetry.
    middle = {"poni1_m": 20 * PIXEL[0], "poni2_m": 25 * PIXEL[1]}
    twofold = make(phi({"bins": 7}, symmetry=2), integrator=geometry(**middle))
    assert np.array_equal(twofold.dynamic, twofold.dynamic[::-1, ::-1])
    assert twofold.mask.all()
    assert twofold.dynamic_spans[0][[0, -1], [0, 1]] == pytest.approx([-90, 90])


@given(st.floats(-1e4, 1e4), st.floats(-360, 360), st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_folded_angles_lie_in_one_period(angle, lowest, symmetry):
    period = 360 / symmetry
    found = float(folded(np.array([angle]), lowest, symmetry)[0])
    assert lowest <= found <= lowest + period
    turns = (found - angle) / period
    assert turns == pytest.approx(round(turns), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    parts=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    bins=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    log=st.booleans(),
)
def test_static_bins_always_nest(seed, parts, bins, log):
    random = np.random.default_rng(seed)
    good = random.random(SHAPE) < 0.5
    spacing = "log" if log else "linear"
    qmap = make(
        q({"spacing": spacing, "bins": bins[0]}, parts[0]),
        phi({"bins": bins[1]}, parts[1], offset_deg=float(random.uniform(-180, 180))),
        good=good,
    )
    assert np.array_equal(qmap.mask, good)
    pairs = np.unique(np.stack([qmap.static[good], qmap.dynamic[good]]), axis=1)
    assert pairs.shape[1] == qmap.static_bins == len(np.unique(pairs[0]))
    assert qmap.parent.tolist() == (pairs[1] - 1).tolist()
    i, j = np.divmod(qmap.static_index, parts[1] * bins[1])
    natural = (i // parts[0]) * bins[1] + j // parts[1]
    assert np.array_equal(natural, qmap.dynamic_index[qmap.parent])


def test_attributes_tell_the_geometry():
    qmap = make(q({"bins": 2}), integrator=geometry(rotation1_rad=0.1))
    assert qmap.attributes["beam_center_y"] == pytest.approx(CENTRE[0])
    shift = DISTANCE * math.tan(0.1) / PIXEL[1]
    assert qmap.attributes["beam_center_x"] == pytest.approx(CENTRE[1] - shift)
    assert qmap.attributes["detector_distance"] == pytest.approx(DISTANCE / math.cos(0.1))
    assert qmap.attributes["pixel_size"] == PIXEL[1]
    assert qmap.attributes["energy"] == pytest.approx(12.398419843320026 / 1.1)


def test_silver_behenate_shines_in_its_bins(real_data):
    folder = real_data("ssrl-bl15-swaxs")
    pixels = fabio.open(str(folder / "saxs_agbh.edf.gz")).data
    config = DetectorConfig(shape=pixels.shape, geometry=str(folder / "saxs.poni"))
    integrator = load_geometry(config.model_dump(), "saxs")
    # Rings at multiples of 2 pi / 58.38 angstrom, which the spans surround and leave out in turn.
    ring = 2 * math.pi / 58.38
    division = {"edges": (ring * np.array([0.7, 0.9, 1.1, 1.3, 1.7, 1.9, 2.1, 2.3])).tolist()}
    good = (pixels >= 0) & (pixels < 1e6)
    qmap = partition_detector(integrator, good, coordinates(q(division, 4)), "saxs")
    position = qmap.pixels
    counts = np.bincount(qmap.dynamic_of_position, weights=pixels.reshape(-1)[position])
    mean = counts / np.bincount(qmap.dynamic_of_position)
    assert mean[1] > 2 * max(mean[0], mean[2])
    assert mean[5] > 1.2 * max(mean[4], mean[6])
    # The first ring, weighted over its static bins, lies where the d-spacing says.
    part = qmap.parent == 1
    static = np.bincount(qmap.static_of_position, weights=pixels.reshape(-1)[position])[part]
    assert np.average(qmap.static_values[part, 0], weights=static) == pytest.approx(ring, rel=0.02)


# --- what is refused


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (q({"range": [3, 4], "bins": 2}), "all bins of the q-map are empty"),
        (q({"spacing": "log", "range": [0.5, 0.1], "bins": 2}), "range: 0.5 is not below 0.1"),
        (q({"spacing": "log", "range": [0, 0.1], "bins": 2}), "begins above 0, not at 0"),
        (q({"edges": [0.1, 0.3, 0.2]}), "each must be larger than the one before"),
        (q({"centres": [0.1, 0.15], "widths": 0.06}), "0.07 to 0.13 and 0.12 to 0.18 overlap"),
        (q({"centres": [0.2, 0.1], "widths": 0.01}), "above the one before"),
        (q({"centres": [0.1, 0.2], "widths": [0.01]}), "1 numbers for 2 centres"),
        (phi({"edges": [-60, 0, 61]}, symmetry=3), "-60 to 61 degrees reaches beyond the period"),
        (phi({"range": [0, 361], "bins": 3}), "beyond the period of 360 degrees$"),
    ],
)
def test_bins_that_are_refused_by_the_job(item, message):
    # As a plain dictionary, past the models.
    with pytest.raises(UserError) as refusal:
        partition_detector(
            geometry(), np.ones(SHAPE, bool), [{"unit": "q_A^-1"} | item], "detector d"
        )
    assert re.search(message, refusal.value.what)
    assert "detector d" in refusal.value.where


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (q({"range": [0.2, 0.1], "bins": 2}), "range: 0.2 is not below 0.1"),
        (q({"edges": [0.1, 0.3, 0.2]}), "each must be larger"),
        (q({"centres": [0.1, 0.15], "widths": 0.06}), "overlap"),
        (q({"centres": [0.1]}), "`centres` and `widths` go together"),
        (q({"bins": 3, "edges": [1, 2]}), "give one of .*not bins and edges"),
        (q({}), "give one of"),
        (q({"edges": [1, 2], "spacing": "log"}), "no meaning with `edges`"),
        (q({"bins": 2}, symmetry=2), "unknown key 'symmetry'"),
        (phi({"spacing": "log", "range": [1, 2], "bins": 2}), "for q alone"),
        (phi({"edges": [-60, 61]}, symmetry=3), "reaches beyond the period of 120 degrees"),
        (phi({"centres": [-180, 180], "widths": 20}), "reaches beyond"),
        ({"name": "y", "dynamic": {"bins": 2, "spacing": "log"}}, "for q alone"),
        (q({"bins": 1_000_000}, 2), "at most 1000000 are allowed"),
    ],
)
def test_bins_that_are_refused_by_the_configuration(item, message):
    with pytest.raises(ValidationError, match=message):
        coordinates(item)


@pytest.mark.parametrize(
    "block",
    [{}, {"file": "a", "coordinates": [q({"bins": 1})]}, {"coordinates": [q({"bins": 1})] * 2}],
)
def test_a_q_map_is_one_thing(block):
    with pytest.raises(ValidationError, match=r"either `file` or `coordinates`|named twice"):
        QMapSettings(**block)


def test_masks_that_leave_nothing_or_do_not_fit():
    with pytest.raises(UserError, match="mask of the detector removes all pixels"):
        make(q({"bins": 2}), good=np.zeros(SHAPE, bool))
    with pytest.raises(UserError, match="transposed"):
        make(q({"bins": 2}), good=np.ones(SHAPE[::-1], bool))


def test_empty_bins_are_noted():
    qmap = make(q({"edges": [0.01, 0.1, 0.2, 5.0, 6.0]}))
    assert qmap.dynamic_index.tolist() == [0, 1, 2]
    assert qmap.notes[0].startswith("1 of 4 dynamic bins of the q-map hold no good pixel")


# --- intervals


@given(
    low=st.floats(1e-3, 10),
    ratio=st.floats(1.01, 100),
    count=st.integers(1, 50),
    log=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_cuts_ascend_between_exact_ends(low, ratio, count, log):
    edges = bin_spans.cut((low, low * ratio), count, log)
    assert (len(edges), edges[0], edges[-1]) == (count + 1, low, low * ratio)
    assert all(b > a for a, b in pairwise(edges))
    steps = np.diff(np.log(edges) if log else edges)
    assert steps == pytest.approx(steps.mean(), rel=1e-6)


def test_spans_that_touch_but_for_rounding_share_their_edge():
    spans = bin_spans.dynamic_spans({"centres": [0.1, 0.2, 0.3], "widths": 0.1}, (0.0, 1.0))
    assert spans[0][1] == spans[1][0]
    assert spans[1][1] == spans[2][0]


# --- from the configuration to the file


def test_a_given_file_is_masked_as_well(tmp_path):
    written = make(q({"bins": 4}, 2))
    write_qmap(tmp_path / "q.h5", written)
    good = np.random.default_rng(3).random(SHAPE) < 0.7
    settings = QMapSettings(file=str(tmp_path / "q.h5")).model_dump()
    found = prepare_qmap(settings, good, geometry(), "reduction x")
    assert found.digest == with_mask(written, good, "x").digest
    assert prepare_qmap(settings, None, None, "reduction x").digest == written.digest
    with pytest.raises(UserError, match="40 x 50 pixels, the detector 40 x 51"):
        prepare_qmap(settings, np.ones((40, 51), bool), None, "reduction x")


def test_made_and_read_back(tmp_path):
    made = make(q({"spacing": "log", "bins": 7}, 3), phi({"bins": 5}, 2, symmetry=2))
    write_qmap(tmp_path / "q.h5", made)
    found = read_qmap(tmp_path / "q.h5", SHAPE)
    assert found.digest == made.digest
    assert np.array_equal(found.pixels, made.pixels)


def test_coordinates_need_a_geometry():
    settings = QMapSettings(coordinates=[q({"bins": 2})]).model_dump()
    with pytest.raises(UserError, match="needs a detector with a geometry"):
        prepare_qmap(settings, None, None, "reduction x")


def test_the_script_writes_the_masked_q_map_and_says_what_is_left_out(tmp_path, caplog):
    script = Path(__file__).resolve().parents[2] / "scripts" / "prepare_qmap.py"
    prepare = runpy.run_path(str(script))["main"]
    good = np.ones(SHAPE, bool)
    good[:, 30:] = False
    write_mask(tmp_path / "mask.h5", GoodMask(good, np.where(good, 0, 1).astype(np.uint32)))
    parameters = {
        "distance_m": DISTANCE,
        "poni1_m": 0.018,
        "poni2_m": 0.02,
        "wavelength_m": WAVELENGTH,
        "pixel1_m": PIXEL[0],
        "pixel2_m": PIXEL[1],
    }
    detector = DetectorConfig(shape=SHAPE, geometry=parameters).model_dump()
    block = QMapSettings(coordinates=[{"name": "x", "dynamic": {"bins": 10}}]).model_dump()
    rest = ("eiger", detector, str(tmp_path / "mask.h5"))
    prepare(block, None, *rest, str(tmp_path / "q.h5"))
    made = read_qmap(tmp_path / "q.h5", SHAPE)
    assert np.array_equal(made.mask, good)
    assert made.dynamic_bins == 6
    assert made.attributes["energy"] == pytest.approx(12.398419843320026 / 1.1)
    assert "4 of 10 dynamic bins of the q-map hold no good pixel" in caplog.text
    again = QMapSettings(file=str(tmp_path / "q.h5")).model_dump()
    prepare(again, None, *rest, str(tmp_path / "again.h5"))
    assert read_qmap(tmp_path / "again.h5").digest == made.digest
    prepare(again, {"rows": [3, 20], "columns": None}, *rest, str(tmp_path / "cut.h5"))
    good[:3], good[20:] = False, False
    assert np.array_equal(read_qmap(tmp_path / "cut.h5").mask, good)
    with pytest.raises(UserError, match="crop takes columns 0 to 99 of a detector of"):
        prepare(again, {"rows": None, "columns": [0, 99]}, *rest, str(tmp_path / "cut.h5"))
