"""Real SAXS/WAXS calibrants and series from SSRL beamline 1-5, reduced by a configuration of their own.

Known answers are those of the data set's README.
"""

from __future__ import annotations

import warnings

import fabio
import h5py
import numpy as np
import pytest
from pyFAI.detectors import Detector
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

from scatterflow.files.json import read_json

from .conftest import Project, copy_workflow, numbers

FULL = {"kind": "azimuthal", "unit": "q_A^-1", "bins": 1000, "split": "full"}
INTEGRATIONS = {
    "azimuthal": FULL,
    "cake": {"kind": "cake", "unit": "q_A^-1", "radial_bins": 300, "azimuthal_bins": 180},
    "radial": {"kind": "radial", "unit": "q_A^-1", "radial_range": [0.02, 4.0], "bins": 180},
}
# One ring each of silver behenate and LaB6; the runs of the other detector leave it out.
RINGS = {
    name: {
        "integration": "azimuthal",
        "detector": detector,
        "range": limits,
        "components": [{"model": "pseudo_voigt", "name": "ring"}, {"model": "linear"}],
        # The rings are no pseudo-Voigts to within their counts: that of silver behenate has a shoulder.
        "model_error": 0.02,
    }
    for name, detector, limits in (
        ("silver", "saxs", [0.098, 0.117]),
        ("lanthanum", "waxs", [2.06, 2.22]),
    )
}
TARGETS = [
    "results/lab6/calibration/analysis.nxs",
    "results/agbh/calibration/analysis.nxs",
    "results/lab6/calibration/result.nxs",
    "results/lab6/calibration/waxs_azimuthal_rings.tsv",
    "results/agbh/calibration/result.nxs",
    "results/agbh/calibration/saxs_azimuthal_rings.tsv",
    "results/series/swaxs/result.nxs",
    "results/series/swaxs/plots/saxs_frames.png",
    "results/series/swaxs/plots/waxs_azimuthal_profiles.png",
]
I0 = [20.963, 21.29209, 21.04121, 21.06958, 20.72388, 20.51147]
SAXS_COUNTS = [1851246, 2206127, 1713822, 2445963, 1822889, 1732209]
WAXS_COUNTS_WHOLE_FRAME = [20179432, 17220555, 18626061, 17619508, 18267028, 19260486]


@pytest.fixture(scope="module")
def reduced(real_data, tmp_path_factory) -> Project:
    data = real_data("ssrl-bl15-swaxs")
    folder = tmp_path_factory.mktemp("ssrl") / "project"
    folder.mkdir()
    copy_workflow(folder)
    scalars = {
        name: {"type": "dataset", "name": f"entry/monitor/{name}"}
        for name in ("i0", "bstop", "sample_temperature")
    }
    config = {
        "experiment": {"title": "SSRL 1-5", "facility": "SSRL", "beamline": "BL1-5"},
        "raw": str(data),
        "sources": {
            "series": {
                "format": "hdf5",
                "frames": {"saxs": "entry/saxs/data", "waxs": "entry/waxs/data"},
                "scalars": scalars,
            },
            "saxs_image": {"format": "images", "frames": {"saxs": "{raw}"}},
            "waxs_image": {"format": "images", "frames": {"waxs": "{raw}"}},
        },
        "detectors": {
            name: {
                "shape": list(shape),
                "geometry": str(data / f"{name}.poni"),
                "masks": [
                    {"type": "file", "name": "upstream", "path": str(data / f"{name}_mask.edf.gz")}
                ],
            }
            for name, shape in (("saxs", (1043, 981)), ("waxs", (195, 487)))
        },
        "reductions": {
            "swaxs": {
                "technique": "saxswaxs",
                "integrations": INTEGRATIONS,
                "corrections": {"flux": {"monitor": "i0"}},
            },
            "calibration": {
                "technique": "saxswaxs",
                "integrations": {"azimuthal": FULL},
                "fits": RINGS,
            },
        },
        "chunks": {"frames": 4},
    }
    rows = [
        {
            "run": run,
            "reduction": reduction,
            "source": source,
            "raw": raw,
            "frames": frames,
            "sample": sample,
        }
        for run, reduction, source, raw, frames, sample in (
            ("series", "swaxs", "series", "swaxs_runs04-09.h5", "6", ""),
            ("lab6", "calibration", "waxs_image", "waxs_lab6.edf.gz", "1", "LaB6"),
            ("agbh", "calibration", "saxs_image", "saxs_agbh.edf.gz", "1", "AgBh"),
        )
    ]
    project = Project(folder, config, rows)
    project.write()
    project.run(*TARGETS)
    return project


def test_lab6_rings(reduced):
    check = read_json(reduced.path("results/lab6/calibration/waxs_azimuthal_rings.json"))
    offsets = [ring["relative_offset"] for ring in check["rings"] if ring["used"]]
    assert len(offsets) == 6
    assert np.sqrt(np.mean(np.square(offsets))) < 1e-4
    assert check["verdict"] == "pass"


def test_silver_behenate_ring(reduced):
    check = read_json(reduced.path("results/agbh/calibration/saxs_azimuthal_rings.json"))
    assert check["rings"][0]["used"]
    assert abs(check["rings"][0]["relative_offset"]) < 1e-4


