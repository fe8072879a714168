"""Photon correlation through the real snakemake: formats, chunks, reruns, faults."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.detectors.qmap_files import read_qmap
from scatterflow.sources.event_writers import write_imm, write_rigaku
from scatterflow.sources.simulated_speckles import SpeckleRun, photon_frames

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
}
COUNTED = {"correlate_block", "correlate_twotime", "count_photons"}
MERGED = {"merge_correlation", "fit_correlation"}
TARGETS = [f"results/sparse/dynamics/{name}.nxs" for name in ("result", "analysis")]
SORTED = {"sort_chunk", "summarise_frames"}


def write_photons(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.concatenate([block for _, block in photon_frames(SPECKLES, 3)])
    write_imm(folder / "sparse.imm", frames)
    write_imm(folder / "dense.imm", frames, dense=True)
    write_rigaku(folder / "events.bin", frames)


def make_project(folder: Path, names: tuple[str, ...] = tuple(SOURCES)) -> Project:
    copy_workflow(folder)
    write_photons(folder / "raw")
    config = {
        "experiment": {"title": "Test", "facility": "Lab", "beamline": "B1", "creators": ["A. P."]},
        "runs": "config/runs.tsv",
        "raw": "raw",
        "sources": {
            name: {"format": form, "frames": {"area": "{raw}"}}
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
        "chunks": {"frames": 120, "pixel_blocks": 2},
        # Numbers do not depend on how the work is cut.
        "overrides": [
            {"runs": "dense", "set": {"chunks": {"frames": 97, "pixel_blocks": 1, "threads": 2}}},
        ],
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
    """A complete run of sparse frames that keeps its sorted chunks, and the result of dense ones."""
    project = make_project(tmp_path_factory.mktemp("xpcs") / "project")
    rows = project.rows
    project.rows = rows[:1]
    project.write()
    project.run("--notemp", *TARGETS)
    project.rows = rows
    project.write()
    project.run(*results_of(["dense"]))
    return project


@pytest.fixture
def done(finished, tmp_path):
    """A copy of the finished project with the run `sparse` alone, times and Snakemake's memory included."""
    project = copy_of(finished, tmp_path / "project")
    project.rows = project.rows[:1]
    project.write()
    return project


@pytest.fixture
def fresh(finished, tmp_path):
    """A copy of the finished project with the run `sparse` alone, of which mask and q-map are there."""
    project = copy_of(finished, tmp_path / "project", "work", "results")
    project.rows = project.rows[:1]
    project.write()
    return project


def copy_of(project: Project, folder: Path, *left_out: str) -> Project:
    """A copy to work on; left_out: folders at its top."""

    def ignored(place: str, names: list[str]) -> list[str]:
        return [name for name in names if name in left_out and Path(place) == project.folder]

    shutil.copytree(project.folder, folder, symlinks=True, ignore=ignored)
    copied = copy.deepcopy(project)
    copied.folder = folder
    return copied


def results_of(runs: list[str]) -> list[str]:
    return [f"results/{run}/dynamics/result.nxs" for run in runs]


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


def test_sparse_and_dense_frames_in_other_chunks_give_the_same_numbers_bit_for_bit(finished):
    results = finished.results()
    first = of_run(results, "sparse")
    assert len(first) == 1
    same_numbers(first, of_run(results, "dense"))


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


def test_nothing_after_a_complete_run(done):
    assert done.plan(*TARGETS).jobs == []


def changed(project: Project, **settings) -> set[str]:
    """Rules that run again after another setting of the reduction."""
    before = copy.deepcopy(project.config)
    project.config["reductions"]["dynamics"].update(settings)
    project.write()
    planned = project.plan(*TARGETS).rules()
    project.config = before
    return planned


def test_only_what_depends_on_a_setting_is_done_again(done):
    settings = done.config["reductions"]["dynamics"]
    fits = {"simple": {"model": "single", "baseline": "free"}}
    assert changed(done, fits=fits) == {"fit_correlation"}
    errors = settings["multitau"] | {"normalisation": "bias_corrected", "errors": "time_blocks"}
    assert changed(done, multitau=errors, frame_time_s=2e-3) == MERGED
    twotime = settings["twotime"] | {"smoothing": "dynamic"}
    lags = settings["multitau"] | {"delays_per_level": 8}
    correlated = {"correlate_twotime", "correlate_block"}
    assert changed(done, twotime=twotime, multitau=lags) == correlated | MERGED
    assert changed(done, frames={"bad": "5"}) == {"summarise_frames"} | COUNTED | MERGED


def test_without_sorted_chunks_all_that_is_made_of_them_is_done_again(finished, tmp_path):
    assert list(finished.path("work/sparse/dynamics/sorted").glob("*.h5"))
    assert not list(finished.folder.glob("work/dense/dynamics/sorted/*.h5"))
    project = copy_of(finished, tmp_path / "project")
    project.config["reductions"]["dynamics"]["twotime"]["smoothing"] = "dynamic"
    project.write()
    planned = project.plan(*results_of(["dense"])).rules()
    assert planned == SORTED | COUNTED | {"merge_correlation"}


