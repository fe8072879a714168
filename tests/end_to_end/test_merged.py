"""Two detectors joined into one profile, cake and radial profile per frame, with outliers left out."""

from __future__ import annotations

import warnings

import h5py
import numpy as np
import pyFAI
import pytest
from pyFAI.multi_geometry import MultiGeometry

from .conftest import PONI, SHAPES, Project, numbers

FRAMES = 5
HOT = (12, 40)
RESULT = "results/both/m/result.nxs"
BOTH = ("saxs", "waxs")


def write_run(project: Project) -> dict[str, np.ndarray]:
    """Both detectors in one file; saxs has a hot pixel, waxs lacks its last frame."""
    rng = np.random.default_rng(21)
    frames = {name: rng.poisson(40, (FRAMES, *SHAPES[name])).astype(np.uint16) for name in BOTH}
    frames["saxs"][(slice(None), *HOT)] = 5000
    with h5py.File(project.path("raw/both.h5"), "w") as file:
        for name, data in frames.items():
            there = FRAMES if name == "saxs" else FRAMES - 1
            stored = file.create_dataset(
                f"entry/{name}/data", shape=data.shape, dtype=data.dtype, chunks=(1, *SHAPES[name])
            )
            stored[:there] = data[:there]
    return frames


def configure(project: Project) -> None:
    rows, columns = SHAPES["waxs"]
    project.path("waxs.poni").write_text(PONI.format(rows=rows, columns=columns, distance=0.13))
    project.config["sources"]["both"] = {
        "format": "hdf5",
        "frames": {name: f"entry/{name}/data" for name in BOTH},
        "missing": "nan",
    }
    common = {"merge": True, "radial_range": [1.0, 6.0]}
    project.config["reductions"] = {
        "m": {
            "technique": "saxswaxs",
            "integrations": {
                "azimuthal": {
                    **common,
                    "kind": "azimuthal",
                    "bins": 30,
                    "intensity": "per_steradian",
                },
                "cake": {
                    **common,
                    "kind": "cake",
                    "radial_bins": 12,
                    "azimuthal_bins": 8,
                    "split": "no",
                    "robust": {"method": "sigma_clip", "threshold": 6},
                },
                "radial": {
                    **common,
                    "kind": "radial",
                    "bins": 10,
                    "radial_bins": 10,
                    "azimuth_range": [-100, 60],
                    "azimuth_direction": "reversed",
                },
                "alone": {
                    "kind": "azimuthal",
                    "bins": 30,
                    "radial_range": [1.0, 6.0],
                    "detectors": ["saxs"],
                    "intensity": "per_steradian",
                },
            },
            "figures": {
                "area": {"type": "integral", "integration": "azimuthal", "range": [2.0, 4.0]},
                "part": {"type": "expression", "expression": "area / mean(area)"},
            },
            "map": {
                "shape": [FRAMES],
                "quantities": ["area", "merged_azimuthal_total_signal"],
                "profiles": ["azimuthal", "cake"],
            },
            "exports": {"curves": ["nxcansas", "text"], "scalars": "csv"},
        }
    }
    project.rows = [
        {"run": "both", "reduction": "m", "source": "both", "raw": "both.h5", "frames": str(FRAMES)}
    ]
    project.write()


@pytest.fixture(scope="module")
def merged(tmp_path_factory) -> tuple[Project, dict[str, np.ndarray]]:
    from .conftest import make_project

    project = make_project(tmp_path_factory.mktemp("merged") / "project")
    frames = write_run(project)
    configure(project)
    project.run()
    return project, frames


def together(project: Project, **options) -> MultiGeometry:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        geometries = [pyFAI.load(str(project.path(f"{name}.poni"))) for name in BOTH]
        return MultiGeometry(
            geometries,
            unit="q_nm^-1",
            radial_range=(1.0, 6.0),
            empty=np.nan,
            threadpoolsize=0,
            **options,
        )


