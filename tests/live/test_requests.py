"""What is asked for, and how far it has come."""

from __future__ import annotations

from pathlib import Path

import pytest

from scatterflow.errors import UserError
from scatterflow.live.answer import Answer, answers
from scatterflow.live.found import Found, Seen, read_seen, write_seen
from scatterflow.live.requests import (
    Request,
    add_request,
    latest_request,
    raw_path,
    read_request,
    read_requests,
)
from scatterflow.live.retired import retire, retired_answers
from scatterflow.live.states import result_states
from scatterflow.live.waiting import wait_for
from scatterflow.plan.targets import delivered_files

from .conftest import job


def test_a_request_is_read_back(project):
    added = add_request(["a", "b/c"], "x")
    assert read_request(added.handle) == added
    assert read_requests() == [added]
    with pytest.raises(UserError, match="no request"):
        read_request("../requests/" + added.handle)


@pytest.mark.parametrize(
    ("path", "raw", "means"),
    [
        ("scan", "scan", True),
        ("scan.h5", "scan.h5", True),
        ("scan", "scan.h5", True),
        ("scan", "scan_master.h5", True),
        ("scan", "scan/saxs", True),
        ("scan", "scan_2", False),
        ("scan", "scan2", False),
        ("sc", "scan", False),
        (".", "scan", True),
        ("scan_0003.tif", "scan", True),
        ("scan_2_0003.tif", "scan", False),
        ("scan_2_0003.tif", "scan_2", True),
        ("spec", "spec::12", True),
        ("spec::1", "spec::12", False),
        ("a/b", "a/b/c.h5", True),
        ("a/b", "a/bc.h5", False),
    ],
)
def test_which_runs_are_meant(path, raw, means):
    assert Request("h", (path,), "", 0.0).means(raw) == means


def test_the_last_request_counts():
    first, last = Request("h", ("a",), "", 1.0), Request("i", (".",), "y", 2.0)
    assert latest_request([last, first], "a") == last
    assert latest_request([first], "b") is None


def test_paths_are_made_relative_to_the_raw_folder(project):
    project.path("raw/night").mkdir()
    project.path("raw/night/a.h5").touch()
    for given in ("raw/night/a.h5", "night/a.h5", str(project.path("raw/night/a.h5").absolute())):
        assert raw_path(given, "raw") == "night/a.h5"
    assert raw_path("raw", "raw") == "."
    with pytest.raises(UserError, match="not below the raw folder"):
        raw_path("/etc/passwd", "raw")
    with pytest.raises(UserError, match="not below the raw folder"):
        raw_path("../x", "raw")


def test_what_was_seen_is_read_back(project):
    assert read_seen() == Seen(None, [], {})
    runs = [Found("a", "tiffs", "a", "corrupt", 3, None, "cut off")]
    write_seen(3.0, runs, {("b", "x"): "killed"})
    assert (read_seen().time, read_seen().runs) == (3.0, runs)
    assert read_seen().undone == {("b", "x"): "killed"}
    Path(".live/found.json").write_text("{")
    assert read_seen().time is None


def answer(project, request, seen=Seen(None, [], {})):  # noqa: B008 - immutable here
    plan = project.plan()
    return [
        (found.what, found.state)
        for found in answers(request, plan, result_states(plan), seen, settle_s=5.0)
    ]


def test_answers(project):
    project.write(("a", "tiffs", 4), ("b", "tiffs", 4), ("c", "tiffs", 4))
    everything = Request("h", (".",), "", 5.0)
    for path in delivered_files(project.plan().reductions["a", "x"]):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    job("assemble_result", "b/x", log="error: wrong\nwhere: here\n", log_time=7)
    states = [("a/x", "done"), ("b/x", "failed"), ("c/x", "pending")]
    assert answer(project, everything) == states
    # What had failed before it was asked for is done again.
    later = Request("h", ("b",), "", 8.0)
    assert answer(project, later) == [("b/x", "pending")]
    assert answer(project, later, Seen(9.0, [], {("b", "x"): "killed"})) == [("b/x", "failed")]
    broken = [Found("c", "tiffs", "c", "incomplete", 3, 4, "3 of 4 files")]
    assert answer(project, Request("h", ("c",), "", 5.0), Seen(9.0, broken, {})) == [
        ("c/x", "failed")
    ]


def test_answers_of_runs_that_are_not_in_the_table(project):
    project.write(("a", "tiffs", 4))
    new = Request("h", ("n.h5",), "", 5.0)
    assert answer(project, new) == [("n.h5", "pending")]
    assert answer(project, new, Seen(9.0, [], {})) == [("n.h5", "pending")]
    assert answer(project, new, Seen(11.0, [], {})) == [("n.h5", "failed")]
    seen = [Found("", "", "n.h5", "corrupt", 0, None, "cut off")]
    assert answer(project, new, Seen(6.0, seen, {})) == [("n.h5", "failed")]
    seen = [Found("n", "nexus", "n.h5", "arriving", 2)]
    assert answer(project, new, Seen(99.0, seen, {})) == [("n.h5", "pending")]


def test_requests_that_were_answered_are_removed_and_still_known(project, capsys):
    project.write(("a", "tiffs", 4))
    first, second, third = (add_request([path], "") for path in ("a", "b", "c"))
    done, failed = Answer("a/x", "done"), Answer("b", "failed", 'corrupt "x"\ncut off')
    retire({first: [done], third: [done, Answer("c/x", "pending", "waiting")]})
    assert read_requests() == sorted([second, third], key=lambda request: request.handle)
    retire({second: [done, failed], third: []})
    retire({})
    assert read_requests() == []
    assert retired_answers(first.handle) == [done]
    assert retired_answers(second.handle) == [done, failed]
    assert retired_answers(first.handle[:-1]) is None
    assert wait_for(first.handle, "config/config.yaml", None) == 0
    assert wait_for(second.handle, "config/config.yaml", None) == 1
    assert "b failed: corrupt" in capsys.readouterr().err
    with pytest.raises(UserError, match="no request"):
        wait_for("none", "config/config.yaml", None)
