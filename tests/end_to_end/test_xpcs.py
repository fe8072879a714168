"""Photon correlation through the real snakemake: formats, chunks, reruns, faults."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.sources.event_writers import write_imm, write_rigaku
from scatterflow.sources.simulated_speckles import SpeckleRun, photon_frames
from scatterflow.sources.writers import write_eiger

from .conftest import Project, copy_workflow, same_numbers

pytestmark = pytest.mark.end_to_end

PIXEL, DISTANCE, WAVELENGTH = 75e-6, 5.0, 1e-10
FRAME_TIME = 1e-3
SPECKLES = SpeckleRun(
    shape=(48, 56),
    frames=240,
    photons=0.2,
    beam_row=23.5,
    beam_column=27.5,
    q_per_pixel=2 * np.pi / (WAVELENGTH * 1e10) * PIXEL / DISTANCE,
    beamstop_pixels=3.0,
    tau_frames=6.0,
    q_reference=1.5e-3,
    tau_exponent=1.0,
    speckle_block=2,
)
SOURCES = {
    "sparse": ("imm", "sparse.imm"),
    "dense": ("imm", "dense.imm"),
    "events": ("rigaku", "events.bin"),
    "frames": ("hdf5", "frames_master.h5"),
}
PLOTS = {"plot_qmap", "plot_scattering", "plot_stability", "plot_g2", "plot_partial_g2"}
PLOTS |= {"plot_twotime", "plot_speckle_statistics", "plot_g2_fits", "plot_diffusion"}
COUNTED = {"correlate_block", "correlate_twotime", "count_photons"}
MERGED = {"merge_correlation", "fit_correlation"} | PLOTS - {"plot_qmap"}
SORTED = {"sort_chunk", "summarise_frames"}


def write_photons(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.concatenate([block for _, block in photon_frames(SPECKLES, 3)])
    write_imm(folder / "sparse.imm", frames)
    write_imm(folder / "dense.imm", frames, dense=True)
    write_rigaku(folder / "events.bin", frames)
    write_eiger(folder / "frames_master.h5", frames.astype(np.uint32), 100)


def make_project(folder: Path, names: tuple[str, ...] = tuple(SOURCES)) -> Project:
    copy_workflow(folder)
    write_photons(folder / "raw")
    config = {
        "experiment": {"title": "Test", "facility": "Lab", "beamline": "B1", "creators": ["A. P."]},
        "runs": "config/runs.tsv",
        "raw": "raw",
        "sources": {
            name: {"format": form, "frames": {"area": "auto" if form == "hdf5" else "{raw}"}}
            for name, (form, _) in SOURCES.items()
        },
        "detectors": {
            "area": {
                "shape": list(SPECKLES.shape),
                "geometry": {
                    "distance_m": DISTANCE,
                    "poni1_m": (SPECKLES.beam_row + 0.5) * PIXEL,
                    "poni2_m": (SPECKLES.beam_column + 0.5) * PIXEL,
                    "wavelength_m": WAVELENGTH,
                    "pixel1_m": PIXEL,
                    "pixel2_m": PIXEL,
                },
                "masks": [{"type": "circle", "name": "beamstop", "centre": "beam", "radius": 4.0}],
            }
        },
        "reductions": {
            "dynamics": {
                "technique": "xpcs",
                "frame_time_s": FRAME_TIME,
                "qmap": {
                    "coordinates": [
                        {"name": "q", "dynamic": {"range": [5e-4, 2.2e-3], "bins": 3}, "static": 4}
                    ]
                },
                "multitau": {"partial": 4},
                "twotime": {"bins": [1, 3], "partial": 2, "ages": 2},
                "speckle_statistics": {"exposures": [1, 2, 4], "segments": 4},
                "fits": {"simple": {"model": "single", "baseline": "fixed"}},
                "diffusion": {"fit": "simple"},
            }
        },
        "chunks": {"frames": 100, "pixel_blocks": 3},
    }
    rows = [
        {
            "run": name,
            "reduction": "dynamics",
            "source": name,
            "raw": SOURCES[name][1],
            "frames": str(SPECKLES.frames),
            "sample": "spheres",
        }
        for name in names
    ]
    project = Project(folder, config, rows)
    project.write()
    return project


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A complete run of one format, and the results of the others; tests work on copies."""
    project = make_project(tmp_path_factory.mktemp("xpcs") / "project")
    rows = project.rows
    project.rows = rows[:1]
    project.write()
    project.run()
    project.rows = rows
    project.write()
    project.run(*(f"results/{name}/dynamics/result.nxs" for name in list(SOURCES)[1:]))
    return project