def masks(project: Project) -> list[np.ndarray]:
    return [
        np.load(project.path("saxs_mask.npy")).astype(np.int8),
        np.zeros(SHAPES["waxs"], np.int8),
    ]


def test_the_profile_is_that_of_multi_geometry(merged):
    project, frames = merged
    found = numbers(project.path(RESULT))
    for i in (0, FRAMES - 2):
        wanted = together(project, azimuth_range=(-180, 180)).integrate1d(
            [frames[name][i] for name in BOTH],
            30,
            error_model="poisson",
            lst_mask=masks(project),
            method=("bbox", "csr", "cython"),
        )
        data = "entry/merged_azimuthal/data"
        np.testing.assert_allclose(found[f"{data}/I"][i], wanted.intensity, rtol=1e-6)
        np.testing.assert_allclose(found[f"{data}/I_errors"][i], wanted.sigma, rtol=1e-6)
        np.testing.assert_allclose(found[f"{data}/radial_axis"], wanted.radial, rtol=1e-6)


def test_a_frame_that_one_detector_lacks_is_what_the_other_saw(merged):
    project, _ = merged
    found = numbers(project.path(RESULT))
    np.testing.assert_array_equal(
        found["entry/merged_azimuthal/data/I"][-1], found["entry/saxs_alone/data/I"][-1]
    )
    there = found["entry/merged_azimuthal/data/detectors_there"]
    assert there.tolist() == [[True, True]] * (FRAMES - 1) + [[True, False]]
    with h5py.File(project.path(RESULT)) as file:
        dataset = file["entry/merged_azimuthal/data/detectors_there"]
        assert list(dataset.attrs["detectors"]) == list(BOTH)
        assert list(file["entry/merged_azimuthal"].attrs["detectors"]) == list(BOTH)


def test_a_hot_pixel_is_rejected_in_every_frame(merged):
    project, frames = merged
    found = numbers(project.path(RESULT))
    image = found["entry/merged_cake/rejected_saxs/frames"]
    assert image[HOT] == FRAMES
    assert (
        image.sum() + found["entry/merged_cake/rejected_waxs/frames"].sum()
        == found["entry/merged_cake/data/rejected_pixels"].sum()
    )
    assert np.nanmax(found["entry/merged_cake/data/I"]) < 200
    good = masks(project)
    good[0][HOT] = 1
    wanted = together(project).integrate2d(
        [frames[name][0] for name in BOTH], 12, 8, lst_mask=good, method=("no", "csr", "cython")
    )
    kept = found["entry/merged_cake/data/rejected_pixels"][0] == 1
    assert kept, "only the hot pixel is an outlier of this frame"
    pixel = (172e-6 / 0.2) ** 2
    axis = found["entry/merged_cake/data/azimuthal_axis"]
    np.testing.assert_allclose(axis, wanted.azimuthal, rtol=1e-6)
    np.testing.assert_allclose(
        found["entry/merged_cake/data/I"][0], wanted.intensity * pixel, rtol=1e-6
    )


def test_the_radial_profile_in_the_other_direction(merged):
    project, frames = merged
    found = numbers(project.path(RESULT))
    # pyFAI's -60 to 100 degrees, read backwards.
    cake = together(project, azimuth_range=(-60, 100)).integrate2d(
        [frames[name][0] for name in BOTH],
        10,
        10,
        lst_mask=masks(project),
        method=("bbox", "csr", "cython"),
    )
    profile = cake.sum_signal.sum(axis=1) / cake.sum_normalization.sum(axis=1)
    pixel = (172e-6 / 0.2) ** 2
    data = "entry/merged_radial/data"
    np.testing.assert_allclose(found[f"{data}/I"][0], profile[::-1] * pixel, rtol=1e-6)
    axis = found[f"{data}/azimuthal_axis"]
    np.testing.assert_allclose(axis, -cake.azimuthal[::-1], rtol=1e-6)
    assert -100 < axis[0] < axis[-1] < 60


