"""Pieces of the watcher: one at a time, new runs in the run table, what it says, shots, the guide."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from scatterflow.__main__ import main
from scatterflow.config.load import validate
from scatterflow.config.runs import read_run_table
from scatterflow.errors import UserError
from scatterflow.files.json import write_json
from scatterflow.live.completeness import CompletenessTest
from scatterflow.live.found import Found
from scatterflow.live.lock import holder, only_watcher, watcher_lives
from scatterflow.live.new_runs import default_reductions, enter_new_runs
from scatterflow.live.requests import Request, add_request, read_requests
from scatterflow.live.start import runs_below
from scatterflow.live.stillness import Stillness
from scatterflow.live.telling import Teller
from scatterflow.live.waiting import wait_for
from scatterflow.live.watch import Watcher
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_writers import write_smalldata

from .conftest import CONFIGURATION

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "live.md"


def configured(project, **live):
    project.config["live"] = live
    return validate(project.config, "config.yaml")


def test_one_watcher_at_a_time(project):
    assert not watcher_lives()
    with only_watcher("requests"):
        assert watcher_lives()
        assert holder().startswith("requests, process ")
        with pytest.raises(UserError, match="another watcher is at work here"), only_watcher("all"):
            pass
    assert not watcher_lives()
    with only_watcher("all"):
        assert holder().startswith("all, ")


def test_reductions_of_new_runs(project):
    assert default_reductions(configured(project), "") == {"tiffs": "x", "nexus": "x"}
    assert default_reductions(configured(project, reductions={"tiffs": "x"}), "") == {"tiffs": "x"}
    assert default_reductions(configured(project), "x") == {"tiffs": "x", "nexus": "x"}
    for live in ({"reductions": {"tif": "x"}}, {"reductions": {"tiffs": "y"}}):
        with pytest.raises(UserError, match="not configured"):
            default_reductions(configured(project, **live), "")
    with pytest.raises(UserError, match="not configured"):
        default_reductions(configured(project, expected_frames={"tif": 4}), "")
    with pytest.raises(UserError, match="not configured"):
        default_reductions(configured(project), "y")


def test_new_runs_are_entered_once(project):
    base = configured(project)
    rows = [
        {
            "run": run,
            "source": "tiffs",
            "raw": run,
            "frames": 3,
            "named_by_path": False,
            "notes": [],
        }
        for run in ("a", "b", "c")
    ]
    request = Request("h", ("b",), "x", 1.0)
    assert enter_new_runs(base, rows[:2], {}, [request])
    assert [row.run for row in read_run_table(base.runs)] == ["b"]
    assert enter_new_runs(base, rows, {"tiffs": "x"}, [])
    before = Path(base.runs).read_bytes()
    assert [row.run for row in read_run_table(base.runs)] == ["b", "a", "c"]
    assert not enter_new_runs(base, rows, {"tiffs": "x"}, [])
    assert Path(base.runs).read_bytes() == before


def test_runs_of_a_folder(project):
    base = configured(project)
    for name in ("one", "night/two_lab6", "night/three"):
        project.path(f"raw/{name}").parent.mkdir(exist_ok=True)
        project.write_frames(name, 0, 1)
    assert sorted(runs_below(base, ".", "*")) == ["night/three", "night/two_lab6", "one"]
    assert runs_below(base, "night", "*_lab6") == ["night/two_lab6"]
    with pytest.raises(UserError, match="no runs"):
        runs_below(base, "night", "one")


def test_commands_as_users_call_them(project, capsys):
    """Without a watcher: what is asked for waits."""
    for name in ("one", "night/two_lab6", "night/three_lab6"):
        project.path(f"raw/{name}").parent.mkdir(exist_ok=True)
        project.write_frames(name, 0, 1)
    only = ["--pattern", "*_lab6*", "--limit", "1"]
    assert main(["crawl", "raw/night", *only, "--dry-run"]) == 0
    assert capsys.readouterr().out.split() == ["night/three_lab6"]
    assert main(["crawl", "raw/night", *only, "--no-start"]) == 0
    assert main(["trigger", "raw/one_000.tif", "--no-start"]) == 0
    asked = {request.handle: request.paths for request in read_requests()}
    crawled, triggered = capsys.readouterr().out.split()
    assert (asked[crawled], asked[triggered]) == (("night/three_lab6",), ("one_000.tif",))
    assert main(["wait", triggered, "--timeout", "0"]) == 3
    assert "one_000.tif pending" in capsys.readouterr().err
    assert main(["watch", "--reduction", "y"]) == 1
    assert "reduction 'y' is not configured" in capsys.readouterr().err


def test_everything_is_said_once(project, capsys):
    teller = Teller()
    short = Found("a", "tiffs", "a", "incomplete", 3, 4, "3 of 4 files")
    teller.tell_found([short])
    teller.tell_found([short])
    assert capsys.readouterr().out.count("a is incomplete") == 1
    teller.tell_found([Found("a", "tiffs", "a", "growing", 3, 4)])
    teller.tell_found([Found("a", "tiffs", "a", "finished", 4, 4)])
    teller.tell_found([short])
    assert capsys.readouterr().out.count("3 of 4 files") == 1


def test_runs_of_shots(project, clock):
    times = (1768489200 << 32) + np.arange(5, dtype=np.int64) * 8333333
    frames = np.ones((5, 2, 3), np.float32)
    path = project.path("raw/a.h5")
    write_smalldata(path, times, {"epix/ROI_area": frames}, {}, False)
    recipe = {"format": "smalldata", "file": "{raw}", "detectors": {"roi": "epix/ROI_area"}}
    test = CompletenessTest(Stillness(clock))

    def verdict(shots):
        location = RunLocation("a", "a.h5", "raw", shots, recipe)
        return test.verdict(location, 5.0, growing=False).state

    assert verdict(5) == "arriving"
    clock.now = 5
    assert verdict(5) == "finished"
    assert verdict(6) == "incomplete"
    path.write_bytes(path.read_bytes()[:3000])
    assert verdict(5) == "arriving"
    clock.now = 10
    assert verdict(5) in ("corrupt", "incomplete")


def test_the_watcher_removes_requests_that_are_answered_and_old(project):
    """Asked for two days ago, and there is no such run; a new one is left."""
    project.config["live"] = {"settle_s": 0}
    project.write(("a", "tiffs", 4))
    new = add_request(["gone"], "")
    content = {"paths": ["gone"], "reduction": "", "time": time.time() - 2 * 86400}
    write_json(Path(".live/requests/old.json"), content)
    Watcher("config/config.yaml", requests_only=True)._round()
    assert [request.handle for request in read_requests()] == [new.handle]
    assert wait_for("old", "config/config.yaml", None) == 1


def test_the_guide():
    from scatterflow.__main__ import _parser

    text = GUIDE.read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert validate({**CONFIGURATION, **yaml.safe_load(block)}, "the guide").live.settle_s == 60
    told = set(re.findall(r"scatterflow (watch|trigger|wait|crawl|status)\b", text))
    actions = _parser()._subparsers._group_actions  # type: ignore[union-attr]
    assert told == {"watch", "trigger", "wait", "crawl", "status"}
    assert told <= set(actions[0].choices)  # type: ignore[arg-type]