@pytest.mark.parametrize(
    ("run", "fit", "position"),
    [("agbh", "silver", 2 * np.pi / 58.380), ("lab6", "lanthanum", 2.13763)],
)
def test_fitted_rings_lie_where_the_calibrants_are(reduced, run, fit, position):
    found = numbers(reduced.path(f"results/{run}/calibration/analysis.nxs"))
    assert found[f"entry/per_frame/{fit}_success"].all()
    centre = found[f"entry/per_frame/{fit}_ring_centre"][0]
    assert abs(centre / position - 1) < 2e-4  # the shoulder of silver behenate pulls it by 1e-4
    error = found[f"entry/per_frame/{fit}_ring_centre_errors"][0]
    assert 1e-6 < error / position < 2e-4
    other = {"silver": "lanthanum", "lanthanum": "silver"}[fit]
    assert not any(other in name for name in found)


def test_profile_sums_conserve_counts(reduced):
    found = numbers(reduced.path("results/series/swaxs/result.nxs"))
    # Shares of a split pixel are float32: their sum is 1 to 1e-7.
    np.testing.assert_allclose(
        found["entry/saxs_azimuthal/data/total_signal"], SAXS_COUNTS, rtol=1e-6
    )
    np.testing.assert_allclose(found["entry/saxs_cake/data/total_signal"], SAXS_COUNTS, rtol=1e-6)
    assert found["entry/instrument/waxs/frame_sum"].sum() == sum(WAXS_COUNTS_WHOLE_FRAME)
    good = found["entry/instrument/waxs/pixel_mask"] == 0
    inside = found["entry/instrument/waxs/frame_sum"][good].sum()
    np.testing.assert_allclose(
        found["entry/waxs_azimuthal/data/total_signal"].sum(), inside, rtol=1e-6
    )


def test_monitor_normalisation(reduced):
    found = numbers(reduced.path("results/series/swaxs/result.nxs"))
    np.testing.assert_allclose(found["entry/scalars/i0"], I0, rtol=1e-6)
    factor = found["entry/process_2_flux/flux_factor"]
    np.testing.assert_allclose(factor, np.mean(I0) / np.array(I0), rtol=1e-6)


def integrator(path) -> AzimuthalIntegrator:
    import pyFAI

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pyFAI.load(str(path))


@pytest.mark.parametrize("detector", ["saxs", "waxs"])
def test_equal_to_pyfai_called_directly(reduced, real_data, detector):
    data = real_data("ssrl-bl15-swaxs")
    found = numbers(reduced.path("results/series/swaxs/result.nxs"))
    factor = found["entry/process_2_flux/flux_factor"]
    with h5py.File(data / "swaxs_runs04-09.h5") as file:
        frames = file[f"entry/{detector}/data"][()]
    mask = fabio.open(str(data / f"{detector}_mask.edf.gz")).data != 0
    ai = integrator(data / f"{detector}.poni")
    assert isinstance(ai.detector, Detector)
    for i in (0, 5):
        # pyFAI has no range of valid values: what is negative is masked for it.
        options = {"mask": mask | (frames[i] < 0), "unit": "q_A^-1", "error_model": "poisson"}
        profile = ai.integrate1d(frames[i], 1000, method=("full", "csr", "cython"), **options)
        cake = ai.integrate2d(frames[i], 300, 180, method=("bbox", "csr", "cython"), **options)
        wanted = {
            "azimuthal": (profile.intensity, profile.sigma, profile.count),
            "cake": (cake.intensity, cake.sigma, cake.count),
        }
        ring = ai.integrate2d(
            frames[i],
            100,
            180,
            method=("bbox", "csr", "cython"),
            radial_range=(0.02, 4.0),
            **options,
        )
        norm = ring.sum_normalization.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            wanted["radial"] = (
                ring.sum_signal.sum(axis=1) / norm,
                None,
                ring.count.sum(axis=1),
            )
        for name, (intensity, sigma, count) in wanted.items():
            ours = found[f"entry/{detector}_{name}/data/I"][i] / factor[i]
            errors = found[f"entry/{detector}_{name}/data/I_errors"][i] / factor[i]
            there = count > 0
            assert np.isnan(ours[~there]).all()
            np.testing.assert_allclose(ours[there], intensity[there], rtol=1e-6, err_msg=name)
            if sigma is None:
                # pyFAI's steps are not independent: its errors are those of pixels in pieces.
                pieces = np.sqrt(ring.sum_variance.sum(axis=1))[there] / norm[there]
                assert (errors[there] > (1 - 1e-6) * pieces).all()
                assert (errors[there] < 2 * pieces).all()
            else:
                np.testing.assert_allclose(errors[there], sigma[there], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("frames", [1, 3, 6])
def test_any_chunking_gives_the_same_bits(reduced, frames):
    path = reduced.path("results/series/swaxs/result.nxs")
    first = numbers(path)
    reduced.config["chunks"]["frames"] = frames
    reduced.write()
    reduced.run("results/series/swaxs/result.nxs")
    second = numbers(path)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert np.asarray(value).tobytes() == np.asarray(second[name]).tobytes(), name
