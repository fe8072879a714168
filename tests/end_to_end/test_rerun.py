"""Only what is outdated runs again: after a complete run, each change alone plans what it affects."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest

from .conftest import make_project, write_raw

PLOTS = {
    *("plot_frames", "plot_profiles", "plot_mean_profile", "plot_cake", "plot_monitors"),
    *("plot_corrections", "plot_transmission"),
}
RESULT = {"integrate_chunk", "assemble_result"} | PLOTS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A complete run; tests work on copies."""
    project = make_project(tmp_path_factory.mktemp("finished") / "project")
    project.run()
    return project


@pytest.fixture
def done(finished, tmp_path):
    """A copy of the finished project, times and Snakemake's memory included."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    project = copy.deepcopy(finished)
    project.folder = folder
    return project


def test_nothing_after_a_complete_run(done):
    assert done.plan().jobs == []
    assert done.plan("--rerun-triggers", "mtime").jobs == []


def edit(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_changed_poni(done):
    edit(done.path("saxs.poni"), "Distance: 0.2", "Distance: 0.201")
    plan = done.plan()
    assert plan.rules("one") == RESULT
    assert plan.rules("two") == set()
    assert plan.rules("") == {"build_mask", "prepare_integration"}
    assert len([job for job in plan.jobs if job.rule == "prepare_integration"]) == 3


def test_a_changed_mask_file(done):
    mask = np.load(done.path("saxs_mask.npy"))
    mask[0, 0] = 1
    np.save(done.path("saxs_mask.npy"), mask)
    plan = done.plan()
    assert plan.rules("one") == RESULT
    assert plan.rules("two") == set()


def test_a_changed_integration(done):
    done.config["reductions"]["x"]["integrations"]["azimuthal"]["bins"] = 41
    done.write()
    plan = done.plan()
    for run in ("one", "two"):
        assert plan.rules(run) == RESULT | {"setup_container"}
    assert plan.rules("") == {"prepare_integration"}
    assert len([job for job in plan.jobs if job.rule == "prepare_integration"]) == 2


def test_a_changed_integration_of_one_run(done):
    done.config["overrides"] = [
        {"runs": "two", "set": {"reductions.x.integrations.azimuthal.polarisation": 0.9}}
    ]
    done.write()
    plan = done.plan()
    assert plan.rules("one") == set()
    assert plan.rules("two") == RESULT


def test_a_changed_correction(done):
    done.config["reductions"]["x"]["corrections"]["flux"]["reference"] = 7.0
    done.write()
    plan = done.plan()
    assert plan.rules() == {"assemble_result"} | PLOTS


def test_a_changed_raw_file(done):
    frame = done.path("raw/one_003.tif")
    frame.write_bytes(done.path("raw/one_004.tif").read_bytes())
    plan = done.plan()
    chunks = [job.outputs for job in plan.jobs if job.rule == "integrate_chunk"]
    assert chunks == [["work/one/x/chunks/000002-000004.json"]]
    assert plan.rules("two") == set()
    assert plan.rules("one") == RESULT


def test_a_changed_table_of_monitors(done):
    edit(done.path("raw/one.csv"), "1010", "1011")
    plan = done.plan()
    assert plan.rules("one") == {"assemble_result"} | PLOTS
    assert plan.rules("two") == set()


def test_a_changed_kernel(done):
    edit(
        done.path("scripts/scatterflow/kernels/azimuthal.py"),
        '"poisson": 1.0}',
        '"poisson": 1.5}',
    )
    plan = done.plan()
    assert plan.rules("one") == RESULT
    assert plan.rules("two") == RESULT


def test_a_changed_reader_reruns_its_format_only(done):
    edit(
        done.path("scripts/scatterflow/sources/hdf5.py"),
        "import annotations",
        "import annotations\n\nX = 1",
    )
    plan = done.plan()
    assert plan.rules("one") == set()
    assert plan.rules("two") == RESULT


def test_a_changed_plot(done):
    edit(
        done.path("scripts/scatterflow/plots/cake.py"),
        "import annotations",
        "import annotations\n\nX = 1",
    )
    assert done.plan().rules() == {"plot_cake"}


def test_unrelated_changes_plan_nothing(done):
    """Other chunk minutes, comments in configuration and kernel, times of files: all at once."""
    done.config["chunks"]["minutes"] = 9
    done.write()
    path = done.path("config/config.yaml")
    path.write_text("# a comment\n" + path.read_text())
    path = done.path("scripts/scatterflow/kernels/azimuthal.py")
    path.write_text(path.read_text() + "\n# a comment\n")
    for name in (
        "saxs.poni",
        "saxs_mask.npy",
        "raw/one_001.tif",
        "raw/two.h5",
        "config/config.yaml",
    ):
        done.path(name).touch()
    assert done.plan().jobs == []
    done.rows[1]["sample"] = "vacuum"
    done.write()
    assert done.plan().rules("one") == set()


def test_a_new_run_plans_only_itself(done):
    write_raw(done.path("raw/more"))
    done.rows.append({**done.rows[0], "run": "three", "raw": "more/one"})
    done.write()
    plan = done.plan()
    assert plan.rules("three") == RESULT | {"setup_container"}
    assert {job.run for job in plan.jobs if job.rule != "all"} == {"three"}


def test_a_lost_container_is_made_again_with_all_its_chunks(done):
    shutil.rmtree(done.path("work/one/x/container.zarr"))
    done.path("results/one/x/result.nxs").unlink()
    plan = done.plan()
    assert plan.rules("one") == RESULT | {"setup_container"}
    assert len([job for job in plan.jobs if job.rule == "integrate_chunk"]) == 3
    assert plan.rules("two") == set()
