"""Regions and what is made of them, against plain numpy and scipy, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.regions import Frames, apply_functions, spectrum_edges

ROI = [[2, 9], [3, 15]]
CUT = (slice(2, 9), slice(3, 15))


def made(shape=(4, 12, 20), seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(2, 3, shape).astype(np.float32)
    good = rng.uniform(size=shape[1:]) > 0.2
    return Frames(values, good, rng.uniform(0.5, 2, shape[1:]))


def test_region_of_good_pixels_only():
    frames = made()
    frames.values[1, 5, 6] = np.nan
    frames.good[5, 6] = True
    found = apply_functions(
        {
            "roi0": {
                "kind": "region",
                "roi": ROI,
                "threshold": [0, 6],
                "saturation": 5,
                "area": True,
            }
        },
        frames,
    )
    for shot in range(4):
        crop, good = frames.values[shot][CUT].astype(float), frames.good[CUT].copy()
        good &= np.isfinite(crop)
        cut = np.where((crop < 0) | (crop > 6), 0, crop)
        assert found["roi0_npix"][shot] == good.sum()
        assert found["roi0_sum"][shot] == pytest.approx(cut[good].sum(), rel=1e-12)
        assert found["roi0_mean"][shot] == pytest.approx(cut[good].mean(), rel=1e-12)
        assert found["roi0_max"][shot] == cut[good].max()
        centre = scipy.ndimage.center_of_mass(np.where(good, cut, 0))
        assert np.allclose(found["roi0_com"][shot], centre, rtol=1e-12)
        assert found["roi0_nsat"][shot] == (crop[good] >= 5).sum()
    assert np.array_equal(found["roi0_area"], frames.values[:, *CUT], equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_regions_of_tiles(seed):
    rng = np.random.default_rng(seed)
    frames = made((3, 4, 6, 5), seed)
    low = [int(rng.integers(0, size)) for size in (4, 6, 5)]
    high = [int(rng.integers(a, size)) + 1 for a, size in zip(low, (4, 6, 5), strict=True)]
    cut = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    found = apply_functions({"region": {"roi": list(zip(low, high, strict=True))}}, frames)
    good = frames.good[cut]
    for shot in range(3):
        chosen = frames.values[shot][cut][good].astype(float)
        assert found["region_npix"][shot] == chosen.size
        if chosen.size == 0:
            assert np.isnan(found["region_sum"][shot])
            continue
        assert found["region_sum"][shot] == pytest.approx(chosen.sum(), rel=1e-9, abs=1e-9)
        assert found["region_max"][shot] == chosen.max()


def test_nothing_good_is_nan():
    frames = Frames(np.ones((2, 3, 3), np.float32), np.zeros((3, 3), bool))
    found = apply_functions({"r": {"kind": "region"}, "projection": {"axis": 0}}, frames)
    assert np.isnan([found["r_sum"], found["r_mean"], found["r_max"]]).all()
    assert np.isnan(found["r_com"]).all()
    assert np.isnan(found["projection_data"]).all()
    negative = Frames(-np.ones((1, 3, 3)), np.ones((3, 3), bool))
    assert np.isnan(apply_functions({"r": {"kind": "region"}}, negative)["r_com"]).all()


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("mean", [False, True])
def test_projections(axis, mean):
    frames = made()
    kind = {"kind": "projection", "axis": axis, "mean": mean}
    functions = {
        "plain": kind,
        "cut": kind | {"threshold": 1.5},
        "noise": kind | {"threshold_rms": [1.0, 4.0]},
        "single": kind | {"threshold": 3.0, "single_photon": True},
    }
    found = apply_functions(functions, frames)
    values = frames.values.astype(float)
    noise = frames.noise
    expected = {
        "plain": values,
        "cut": np.where(values < 1.5, 0, values),
        "noise": np.where((values < noise) | (values > 4 * noise), 0, values),
        "single": (values >= 3).astype(float),
    }
    for name, array in expected.items():
        masked = np.where(frames.good, array, np.nan)
        over = (1, 2) if axis < 0 else axis + 1
        sums = np.nanmean(masked, axis=over) if mean else np.nansum(masked, axis=over)
        assert np.allclose(found[f"{name}_data"], sums, rtol=1e-5, atol=1e-5)


def test_lineout():
    frames = made()
    found = apply_functions({"lineout": {"axis": 1, "index": 7}}, frames)["lineout_data"]
    assert np.array_equal(
        found, np.where(frames.good[:, 7], frames.values[:, :, 7], np.nan), equal_nan=True
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["bins", "step", "edges"]))
def test_spectra_have_numpys_bins(seed, way):
    rng = np.random.default_rng(seed)
    edges = np.unique(rng.integers(-30, 60, 7) / 10.0)
    options = {
        "bins": {"range": [-1.0, 4.5], "bins": int(rng.integers(1, 60))},
        "step": {"range": [-1.0, 4.5], "step": float(rng.choice([0.5, 0.3, 2]))},
        "edges": {"edges": edges if edges.size > 1 else [0, 1]},
    }[way]
    # Values on the edges are the ones that may go astray.
    values = rng.integers(-40, 70, (3, 9, 8)) / 10.0
    good = rng.uniform(size=(9, 8)) > 0.2
    found = apply_functions({"spectrum": options}, Frames(values, good))["spectrum_data"]
    for shot in range(3):
        expected = np.histogram(values[shot][good], spectrum_edges(options))[0]
        assert found[shot].tolist() == expected.tolist()


def test_edges_of_spectra():
    assert spectrum_edges({"range": [0, 1], "bins": 4}).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert spectrum_edges({"range": [0, 10]}).tolist() == [0, 10]
    assert spectrum_edges({"range": [0, 10], "step": 4.0}).tolist() == [0, 4, 8, 10]
    assert np.allclose(spectrum_edges({"range": [0, 0.3], "step": 0.1}), [0, 0.1, 0.2, 0.3])


def test_rebin_is_the_mean_of_good_pixels():
    frames = made()
    frames.good[:3, :5] = False
    found = apply_functions({"rebin": {"shape": [4, 4]}}, frames)["rebin_data"]
    masked = np.where(frames.good, frames.values.astype(float), np.nan)
    for row in range(4):
        for column in range(4):
            block = masked[:, 3 * row : 3 * row + 3, 5 * column : 5 * column + 5]
            if (row, column) == (0, 0):
                assert np.isnan(found[:, 0, 0]).all()
                continue
            assert np.allclose(found[:, row, column], np.nanmean(block, axis=(1, 2)))


def test_functions_feed_functions():
    frames = made()
    functions = {
        "roi0": {
            "kind": "region",
            "roi": ROI,
            "functions": {
                "thres": {
                    "kind": "threshold",
                    "threshold_rms": 2.0,
                    "functions": {"pj": {"kind": "projection", "axis": 0}},
                },
                "spec": {"kind": "spectrum", "range": [0, 10], "bins": 5},
            },
        }
    }
    found = apply_functions(functions, frames)
    crop = frames.values[:, *CUT].astype(float)
    kept = np.where(crop < 2 * frames.noise[CUT], 0, crop) * frames.good[CUT]
    assert np.allclose(found["roi0_thres_pj_data"], kept.sum(axis=1), rtol=1e-5)
    assert found["roi0_spec_data"][2].tolist() == (
        np.histogram(crop[2][frames.good[CUT]], 5, (0, 10))[0].tolist()
    )
    assert "roi0_sum" in found


def test_further_kinds():
    def brightest(frames, settings):
        return {"value": frames.values.max(axis=(1, 2))}, frames

    frames = made()
    functions = {"r": {"kind": "region", "roi": ROI, "functions": {"b": {"kind": "brightest"}}}}
    found = apply_functions(functions, frames, {"brightest": brightest})
    assert np.array_equal(found["r_b_value"], frames.values[:, *CUT].max(axis=(1, 2)))


@pytest.mark.parametrize(
    ("functions", "told"),
    [
        ({"r": {"kind": "regoin"}}, "did you mean 'region'"),
        ({"region": {"roi": [2, 9, 3, 15]}}, "first, last"),
        ({"region": {"roi": [[2, 9], [3, 25]]}}, "25 of 20"),
        ({"region": {"treshold": 3}}, "did you mean 'threshold'"),
        ({"region": {"threshold": [3, 1]}}, "low before high"),
        ({"projection": {"axis": 2}}, "axis 2"),
        ({"lineout": {"axis": 0, "index": 12}}, "index 12"),
        ({"spectrum": {"edges": [0, 2, 1]}}, "ascend"),
        ({"rebin": {"shape": [5, 5]}}, "divide"),
        ({"rebin": {}}, "shape is missing"),
        ({"spectrum": {"range": [0, 1], "step": -0.1}}, "step is -0.1"),
        ({"spectrum": {"range": [1, 0], "step": 0.1}}, "ascend"),
        ({"region": {"functions": {"p": {"kind": "projection", "axis": 7}}}}, "region, p"),
        ({"projection": {"functions": {"region": {}}}}, "single number per shot"),
    ],
)
def test_what_cannot_be_is_told(functions, told):
    with pytest.raises(UserError, match=told):
        apply_functions(functions, made())


def test_noise_that_is_not_known():
    with pytest.raises(UserError, match="noise"):
        apply_functions(
            {"threshold": {"threshold_rms": 3}}, Frames(np.ones((1, 2, 2)), np.ones((2, 2), bool))
        )