@pytest.fixture
def done(finished, tmp_path):
    """A copy of the finished project with the run `sparse` alone, times and Snakemake's memory included."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    project = copy.deepcopy(finished)
    project.folder = folder
    project.rows = project.rows[:1]
    project.write()
    return project


@pytest.fixture
def fresh(tmp_path):
    """A project of the run `sparse` in which nothing has run."""
    return make_project(tmp_path / "project", ("sparse",))


def of_run(results: dict, run: str) -> dict:
    return {path.replace(run, "RUN"): values for path, values in results.items() if run in path}


def refused(project: Project, *words: str) -> str:
    found = project.snakemake()
    assert found.code != 0
    for word in words:
        assert word in found.text, found.text
    assert "Traceback" not in found.text, found.text
    assert not list(project.folder.glob("results/*/*/result.nxs"))
    return found.text


def test_all_formats_give_the_same_numbers_bit_for_bit(finished):
    results = finished.results()
    first = of_run(results, "sparse")
    assert len(first) == 1
    for other in ("dense", "events", "frames"):
        same_numbers(first, of_run(results, other))


def test_the_known_dynamics_are_found(finished):
    with h5py.File(finished.path("results/sparse/dynamics/result.nxs")) as file:
        delay = file["xpcs/multitau/delay_list"][()]
        g2 = file["xpcs/multitau/normalized_g2"][()]
        error = file["xpcs/multitau/normalized_g2_err"][()]
        q = file["xpcs/qmap/dynamic_v_list_dim0"][()]
    tau = SPECKLES.tau_frames * SPECKLES.q_reference / q
    expected = 1 + SPECKLES.contrast * np.exp(-2 * delay[:, None] / tau)
    short = delay < 20
    pull = (g2 - expected)[short] / error[short]
    # Delays are correlated: no more than a few independent deviations in each bin.
    assert np.abs(pull).max() < 4
    assert np.sqrt(np.mean(pull**2)) < 1.8
    assert np.allclose(g2[0], 1 + np.exp(-2 / tau), rtol=0.06)


def test_delays_are_counted_in_seconds(finished):
    with h5py.File(finished.path("results/sparse/dynamics/analysis.nxs")) as file:
        values = file["entry/fit_simple/parameters/tau"]
        assert values.attrs["units"] == "s"
        tau, error = values[()], file["entry/fit_simple/parameters/tau_errors"][()]
    q = np.linspace(5e-4, 2.2e-3, 7)[1::2]
    expected = SPECKLES.tau_frames * SPECKLES.q_reference / q * FRAME_TIME
    # Of a few hundred speckles; q varies within a bin.
    assert np.all(np.abs(tau - expected) < 3 * error + 0.1 * expected)


def test_the_aps_file_is_the_result(finished):
    result = finished.path("results/sparse/dynamics/result.nxs")
    linked = finished.path("results/sparse/dynamics/sparse_results.hdf")
    assert linked.read_bytes() == result.read_bytes()


def test_other_chunks_blocks_and_threads_give_the_same_numbers(finished, fresh):
    fresh.config["chunks"] = {"frames": 37, "pixel_blocks": 1, "threads": 2}
    fresh.write()
    fresh.run()
    same_numbers(of_run(finished.results(), "sparse"), of_run(fresh.results(), "sparse"))


def test_nothing_after_a_complete_run(done):
    assert done.plan().jobs == []
    assert done.plan("--rerun-triggers", "mtime").jobs == []


def test_another_fit_correlates_nothing_anew(done):
    done.config["reductions"]["dynamics"]["fits"]["simple"]["baseline"] = "free"
    done.write()
    planned = done.plan().rules()
    assert planned <= {"fit_correlation", "plot_g2_fits", "plot_diffusion"}
    assert "fit_correlation" in planned


def test_two_time_settings_leave_multi_tau_alone(done):
    done.config["reductions"]["dynamics"]["twotime"]["smoothing"] = "dynamic"
    done.write()
    planned = done.plan().rules()
    assert "correlate_twotime" in planned
    assert "correlate_block" not in planned
    assert "count_photons" not in planned


def test_another_q_map_is_another_reduction_of_the_same_raw(done):
    reductions = done.config["reductions"]
    reductions["sectors"] = copy.deepcopy(reductions["dynamics"])
    reductions["sectors"]["qmap"]["coordinates"].append({"name": "phi", "dynamic": {"bins": 4}})
    reductions["sectors"]["twotime"] = None
    done.rows[0]["reduction"] = "dynamics,sectors"
    done.write()
    jobs = done.plan().jobs
    assert {job.rule for job in jobs if job.run} <= SORTED | COUNTED | MERGED | {"plot_qmap"}
    assert not any("/dynamics/" in output for job in jobs for output in job.outputs)
    done.run()
    with h5py.File(done.path("results/sparse/sectors/result.nxs")) as file:
        assert file["xpcs/multitau/normalized_g2"].shape[1] == 12


def test_a_given_q_map_is_used(done):
    (made,) = done.folder.glob("resources/qmaps/*.h5")
    shutil.copy(made, done.path("given.hdf"))
    done.config["reductions"]["dynamics"]["qmap"] = {"file": "given.hdf"}
    done.write()
    before = of_run(done.results(), "sparse")
    done.run()
    after = of_run(done.results(), "sparse")
    for name in ("xpcs/multitau/normalized_g2", "xpcs/multitau/normalized_g2_err"):
        for path, values in before.items():
            assert np.array_equal(values[name], after[path][name], equal_nan=True)


def test_bad_frames_are_left_out_and_counted(fresh):
    fresh.config["reductions"]["dynamics"]["frames"] = {"begin": 10, "bad": "17,100-119"}
    fresh.config["reductions"]["dynamics"]["twotime"] = None
    fresh.write()
    fresh.run()
    with h5py.File(fresh.path("results/sparse/dynamics/result.nxs")) as file:
        pairs = file["entry/correlation/g2/pairs"][()]
    valid = np.ones(230, bool)
    valid[7], valid[90:110] = False, False
    assert pairs[0] == np.count_nonzero(valid[1:] & valid[:-1])


def test_no_frame_time(fresh):
    del fresh.config["reductions"]["dynamics"]["frame_time_s"]
    fresh.write()
    refused(fresh, "reductions.dynamics.frame_time_s")


def test_begin_above_end(fresh):
    fresh.config["reductions"]["dynamics"]["frames"] = {"begin": 100, "end": 60}
    fresh.write()
    refused(fresh, "begin (100) must be below end (60)")


def test_truncated_payload(fresh):
    path = fresh.path("raw/sparse.imm")
    path.write_bytes(path.read_bytes()[:-5])
    refused(fresh, "sparse.imm", "frame 239")


def test_event_beyond_the_detector(fresh):
    path = fresh.path("raw/sparse.imm")
    raw = bytearray(path.read_bytes())
    raw[1024:1028] = np.int32(48 * 56).tobytes()
    path.write_bytes(raw)
    refused(fresh, "sparse.imm", "2688")


def test_static_bin_in_two_dynamic_ones(fresh):
    dynamic = np.zeros(SPECKLES.shape, np.uint32)
    dynamic[5:20, 5:50], dynamic[25:40, 5:50] = 1, 2
    static = (dynamic > 0).astype(np.uint32)
    static[5:10, 5:50] = 2
    with h5py.File(fresh.path("given.hdf"), "w") as file:
        group = file.create_group("qmap")
        group["dynamic_roi_map"], group["static_roi_map"] = dynamic, static
        group["mask"] = dynamic > 0
        for part, bins in (("dynamic", 2), ("static", 2)):
            group[f"{part}_num_pts"] = [bins, 1]
            group[f"{part}_v_list_dim0"] = np.arange(bins, dtype=float)
            group[f"{part}_v_list_dim1"] = [0.0]
            group[f"{part}_index_mapping"] = np.arange(bins)
        group["map_names"], group["map_units"] = ["q", "phi"], ["1/A", "deg"]
    fresh.config["reductions"]["dynamics"]["qmap"] = {"file": "given.hdf"}
    fresh.write()
    refused(fresh, "given.hdf", "static bin 1")
