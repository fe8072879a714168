"""What the watcher sees in a raw folder: runs that arrive, are complete, incomplete, corrupt."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

from scatterflow.config.load import RunConfigurations, validate
from scatterflow.config.runs import read_run_table
from scatterflow.live.look import Look
from scatterflow.live.stillness import Stillness
from scatterflow.plan.discovery import configured_recipes, discover

from .appending import Detector
from .conftest import SHAPE


@pytest.fixture
def see(project, clock):
    """A look: {run or raw: what is seen}, and the new rows as {run: frames}."""
    look = Look(Stillness(clock))

    def once(requested=(), done=()):
        table = project.path("config/runs.tsv")
        rows = read_run_table(table) if table.exists() else []
        configurations = RunConfigurations(project.config, "config.yaml")
        sight = look(configurations, rows, lambda raw: raw in requested, done)
        seen = {item.run or item.raw: item for item in sight.runs}
        return seen, {row["run"]: row["frames"] for row in sight.new}

    return once


def test_a_run_is_finished_when_it_has_been_still(project, see, clock):
    project.write_frames("a", 0, 1)
    assert see()[0]["a"].state == "arriving"
    clock.now = 4
    project.write_frames("a", 2)
    assert see()[0]["a"].state == "arriving"
    clock.now = 8
    assert see()[0]["a"].state == "arriving"
    clock.now = 9
    seen, new = see()
    assert seen["a"].state == "finished"
    assert new == {"a": 3}


def test_a_file_that_is_copied_with_its_old_time_is_not_still(project, see, clock):
    path = project.write_hdf5("a", 3)
    see()
    clock.now = 4.5
    shutil.copystat(path, path)
    content = path.read_bytes()
    path.write_bytes(content)
    clock.now = 5
    assert see()[0]["a"].state == "arriving"


def test_what_was_asked_for_need_not_be_still(project, see):
    project.write_frames("a", 0, 1)
    project.write_frames("b", 0, 1)
    seen, new = see(requested=["a"])
    assert (seen["a"].state, seen["b"].state) == ("finished", "arriving")
    assert new == {"a": 2}


def test_missing_frames(project, see, clock):
    project.write_frames("a", 0, 1, 3)
    see()
    clock.now = 5
    seen, new = see()
    assert seen["a"].state == "incomplete"
    assert "a_002.tif" in seen["a"].reason
    assert new == {}
    project.write_frames("a", 2)
    assert see()[0]["a"].state == "arriving"
    clock.now = 10
    assert see()[1] == {"a": 4}


def test_missing_frames_by_policy(project, see, clock):
    project.config["sources"]["tiffs"]["missing"] = "nan"
    project.write_frames("a", 0, 1, 3)
    see()
    clock.now = 5
    assert see()[1] == {"a": 4}


@pytest.mark.parametrize("keep", [0.3, 0.95])
def test_a_file_that_is_cut_off(project, see, clock, keep):
    path = project.write_hdf5("a", 3)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    (first,) = see()[0].values()
    assert first.state == "arriving"
    clock.now = 5
    seen, new = see()
    (found,) = seen.values()
    assert found.state == "corrupt"
    assert found.reason
    assert new == {}
    path.write_bytes(content)
    see()
    clock.now = 10
    assert see()[1] == {"a": 3}


def test_the_last_frame_is_cut_off(project, see, clock):
    project.write_frames("a", 0, 1)
    path = project.path("raw/a_001.tif")
    path.write_bytes(path.read_bytes()[:-20])
    see()
    clock.now = 5
    found = see()[0]["a"]
    assert found.state == "corrupt"
    assert "a_001.tif" in found.reason


def test_expected_frames(project, see, clock):
    project.config["live"]["expected_frames"] = {"tiffs": 4}
    project.write_frames("a", 0, 1)
    seen, new = see()
    assert (seen["a"].state, seen["a"].frames, seen["a"].expected) == ("growing", 2, 4)
    assert new == {"a": 4}
    clock.now = 5
    assert see()[0]["a"].state == "incomplete"
    project.write_frames("a", 2, 3)
    assert see()[0]["a"].state == "growing"
    clock.now = 10
    assert see()[0]["a"].state == "finished"


def test_expected_frames_from_the_file(project, see, clock):
    wanted = "nimages * ntrigger"
    project.config["live"]["expected_frames"] = {"nexus": wanted}
    project.write_hdf5("a", 6, nimages=3, ntrigger=2)
    project.write_hdf5("b", 5, nimages=3, ntrigger=2)
    project.write_hdf5("c", 5)
    see()
    clock.now = 5
    seen, new = see()
    assert new == {"a": 6}
    assert seen["b"].state == "incomplete"
    assert (seen["c"].state, wanted in seen["c"].reason) == ("arriving", True)


def test_a_master_whose_data_files_are_still_to_come(project, see, clock):
    project.config["sources"]["nexus"]["frames"]["saxs"] = "auto"
    project.config["live"]["expected_frames"] = {"nexus": "nimages"}
    with h5py.File("raw/a_master.h5", "w") as file:
        file["nimages"] = 4
        for number in (1, 2):
            link = h5py.ExternalLink(f"a_data_{number:06d}.h5", "data")
            file[f"entry/data/data_{number:06d}"] = link

    def write_data(number):
        with h5py.File(f"raw/a_data_{number:06d}.h5", "w") as file:
            file["data"] = np.ones((2, *SHAPE), np.uint16)

    write_data(1)
    seen, new = see()
    assert seen["a"].state == "growing"
    assert new == {"a": 4}
    project.write(("a", "nexus", 4))
    project.path("config/runs.tsv").write_text(
        project.path("config/runs.tsv").read_text().replace("a.h5", "a_master.h5")
    )
    clock.now = 5
    seen, new = see()
    assert (seen["a"].state, new) == ("incomplete", {})
    assert "a_data_000002.h5" in seen["a"].reason
    write_data(2)
    assert see()[0]["a"].state == "growing"
    clock.now = 10
    assert see()[0]["a"].state == "finished"


def test_the_run_table_says_how_many_frames(project, see, clock):
    project.write(("a", "tiffs", 4), ("b", "tiffs", 2), ("c", "tiffs", 2))
    project.write_frames("a", 0, 1)
    project.write_frames("b", 0, 1, 2)
    see()
    clock.now = 5
    seen, new = see(done=["c"])
    assert seen["a"].state == "incomplete"
    assert seen["b"].state == "incomplete"  # more than promised: left to the user
    assert "c" not in seen
    assert new == {}


def test_a_file_that_no_source_reads(project, see, clock):
    project.path("raw/notes.h5").write_bytes(b"no HDF5")
    project.path("raw/readme.txt").write_text("hello")
    see()
    clock.now = 5
    seen = see()[0]
    assert seen["notes.h5"].state == "corrupt"
    assert "readme.txt" not in seen


def test_a_file_that_its_writer_has_not_closed(project, see, clock):
    """Frames can be read, and more of them may come: how many, only `expected_frames` says."""
    with Detector(project.path("raw/a.h5"), "entry/data", SHAPE) as detector:
        detector.append(1, 1, 1)
        see()
        clock.now = 5
        seen, new = see()
        assert (seen["a"].state, seen["a"].frames, new) == ("incomplete", 3, {})
        assert "still open for writing" in seen["a"].reason
        (row,) = discover("raw", configured_recipes(validate(project.config, "config.yaml")))
        assert row["notes"] == ["its file is still open for writing: more frames may come"]
        project.config["live"]["expected_frames"] = {"nexus": 4}
        seen, new = see()
        assert (seen["a"].state, seen["a"].expected) == ("incomplete", 4)
        detector.append(1)
        assert (see()[0]["a"].state, see()[1]) == ("growing", {"a": 4})
        detector.close()
    see()
    clock.now = 10
    assert see()[0]["a"].state == "finished"
