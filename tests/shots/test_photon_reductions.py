"""Droplets and photons shot by shot: names, threads, chunks, constants, mistakes, real data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from scatterflow.errors import UserError
from scatterflow.shots.photon_reductions import droplets, photon_map
from scatterflow.shots.ragged import Ragged, unsparsify

ADU = 160.0
IN_ADU = {"in_noise": False, "threshold": 0.35 * ADU, "threshold_low": 0.22 * ADU}
GUESS = {"adu_per_photon": ADU}
FIT = {"adu_per_photon": ADU, "method": "fit", "noise": 0.1, "cloud": 0.11}


def frames_of(shape, seed=0):
    random = np.random.default_rng(seed)
    photons = random.poisson(0.05, shape).astype(float)
    spread = ndimage.gaussian_filter(photons, [0] * (len(shape) - 2) + [0.4, 0.4])
    return ((spread + random.normal(0, 0.1, shape)) * ADU).astype(np.float32)


def flat(results):
    """All arrays of results by name."""
    found = {}
    for name, value in results.items():
        if isinstance(value, Ragged):
            found[f"{name}/lengths"] = value.lengths
            found |= {f"{name}/{key}": column for key, column in value.values.items()}
        else:
            found[name] = value
    return found


def assert_same(one, other):
    one, other = flat(one), flat(other)
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype
        assert np.array_equal(one[name], other[name]), name


@pytest.mark.parametrize("photons", [None, GUESS, FIT])
@pytest.mark.parametrize("tiles", [(), (3,)])
def test_results_do_not_depend_on_threads_or_chunks(photons, tiles):
    frames = frames_of((7, *tiles, 24, 30))
    good = np.random.default_rng(1).random(frames.shape[1:]) > 0.02
    settings = {**IN_ADU, "least_adu": 80.0, "shapes": True, "photons": photons}
    whole = droplets(frames, good, settings)
    assert_same(whole, droplets(frames, good, settings, threads=3))
    assert_same(whole, droplets(frames, good, settings, threads=20))
    parts = [
        flat(droplets(frames[i:j], good, settings)) for i, j in ((0, 1), (1, 1), (1, 5), (5, 7))
    ]
    for name, values in flat(whole).items():
        assert np.array_equal(np.concatenate([part[name] for part in parts]), values), name


def test_droplets_of_a_shot_are_counted_before_and_after_the_cut():
    frame = np.zeros((2, 6, 6), np.float32)
    frame[1, 2, 3], frame[1, 2, 4], frame[1, 5, 0] = 100, 50, 60
    good = np.ones((6, 6), bool)
    found = droplets(frame, good, {"in_noise": False, "threshold": 50.0, "least_adu": 80.0})
    assert found["nDroplets_all"].tolist() == [0, 2]
    assert found["nDroplets"].tolist() == [0, 1]
    assert found["droplets"].lengths.tolist() == [0, 1]
    values = {name: column.tolist() for name, column in found["droplets"].values.items()}
    assert values == {"data": [150.0], "npix": [2], "row": [2.0], "col": [10 / 3], "tile": [0]}
    assert "photons" not in found


def test_thresholds_in_noise_are_those_in_adu():
    frames = frames_of((3, 20, 20))
    good = np.ones((20, 20), bool)
    noise = np.random.default_rng(2).uniform(5, 20, (20, 20)).astype(np.float32)
    good_noise = noise.copy()
    good_noise[3, 4] = np.nan  # a pixel without known noise is in no droplet
    found = droplets(frames, good, {"threshold": 4, "threshold_low": 2}, noise=good_noise)
    masked = good.copy()
    masked[3, 4] = False
    expected = droplets(frames, masked, {"threshold": 4, "threshold_low": 2}, noise=noise)
    assert_same(found, expected)
    # One number for all pixels and the same thresholds in ADU.
    even = np.full((20, 20), 8.0)
    assert_same(
        droplets(frames, good, {"threshold": 4, "threshold_low": 2}, noise=even),
        droplets(frames, good, {"in_noise": False, "threshold": 32, "threshold_low": 16}),
    )


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float64])
def test_types_of_frames_do_not_change_the_result(dtype):
    frames = np.maximum(np.round(frames_of((2, 20, 20))), 0)
    good = np.ones((20, 20), bool)
    settings = {**IN_ADU, "photons": GUESS}
    assert_same(droplets(frames, good, settings), droplets(frames.astype(dtype), good, settings))


@pytest.mark.parametrize("tiles", [(), (2,)])
def test_shares_of_pixels_are_those_of_the_map(tiles):
    frames = frames_of((4, *tiles, 30, 30))
    good = np.random.default_rng(1).random(frames.shape[1:]) > 0.1
    settings = {**IN_ADU, "least_adu": 80.0, "photons": FIT}
    found = droplets(frames, good, settings)
    maps = photon_map(frames, good, {"method": "droplets", "droplets": settings})
    assert np.array_equal(maps["nPhot"], found["nPhotons"])
    assert maps["map"].dtype == np.uint16
    assert maps["map"].shape == frames.shape
    for shot, counts in enumerate(maps["map"]):
        assert counts.sum() == found["nPhotons"][shot] > 0
        shares = [(counts[good] == k).sum() / good.sum() for k in range(11)]
        assert found["prob"][shot] == pytest.approx([*shares, counts[good].sum() / good.sum()])


def test_the_two_pixel_rule_counts_a_shared_photon_once():
    frames = np.zeros((2, 2, 6, 6), np.float32)
    frames[0, 0, 2, 2], frames[0, 0, 2, 3] = 0.55 * 154, 0.4 * 154
    frames[1, 1, 4, 4], frames[1, 0, 0, 0] = 2.2 * 154, 1.1 * 154
    good = np.ones((2, 6, 6), bool)
    good[0, 0, 0] = False
    settings = {"method": "pairs", "adu_per_photon": 154.0}
    found = photon_map(frames, good, settings, threads=2)
    assert found["nPhot"].tolist() == [1, 2]
    assert found["map"][0, 0, 2, 2] == 1
    assert found["map"][1, 1, 4, 4] == 2
    assert found["map"].sum() == 3
    narrow = photon_map(frames, good, {**settings, "pair_fraction": 0.96})
    assert narrow["nPhot"].tolist() == [0, 2]
    bright = photon_map(frames, good, {**settings, "least_adu": 70.0})
    assert bright["nPhot"].tolist() == [0, 2]


def test_maps_of_lists():
    lists = Ragged(
        np.array([2, 0, 3]),
        {
            "row": np.array([1.7, 0.2, 5.0, 6.9, 2.0]),
            "col": np.array([0.0, 1.0, 2.0, 3.0, 4.0]),
            "tile": np.array([0, 0, 0, 0, 1], np.int32),
            "data": np.array([1, 2, 3, 4, 5]),
        },
    )
    maps = unsparsify(lists, (2, 8, 6))
    assert maps.shape == (3, 2, 8, 6)
    assert maps.sum(axis=(1, 2, 3)).tolist() == [3, 0, 12]
    assert (maps[0, 0, 2, 0], maps[0, 0, 0, 1], maps[2, 1, 2, 4]) == (1, 2, 5)
    many = Ragged(np.array([2]), {name: column[:2] for name, column in lists.values.items()})
    many.values["row"][:], many.values["col"][:], many.values["data"][:] = 0, 0, 50_000
    assert unsparsify(many, (2, 2))[0, 0, 0] == 65535


def test_no_shots_give_empty_results():
    good = np.ones((5, 6), bool)
    found = droplets(np.empty((0, 5, 6), np.float32), good, {**IN_ADU, "photons": GUESS})
    assert found["nDroplets"].shape == (0,)
    assert found["prob"].shape == (0, 12)
    assert found["photons"].values["row"].shape == (0,)
    assert photon_map(np.empty((0, 5, 6)), good, GUESS)["map"].shape == (0, 5, 6)


MISTAKES = {
    "mask of another shape": ({}, {"good": np.ones((4, 4), bool)}, "good pixels"),
    "no good pixel": ({}, {"good": np.zeros((5, 6), bool)}, "no pixel is good"),
    "noise unknown": ({"in_noise": True}, {}, "noise, which is not known"),
    "noise of another shape": ({"in_noise": True}, {"noise": np.ones((6, 5))}, "the noise"),
    "low above high": ({"threshold_low": 80.0}, {}, "above threshold"),
    "threshold 0": ({"threshold": 0}, {}, "threshold is 0"),
    "negative low": ({"threshold_low": -1}, {}, "threshold_low is -1"),
    "no ADU per photon": ({"photons": {}}, {}, "adu_per_photon is None"),
    "ADU per photon NaN": ({"photons": {"adu_per_photon": np.nan}}, {}, "adu_per_photon is nan"),
    "method": ({"photons": {**GUESS, "method": "best"}}, {}, "'best'"),
    "no cloud": ({"photons": {**GUESS, "method": "fit", "noise": 0.1}}, {}, "cloud is None"),
    "no density": ({"photons": {**FIT, "density": 0}}, {}, "density is 0"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(name):
    settings, constants, message = MISTAKES[name]
    given = {"good": np.ones((5, 6), bool), **constants}
    good = given.pop("good")
    with pytest.raises(UserError, match=message):
        droplets(np.zeros((1, 5, 6), np.float32), good, {**IN_ADU, **settings}, **given)


@pytest.mark.parametrize("photons", [GUESS, FIT])
def test_a_damaged_pixel_is_told_or_cut(photons):
    frames = frames_of((1, 8, 8))
    frames[0, 2, 2] = 1e30
    good = np.ones((8, 8), bool)
    settings = {**IN_ADU, "photons": photons}
    with pytest.raises(UserError, match="photons in frame 0"):
        droplets(frames, good, settings)
    clean = frames.copy()
    clean[0, 2, 2] = 0
    settings["most_adu"] = 1e6
    assert_same(droplets(frames, good, settings), droplets(clean, good, settings))


def test_maps_need_a_known_method():
    good = np.ones((5, 6), bool)
    frames = np.zeros((1, 5, 6), np.float32)
    with pytest.raises(UserError, match="'three'"):
        photon_map(frames, good, {"method": "three"})
    with pytest.raises(UserError, match="without photons"):
        photon_map(frames, good, {"method": "droplets", "droplets": IN_ADU})


def test_real_detector(real_data):
    """One CSPAD sensor with weak scattering, noise of a few ADU, and a few saturated spots; no known answer.

    So what must hold of any frame: every island with a bright pixel has a droplet, and droplets hold no more
    charge than the frame has above the low threshold.
    """
    frame = np.load(real_data("lcls-cspad-asic") / "cxitut13_r10_32_cspadAsic.npy")
    good = np.isfinite(frame)
    noise = 1.4826 * np.median(np.abs(frame - np.median(frame)))
    settings = {
        "in_noise": False,
        "threshold": 6 * noise,
        "threshold_low": 3 * noise,
        "shapes": True,
    }
    found = droplets(frame[None], good, settings)
    labels, number = ndimage.label(frame >= 3 * noise)
    bright = np.unique(labels[frame >= 6 * noise])
    assert 0 < found["nDroplets"][0] < frame.size / 20
    # Growing stops one pixel off the bright ones: never fewer droplets than whole islands.
    assert bright.size <= found["nDroplets"][0]
    lists = found["droplets"].values
    assert lists["data"].sum() <= frame[frame >= 3 * noise].sum() * (1 + 1e-9)
    assert (lists["data"] >= 6 * noise).all()
    assert (lists["npix"] >= 1).all()
    box = lists["box"]
    assert (lists["row"] >= box[:, 0]).all()
    assert (lists["row"] <= box[:, 2]).all()
    assert (lists["col"] <= box[:, 3]).all()
    assert lists["npix"].max() <= frame.size
    assert number > 0
