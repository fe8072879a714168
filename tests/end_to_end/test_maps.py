"""Maps through the workflow: a mesh, a map over two runs, what runs again, what is refused."""

from __future__ import annotations

import copy
import shutil

import fabio
import h5py
import numpy as np
import pytest

from .conftest import SHAPES, Project, make_project

ROWS, COLUMNS = 4, 3
MAP_RULES = {"structure_map", "plot_map", "plot_map_quantity"}
TARGETS = (
    "results/low/x/plots/map.png",
    "results/low/x/plots/map/i0.png",
    "results/maps/both/plots/map.png",
)


def scanned() -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each frame: a snake, its last point never taken."""
    row, column = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
    column = np.where(row % 2 == 1, COLUMNS - 1 - column, column)
    return row[:-1], column[:-1]


def frame_of(row: int, column: int) -> np.ndarray:
    """Flat frames that tell where they were taken."""
    return np.full(SHAPES["saxs"], 100 + 10 * row + column, dtype=np.int32)


def mesh_project(folder) -> Project:
    """One mesh in two runs of two rows each, with a map of the first and one of both."""
    project = make_project(folder)
    row, column = scanned()
    jitter = np.random.default_rng(4).uniform(-0.02, 0.02, (2, row.size))
    z, x = 1.0 + 0.5 * row + jitter[0], -3.0 + column + jitter[1]
    for name, frames in (("low", np.flatnonzero(row < 2)), ("high", np.flatnonzero(row >= 2))):
        lines = ["i0,samx,samz"]
        for number, frame in enumerate(frames):
            image = fabio.tifimage.TifImage(frame_of(row[frame], column[frame]))
            image.write(str(folder / f"raw/{name}_{number:03d}.tif"))
            lines.append(f"1000,{x[frame]:.6f},{z[frame]:.6f}")
        (folder / f"raw/{name}.csv").write_text("\n".join(lines) + "\n")
    source = project.config["sources"]["tiffs"]
    source["scalars"]["samz"] = {"type": "column", "name": "samz", "unit": "mm"}
    axes = [{"scalar": "samz", "tolerance": 0.1}, {"scalar": "samx"}]
    mapped = {"axes": axes, "quantities": ["i0", "total_signal"], "profiles": ["azimuthal"]}
    reduction = project.config["reductions"]["x"]
    reduction["integrations"] = {"azimuthal": {"kind": "azimuthal", "bins": 30, "split": "no"}}
    reduction["integrations"]["azimuthal"]["solid_angle"] = False
    reduction["corrections"] = {}
    project.config["chunks"] = {"frames": 100}
    project.config["overrides"] = [
        {"runs": "low", "set": {"reductions.x.map": copy.deepcopy(mapped)}}
    ]
    project.config["maps"] = {
        "both": {**copy.deepcopy(mapped), "runs": "low,high", "reduction": "x"}
    }
    project.rows = [
        {**project.rows[0], "run": name, "raw": name, "frames": str(frames)}
        for name, frames in (("low", 6), ("high", 5))
    ]
    project.write()
    return project


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    project = mesh_project(tmp_path_factory.mktemp("mesh") / "project")
    project.run(*TARGETS)
    return project


@pytest.fixture
def done(finished, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    project = copy.deepcopy(finished)
    project.folder = folder
    return project


@pytest.mark.parametrize(("path", "rows"), [("low/x", 2), ("maps/both", 4)])
def test_every_frame_is_at_its_place(finished, path, rows):
    row, column = (index[scanned()[0] < rows] for index in scanned())
    with h5py.File(finished.path(f"results/{path}/map.nxs")) as file:
        entry = file["entry"]
        profiles = entry["saxs_azimuthal/I"][()]
        assert profiles.shape == (rows, COLUMNS, 30)
        filled = np.isfinite(profiles[0, 0])
        assert filled.sum() > 20
        # Flat frames have flat profiles, of the value that tells the place.
        expected = 100 + 10 * row + column
        assert np.allclose(profiles[row, column][:, filled], expected[:, None], rtol=1e-12)
        missing = rows * COLUMNS - row.size
        assert np.isnan(profiles).all(axis=-1).sum() == missing
        assert (entry["frames/frame_index"][()] == -1).sum() == missing
        total = entry["total_signal/data"][()]
        assert np.allclose(total[row, column] / total[0, 0], expected / 100, rtol=1e-12)
        assert np.allclose(entry["grid/samz"], 1 + 0.5 * np.arange(rows), atol=0.02)
        assert np.allclose(entry["grid/samx"], -3 + np.arange(3), atol=0.02)


def test_the_map_says_which_run_each_point_is_from(finished):
    with h5py.File(finished.path("results/maps/both/map.nxs")) as file:
        names = file["entry/frames/run"].asstr()[()]
    assert names.tolist() == [["low"] * 3, ["low"] * 3, ["high"] * 3, ["", "high", "high"]]


def test_figures_are_there(finished):
    for path in TARGETS:
        assert finished.path(path).stat().st_size > 5_000
        assert finished.path(path).with_suffix(".svg").exists()


def test_nothing_is_left_to_do(finished):
    assert finished.plan(*TARGETS).jobs == []


def test_a_changed_tolerance_maps_again_and_nothing_else(done):
    settings = done.config["overrides"][0]["set"]["reductions.x.map"]
    settings["axes"][0]["tolerance"] = 0.15
    done.write()
    plan = done.plan(*TARGETS)
    assert plan.rules() == MAP_RULES
    assert {job.run for job in plan.jobs} == {"low"}


def test_a_changed_joint_map_maps_again_and_nothing_else(done):
    done.config["maps"]["both"]["duplicates"] = "error"
    done.write()
    plan = done.plan(*TARGETS)
    assert plan.rules() == {"structure_map", "plot_map"}
    assert {job.run for job in plan.jobs} == {"maps"}


def test_a_result_of_one_run_maps_again(done):
    table = done.path("raw/high.csv")
    table.write_text(table.read_text().replace("1000,", "1001,", 1))
    plan = done.plan(*TARGETS)
    assert plan.rules() == {"assemble_result", "structure_map", "plot_map"}
    assert {job.run for job in plan.jobs} == {"high", "maps"}


def test_a_tolerance_that_merges_rows_stops_with_three_lines(done):
    done.config["overrides"][0]["set"]["reductions.x.map"]["axes"][0]["tolerance"] = 0.6
    done.write()
    found = done.snakemake("results/low/x/map.nxs")
    assert found.code != 0
    assert "error: the tolerance 0.6 is too large" in found.text
    assert "where: map low/x, axis samz" in found.text
    assert "Traceback" not in found.text
    assert not done.path("results/low/x/map.nxs").exists()


def test_an_axis_that_is_no_scalar_is_told_before_anything_runs(done):
    done.config["maps"]["both"]["axes"][1]["scalar"] = "samxx"
    done.write()
    found = done.snakemake("-n")
    assert found.code != 0
    assert "where: key maps.both, run low\nmend:  did you mean 'samx'?" in found.text
    assert "Traceback" not in found.text
