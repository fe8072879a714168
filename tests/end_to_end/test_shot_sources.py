"""Shots of other origin through the real snakemake: EXtra-data's example, a measured CsPad of LCLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import ndimage

from scatterflow.shots.small_data import SmallData, open_small_data

from .conftest import Project, copy_workflow

pytestmark = pytest.mark.end_to_end


def reduced(
    folder: Path, source: dict[str, Any], shape: dict[str, Any], frames: int, **reduction: Any
) -> SmallData:
    """Small data of a run `one` with the detector `area`, whose raw files are below `raw`."""
    copy_workflow(folder)
    config = {
        "experiment": {"title": "Test", "facility": "F", "beamline": "B", "creators": ["A. P."]},
        "raw": "raw",
        "sources": {"raw": source},
        "detectors": {"area": shape},
        "reductions": {"x": {"technique": "shots", **reduction}},
        "chunks": {"frames": frames},
    }
    row = {"run": "one", "reduction": "x", "source": "raw", "raw": "one", "frames": str(frames)}
    project = Project(folder, config, [row])
    project.write()
    project.run("results/one/x/result.nxs")
    return open_small_data(project.path("results/one/x/one.h5"))


def test_example_run_of_extra_data(tmp_path):
    """Two modules of an LPD; the second one lacks train 10002, and numbers pulse 8 of the trains it has."""
    make_examples = pytest.importorskip("extra_data.tests.make_examples")
    raw = tmp_path / "project/raw/one"
    raw.mkdir(parents=True)
    make_examples.make_lpd_run_mini_missed_train(raw)
    small = reduced(
        tmp_path / "project",
        {"format": "euxfel", "detectors": {"area": "FXE_DET_LPD1M-1"}},
        {"shape": [512, 256], "tiles": 2},
        50,
        defaults={"facility": "euxfel"},
        detectors={
            "area": {
                "functions": {
                    "whole": {"kind": "region"},
                    "corner": {"kind": "region", "roi": [[1, 2], [0, 1], [0, 2]], "area": True},
                },
                "sums": ["calib", "calib_max"],
            }
        },
    )
    trains, pulses = small.tags // 10_000, small.tags % 10_000
    np.testing.assert_array_equal(trains, np.repeat(10_000 + np.arange(5), 10))
    np.testing.assert_array_equal(small.read("trainId"), trains)
    np.testing.assert_array_equal(small.read("pulseId"), pulses)
    there = trains != 10_002
    np.testing.assert_array_equal(small.read("damage/area") == 1, there)
    expected = np.zeros(50)
    expected[8::10] = [1, 2, 0, 3, 4]
    for name in ("area/whole_sum", "area/whole_max", "area/corner_sum"):
        np.testing.assert_array_equal(small.read(name), np.where(there, expected, np.nan))
    np.testing.assert_array_equal(small.read("area/whole_npix")[there], 2 * 256 * 256)
    area = small.read("area/corner_area")[there].reshape(40, 2)
    np.testing.assert_array_equal(area[:, 0], expected[there])
    np.testing.assert_array_equal(area[:, 1], 0)
    total, largest = (small.fixed(f"Sums/area_{name}") for name in ("calib", "calib_max"))
    assert np.argwhere(total).tolist() == [[1, 0, 0]]
    assert (total[1, 0, 0], largest[1, 0, 0]) == (10, 4)


CHIP, LEVEL, PHOTON = 194, 8.0, 24.0
BRIGHT, BESIDE = 12.0, 8.0
LIFTED = ((0.0, 0.0), (3.0, 0.0), (0.0, -2.0), (5.0, 4.0))


def without_common_mode(frame: np.ndarray) -> np.ndarray:
    """Each chip less the median of its pixels without photons."""
    chips = [frame[:, :CHIP].copy(), frame[:, CHIP:].copy()]
    for chip in chips:
        chip -= np.median(chip[np.abs(chip) <= LEVEL])
    return np.concatenate(chips, axis=1)


def droplets(frame: np.ndarray) -> list[tuple[float, int, float, float]]:
    """(sum, pixels, row, column) of each droplet, by the two thresholds of smalldata_tools."""
    bright = ndimage.binary_dilation(frame >= BRIGHT)
    labels, number = ndimage.label(np.where(bright & (frame >= BESIDE), frame, 0))
    indices = np.arange(1, number + 1)
    charge = ndimage.sum_labels(frame, labels, indices)
    pixels = ndimage.sum_labels(labels > 0, labels, indices).astype(int)
    places = ndimage.center_of_mass(frame, labels, indices)
    found = [(q, n, *at) for q, n, at in zip(charge, pixels, places, strict=True)]
    return sorted(one for one in found if one[0] >= PHOTON / 2)


def test_measured_cspad(real_data, tmp_path):
    """One sensor of two chips, rolled and lifted to make shots of it; one shot without image."""
    measured = np.load(real_data("lcls-cspad-asic") / "cxitut13_r10_32_cspadAsic.npy")
    frames = np.stack([np.roll(measured, 11 * shot, axis=0) for shot in range(len(LIFTED))])
    for frame, lifts in zip(frames, LIFTED, strict=True):
        frame[:, :CHIP] += np.float32(lifts[0])
        frame[:, CHIP:] += np.float32(lifts[1])
    tags, i0 = np.array([11, 12, 13, 14, 15]), np.array([1.0, 2.0, 0.5, 4.0, 3.0])
    seen = tags != 13
    raw = tmp_path / "project/raw"
    raw.mkdir(parents=True)
    with h5py.File(raw / "one", "w") as file:
        file["tags"], file["i0"] = tags, i0
        file["cspad/data"], file["cspad/tags"] = frames, tags[seen]
    small = reduced(
        tmp_path / "project",
        {
            "format": "shot_hdf5",
            "tags": "tags",
            "detectors": {"area": {"data": "cspad/data", "tags": "cspad/tags"}},
            "scalars": {"i0": "i0"},
        },
        {"shape": list(measured.shape)},
        len(tags),
        defaults={"facility": "lcls", "columns": {"ipm2/sum": "i0"}},
        detectors={
            "area": {
                "calibration": {"common_mode": {"steps": [[0, CHIP]], "level_adu": LEVEL}},
                "functions": {
                    "whole": {"kind": "region"},
                    "droplets": {
                        "kind": "droplets",
                        "in_noise": False,
                        "threshold": BRIGHT,
                        "threshold_low": BESIDE,
                        "least_adu": PHOTON / 2,
                        "photons": {"adu_per_photon": PHOTON},
                    },
                },
                "sums": ["calib"],
            }
        },
    )
    np.testing.assert_array_equal(small.tags, tags)
    np.testing.assert_array_equal(small.read("ipm2/sum"), i0)
    np.testing.assert_array_equal(small.read("damage/area") == 1, seen)
    assert np.isnan(small.read("area/whole_sum")[~seen]).all()
    known = np.stack([without_common_mode(frame) for frame in frames])
    np.testing.assert_allclose(
        small.read("area/whole_sum")[seen], known.sum(axis=(1, 2), dtype=np.float64), rtol=1e-5
    )
    np.testing.assert_allclose(
        small.fixed("Sums/area_calib"), known.sum(axis=0), rtol=1e-5, atol=1e-3
    )
    lists = small.lists("area/droplets_droplets")
    ends = np.concatenate([[0], np.cumsum(lists.lengths)])
    photons = small.read("area/droplets_nPhotons")
    assert lists.lengths[~seen].tolist() == photons[~seen].tolist() == [0]
    for shot, frame in zip(np.flatnonzero(seen), known, strict=True):
        expected = np.array(droplets(frame))
        part = slice(ends[shot], ends[shot + 1])
        columns = [lists.values[key][part] for key in ("data", "npix", "row", "col")]
        found = np.array(sorted(zip(*columns, strict=True)))
        assert len(expected) > 500
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
        # A droplet of k - 1/2 to k + 1/2 photons holds k.
        assert photons[shot] == np.floor(expected[:, 0] / PHOTON + 0.5).sum()
