"""Chunks of growing runs that can be integrated."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import pytest

from scatterflow.files.json import read_json, write_json
from scatterflow.files.provenance import raw_file_record
from scatterflow.live.found import Found
from scatterflow.live.growing import keep_chunks, ready_chunks, receipt, with_reasons
from scatterflow.live.stillness import Stillness
from scatterflow.live.wanted import Wanted

from .appending import Detector
from .conftest import SHAPE


@pytest.fixture
def ready(project, clock):
    stillness = Stillness(clock)

    def chunks():
        (planned,) = project.plan().reductions.values()
        return ready_chunks(planned, stillness, 5.0)

    return chunks


def test_a_chunk_is_ready_when_the_detector_has_gone_on(project, clock, ready):
    project.write(("a", "tiffs", 7))
    project.write_frames("a", 0, 1)
    assert ready() == []
    clock.now = 100
    assert ready() == []  # still for long, but perhaps frame 1 is all that there is
    project.write_frames("a", 2)
    assert ready() == []  # not yet seen to be still
    clock.now = 105
    assert ready() == [(0, 2)]
    project.write_frames("a", 3, 4)
    ready()
    clock.now = 110
    assert ready() == [(0, 2), (2, 4)]


def test_a_chunk_that_is_done_is_not_done_again(project, clock, ready):
    project.write(("a", "tiffs", 7))
    project.write_frames("a", 0, 1, 2, 3, 4)
    (planned,) = project.plan().reductions.values()
    path = receipt(planned, 0, 2)
    path.parent.mkdir(parents=True)
    path.touch()
    ready()
    clock.now = 5
    assert ready() == [(2, 4)]


def test_a_gap_is_waited_for(project, clock, ready):
    project.write(("a", "tiffs", 7))
    project.write_frames("a", 0, 2, 3, 4, 5)
    ready()
    clock.now = 5
    assert ready() == []


def test_the_last_chunk_waits_for_the_run(project, clock, ready):
    project.write(("a", "tiffs", 4))
    project.write_frames("a", 0, 1, 2, 3)
    ready()
    clock.now = 5
    assert ready() == [(0, 2)]


def test_one_file_that_grows_has_no_chunk_before_its_end(project, clock, ready):
    project.write(("a", "nexus", 7))
    project.write_hdf5("a", 5)
    ready()
    clock.now = 50
    assert ready() == []


def test_data_files_of_a_master(project, clock, ready):
    """As an Eiger writes: the master links to files that come later."""
    project.config["sources"]["nexus"]["frames"]["saxs"] = "auto"
    project.write(("a", "nexus", 6))
    with h5py.File("raw/a.h5", "w") as file:
        for number in (1, 2, 3):
            link = h5py.ExternalLink(f"a_data_{number:06d}.h5", "data")
            file[f"entry/data/data_{number:06d}"] = link
    for number in (1, 2):
        with h5py.File(f"raw/a_data_{number:06d}.h5", "w") as file:
            file["data"] = [[[number] * SHAPE[1]] * SHAPE[0]] * 2
    ready()
    clock.now = 5
    assert ready() == [(0, 2)]


@pytest.fixture
def detector(project):
    """Writes raw/a.h5."""
    with Detector(project.path("raw/a.h5"), "entry/data", SHAPE) as made:
        yield made


def test_chunks_of_one_file_that_is_appended_to(project, ready, detector):
    """Without settle time: later frames say that the chunk is complete."""
    project.write(("a", "nexus", 7))
    assert ready() == []
    detector.append(0, 1)
    assert ready() == []  # frame 1 may be half written
    detector.append(2)
    assert ready() == [(0, 2)]
    detector.append(3, 4, 5)
    assert ready() == [(0, 2), (2, 4)]
    detector.make_room(7)  # the shape is ahead of the frames
    assert ready() == [(0, 2), (2, 4)]
    detector.append(6)
    detector.close()
    assert ready() == []  # closed: the run is reduced as a whole when it is finished


def test_frames_that_share_their_place_in_the_file_wait_for_its_end(project, ready):
    project.write(("a", "nexus", 7))
    with Detector(project.path("raw/a.h5"), "entry/data", SHAPE, frames_of_a_chunk=4) as detector:
        detector.append(0, 1, 2, 3, 4)
        assert ready() == []


@pytest.mark.parametrize("change", ["none", "frames", "file", "receipt"])
def test_a_chunk_that_was_integrated_early_is_confirmed_unless_its_frames_changed(
    project, detector, change
):
    project.write(("a", "nexus", 7))
    detector.append(0, 1, 2)
    plan = project.plan()
    planned = plan.reductions["a", "x"]
    keep_chunks(plan, Wanted([], [("a", "x", 0, 2)]))
    made = receipt(planned, 0, 2)
    before = {"checksums": {}, "raw_files": [raw_file_record("raw/a.h5")]}
    write_json(made, before)
    os.utime(made, (1000, 1000))
    other = receipt(planned, 2, 4)  # one that nobody knows of
    other.touch()
    os.utime(other, (1000, 1000))
    detector.append(3, 4, 5, 6)
    if change == "frames":
        detector.replace(1, 99)
    detector.close()
    if change == "file":
        copy = project.path("raw/copy")
        copy.write_bytes(Path("raw/a.h5").read_bytes())
        copy.replace("raw/a.h5")
    if change == "receipt":
        made.unlink()
    keep_chunks(plan, Wanted([("a", "x")], []))
    assert other.stat().st_mtime == 1000
    if change == "receipt":
        assert not made.exists()
    else:
        assert (made.stat().st_mtime > 1000) == (change == "none")
        now = [raw_file_record("raw/a.h5")]
        assert read_json(made) == ({**before, "raw_files": now} if change == "none" else before)
    assert not list(Path(".live/parts").rglob("*.json"))


def test_what_is_not_reduced_before_the_end_is_told(project):
    project.config["reductions"]["g2"] = {
        "technique": "xpcs",
        "detector": "saxs",
        "frame_time_s": 0.1,
        "qmap": {"coordinates": [{"name": "q", "dynamic": {"bins": 2}}]},
    }
    project.write(("a", "tiffs", 7), ("b", "tiffs", 7))
    table = project.path("config/runs.tsv")
    table.write_text(table.read_text().replace("a\tx", "a\tx,g2"))
    found = [Found("a", "tiffs", "a", "growing"), Found("b", "tiffs", "b", "growing")]
    assert [item.reason for item in with_reasons(found, project.plan())] == [
        "g2 (xpcs) begins when the run is complete",
        "",
    ]


def test_files_that_cannot_be_read_yet(project, clock, ready):
    project.write(("a", "nexus", 7))
    project.path("raw/a.h5").write_bytes(b"")
    ready()
    clock.now = 5
    assert ready() == []