def test_other_photons_and_other_code(done):
    path = done.path("raw/sparse.imm")
    before = path.read_bytes()
    path.write_bytes(before.replace(before[1024:1028], before[1028:1032], 1))
    assert done.plan(*TARGETS).rules() == SORTED | COUNTED | MERGED
    path.write_bytes(before)
    for module in ("kernels/twotime_sums.py", "plots/stability.py", "sources/rigaku.py"):
        with open(done.path(f"scripts/scatterflow/{module}"), "a") as stream:
            stream.write("\nCHANGED = True\n")
    assert done.plan(*TARGETS).rules() == {"correlate_twotime"} | MERGED


def test_another_q_map_is_another_reduction_of_the_same_raw(done):
    reductions = done.config["reductions"]
    reductions["sectors"] = copy.deepcopy(reductions["dynamics"])
    reductions["sectors"]["qmap"]["coordinates"].append({"name": "phi", "dynamic": {"bins": 4}})
    reductions["sectors"]["twotime"] = reductions["sectors"]["speckle_statistics"] = None
    done.rows[0]["reduction"] = "dynamics,sectors"
    done.write()
    jobs = done.plan(*TARGETS, "results/sparse/sectors/result.nxs").jobs
    planned = {job.rule for job in jobs}
    correlated = {"correlate_block", "merge_correlation", "prepare_qmap"}
    assert planned == SORTED | correlated
    assert not any("/dynamics/" in output for job in jobs for output in job.outputs)


def test_a_given_q_map_is_used(done):
    (made,) = done.folder.glob("resources/qmaps/*.h5")
    shutil.copy(made, done.path("given.hdf"))
    done.config["reductions"]["dynamics"]["qmap"] = {"file": "given.hdf"}
    done.write()
    prepared = [job for job in done.plan(*TARGETS).jobs if job.rule == "prepare_qmap"]
    (path,) = prepared[0].outputs
    done.run(path)
    given, same = read_qmap(path := done.path(path)), read_qmap(made)
    assert path != made
    assert np.array_equal(given.dynamic, same.dynamic)
    assert np.array_equal(given.static, same.static)
    assert np.array_equal(given.dynamic_values, same.dynamic_values)


def test_bad_and_missing_frames_are_left_out_and_counted(fresh):
    reduction = fresh.config["reductions"]["dynamics"]
    reduction["frames"] = {"begin": 10, "bad": "17,100-119"}
    reduction["twotime"] = reduction["speckle_statistics"] = None
    fresh.config["sources"]["sparse"]["missing"] = "nan"
    fresh.config["chunks"] = {"frames": 120, "pixel_blocks": 1}
    fresh.write()
    path = fresh.path("raw/sparse.imm")
    path.write_bytes(path.read_bytes()[:-5])  # frame 239
    fresh.run(*results_of(["sparse"]))
    with h5py.File(fresh.path("results/sparse/dynamics/result.nxs")) as file:
        pairs = file["entry/correlation/g2/pairs"][()]
    valid = np.ones(230, bool)
    valid[[7, 229]], valid[90:110] = False, False
    assert pairs[0] == np.count_nonzero(valid[1:] & valid[:-1])


def test_no_frame_time(fresh):
    del fresh.config["reductions"]["dynamics"]["frame_time_s"]
    fresh.write()
    refused(fresh, "reductions.dynamics.frame_time_s")
    with h5py.File(fresh.path("raw/told.hdf"), "w") as file:
        file["entry/instrument/detector_1/count_time"] = 1e-3
    fresh.config["sources"]["sparse"]["metadata"] = "told.hdf"
    fresh.write()
    text = refused(fresh, "the time from frame to frame is not known", "raw/told.hdf")
    assert "sort_chunk" not in text


def test_a_truncated_file_is_refused_by_the_plan(fresh):
    path = fresh.path("raw/sparse.imm")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    refused(fresh, "raw/sparse.imm", "frame 239", "its pixels are cut off")
    path.write_bytes(whole + whole[:500])
    refused(fresh, "raw/sparse.imm", "frame 240", "500 of 1024 bytes are there")


def test_events_that_cannot_be_are_one_message_each(fresh):
    raw = fresh.path("raw")
    imm = (raw / "sparse.imm").read_bytes()
    beyond = imm[:1024] + np.int32(SPECKLES.shape[0] * SPECKLES.shape[1]).tobytes() + imm[1028:]
    mixed = np.roll(np.fromfile(raw / "events.bin", "<u8"), 1).tobytes()
    damaged = {
        "beyond": ("sparse", beyond, "pixel index 2688, the detector has 2688"),
        "mixed": ("events", mixed, "the frame numbers do not ascend"),
    }
    usual = fresh.rows[0]
    fresh.rows = []
    for name, (source, content, _) in damaged.items():
        (raw / f"{name}.raw").write_bytes(content)
        fresh.rows.append(usual | {"run": name, "source": source, "raw": f"{name}.raw"})
    fresh.config["chunks"] = {"frames": 240}
    fresh.write()
    found = fresh.snakemake("--keep-going", *results_of(list(damaged)))
    assert found.code != 0
    assert "Traceback" not in found.text
    assert not list(fresh.folder.glob("results/*/*/result.nxs"))
    for name, (_, _, words) in damaged.items():
        (log,) = fresh.path(f"logs/sort_chunk/{name}/dynamics").glob("*.log")
        message = log.read_text().split("error: ")[1]
        assert words in message, message
        assert f"{name}.raw" in message
        assert "\nmend:  " in message


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