def test_scales_and_parameters_are_said(merged):
    project, _ = merged
    with h5py.File(project.path(RESULT)) as file:
        entry = file["entry"]
        intensity = entry["merged_azimuthal/data/I"]
        assert intensity.attrs["intensity_scale"] == "per_steradian"
        assert "counts per steradian" in intensity.attrs["intensity_label"]
        units = entry["merged_azimuthal/reduction/input/intensity_units"]
        assert units.asstr()[()] == "counts/sr"
        parameters = entry["merged_cake/reduction/input"]
        assert "sigma_clip" in parameters["robust"].asstr()[()]
        assert '"waxs"' in parameters["geometry"].asstr()[()]
        assert parameters["pixel_solid_angle_sr"][()] == pytest.approx((172e-6 / 0.2) ** 2)
    plots = {path.name for path in project.path("results/both/m/plots").glob("*.png")}
    assert {
        "merged_azimuthal_mean.png",
        "merged_cake_map.png",
        "merged_radial_profiles.png",
    } <= plots
    assert not any(
        name.startswith(("saxs_cake", "waxs_")) and "frames" not in name for name in plots
    )


def test_figures_maps_and_exports_are_of_the_merged_profile(merged):
    project, _ = merged
    found = numbers(project.path(RESULT))
    folder = project.path(RESULT).parent
    intensity = found["entry/merged_azimuthal/data/I"]
    edges = found["entry/merged_azimuthal/data/radial_axis_edges"]
    width = np.clip(np.minimum(edges[1:], 4.0) - np.maximum(edges[:-1], 2.0), 0, None)
    area = np.sum(np.where(width > 0, intensity, 0.0) * width, axis=1)
    figures = numbers(folder / "analysis.nxs")
    there = figures["entry/per_frame/area_success"]
    assert there[:-1].all()
    np.testing.assert_allclose(figures["entry/per_frame/area"][there], area[there], rtol=1e-9)
    part = figures["entry/per_frame/part"]
    np.testing.assert_allclose(part[there], area[there] / area[there].mean(), rtol=1e-9)
    mapped = numbers(folder / "map.nxs")
    np.testing.assert_array_equal(mapped["entry/merged_azimuthal/I"], intensity)
    np.testing.assert_array_equal(
        mapped["entry/merged_cake/I_errors"], found["entry/merged_cake/data/I_errors"]
    )
    np.testing.assert_array_equal(mapped["entry/area/data"], figures["entry/per_frame/area"])
    exported = {path.name for path in (folder / "export").iterdir()}
    names = ("merged_azimuthal.dat", "merged_azimuthal.h5", "merged_radial.dat")
    assert exported == {*names, "saxs_alone.dat", "saxs_alone.h5", "scalars.csv"}
    mean = found["entry/merged_azimuthal/mean/I"]
    text = np.loadtxt(folder / "export/merged_azimuthal.dat")
    np.testing.assert_array_equal(text[:, 1], mean[np.isfinite(mean)])


def test_nothing_is_outdated_and_results_do_not_depend_on_chunks(merged):
    project, _ = merged
    assert project.plan().jobs == []
    before = numbers(project.path(RESULT))
    project.config["chunks"]["frames"] = FRAMES
    project.write()
    project.run(RESULT)
    after = numbers(project.path(RESULT))
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert np.asarray(values).tobytes() == np.asarray(after[name]).tobytes(), name


def test_detectors_of_different_wavelengths_are_refused(merged):
    project, _ = merged
    path = project.path("waxs.poni")
    text = path.read_text()
    path.write_text(text.replace("Wavelength: 1e-10", "Wavelength: 1.01e-10"))
    found = project.snakemake(RESULT)
    path.write_text(text)
    assert found.code != 0
    assert "different wavelengths" in found.text
    assert "Traceback" not in found.text
