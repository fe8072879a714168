"""What is done next, and what is left alone until it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scatterflow.live.decide import next_wanted
from scatterflow.live.found import Found
from scatterflow.live.states import result_states
from scatterflow.live.stillness import Stillness
from scatterflow.live.wanted import Wanted, read_wanted, write_wanted

from .conftest import job

CONFIGFILE = "config/config.yaml"
ERROR = "error: wrong\nwhere: here\n"


def wanted(project, given_up=None, asked=0.0, stillness=None, **states: str) -> Wanted:
    plan = project.plan()
    found = [Found(run, "tiffs", run, state) for run, state in states.items()]
    return next_wanted(
        plan,
        result_states(plan),
        found,
        given_up or {},
        lambda raw: asked,
        stillness or Stillness(),
        CONFIGFILE,
    )


@pytest.fixture
def runs(project):
    project.write(("a", "tiffs", 4), ("b", "tiffs", 4), ("c", "tiffs", 4))
    for run in ("a", "b", "c"):
        project.write_frames(run, 0, 1, 2, 3)
    return project


def changed_at(path: str) -> float:
    return os.stat(path).st_ctime  # noqa: PTH116


def test_finished_runs_are_wanted(runs):
    found = wanted(runs, a="finished", b="incomplete", c="arriving")
    assert found == Wanted([("a", "x")], [])


def test_no_more_than_so_many_runs_at_once(runs):
    runs.config["live"]["runs_at_once"] = 2
    found = wanted(runs, a="finished", b="finished", c="finished")
    assert found.results == [("a", "x"), ("b", "x")]


def test_a_failed_run_is_left_alone_until_it_changes(runs):
    last = max(changed_at("raw/a_003.tif"), changed_at(CONFIGFILE))
    job("assemble_result", "a/x", log=ERROR, log_time=last + 10)
    assert wanted(runs, a="finished").results == []
    assert wanted(runs, a="finished", asked=last + 11).results == [("a", "x")]
    job("assemble_result", "a/x", log=ERROR, log_time=last - 1000)
    assert wanted(runs, a="finished").results == [("a", "x")]


def test_a_new_file_with_an_old_time_is_a_change(runs):
    job("assemble_result", "a/x", log=ERROR, log_time=changed_at(CONFIGFILE) + 0.01)
    runs.write_frames("a", 2)
    path = Path("raw/a_002.tif")
    while changed_at(str(path)) <= changed_at(CONFIGFILE) + 0.01:
        runs.write_frames("a", 2)
    os.utime(path, (0, 0))
    assert wanted(runs, a="finished").results == [("a", "x")]


def test_what_was_given_up_is_left_alone(runs):
    last = max(changed_at("raw/c_003.tif"), changed_at(CONFIGFILE))
    given_up = {("a", "x"): last + 5}
    assert wanted(runs, given_up, a="finished", b="finished").results == [("b", "x")]


def test_chunks_of_growing_runs(runs, clock):
    stillness = Stillness(clock)
    assert wanted(runs, stillness=stillness, a="growing") == Wanted()
    clock.now = 9
    assert wanted(runs, stillness=stillness, a="growing").chunks == [("a", "x", 0, 2)]


def test_a_chunk_that_fails_waits_for_the_whole_run(runs, clock):
    stillness = Stillness(clock)
    wanted(runs, stillness=stillness, a="growing")
    clock.now = 9
    # Failed long ago: new frames have come since.
    job("integrate_chunk", "a/x/000000-000002", log=ERROR, log_time=10)
    assert wanted(runs, stillness=stillness, a="growing") == Wanted()
    assert wanted(runs, stillness=stillness, a="finished").results == [("a", "x")]


def test_what_is_wanted_is_handed_over(project):
    asked = Wanted([("a", "x")], [("b", "x", 0, 2)])
    write_wanted(asked)
    assert read_wanted() == asked
