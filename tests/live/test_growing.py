"""Chunks of growing runs that can be integrated."""

from __future__ import annotations

import h5py
import pytest

from scatterflow.live.growing import ready_chunks, receipt
from scatterflow.live.stillness import Stillness

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


def test_files_that_cannot_be_read_yet(project, clock, ready):
    project.write(("a", "nexus", 7))
    project.path("raw/a.h5").write_bytes(b"")
    ready()
    clock.now = 5
    assert ready() == []
