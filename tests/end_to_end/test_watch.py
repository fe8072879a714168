"""`scatterflow watch` on a folder into which runs are copied slowly: one corrupt, one incomplete, one with a
poisoned frame; the watcher is killed, alone and with all that it has started, and started again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest

from .conftest import environment, make_project, write_raw

PATIENCE_S = 600


@pytest.fixture
def live(tmp_path):
    """A project whose raw folder is empty; what will be copied into it is in `source`."""
    project = make_project(tmp_path / "project")
    for path in project.path("raw").iterdir():
        path.unlink()
    write_raw(project.path("source"))
    del project.config["sources"]["tiffs"]["table"], project.config["sources"]["tiffs"]["scalars"]
    project.config["reductions"]["x"] = {
        "technique": "saxswaxs",
        "integrations": {"azimuthal": {"kind": "azimuthal", "bins": 40}},
    }
    project.config["chunks"] = {"frames": 3}
    project.config["live"] = {
        "settle_s": 5,
        "look_every_s": 0.5,
        "expected_frames": {"tiffs": 6},
        "snakemake": ["--cores", "2"],
    }
    project.write()
    project.path("config/runs.tsv").unlink()
    return project


def command(project, *arguments: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "scripts/scatterflow", *arguments],
        cwd=project.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def until(condition, what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what}: not in {PATIENCE_S} s"
        time.sleep(0.1)


def copy_frames(project, run: str, *frames: int) -> None:
    for frame in frames:
        name = f"{frame:03d}.tif"
        shutil.copy(project.path(f"source/one_{name}"), project.path(f"raw/{run}_{name}"))


def watchers(project) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        if process.info["cwd"] == str(project.folder) and "watch" in (
            process.info["cmdline"] or []
        ):
            found.append(process)
    return found


def call_logs(project) -> str:
    return "\n".join(path.read_text() for path in project.folder.glob("logs/live/2*.log"))


def jobs_started(project) -> Counter:
    """How often each job was started: by its log, which stands in what snakemake prints."""
    return Counter(re.findall(r"^    log: (\S+)$", call_logs(project), re.MULTILINE))


def kill_everything(project) -> None:
    """As when the computer is switched off: watchers, snakemake, jobs."""
    here = str(project.folder)
    victims = [
        process
        for process in psutil.process_iter(["cwd"])
        if process.info["cwd"] == here and process.pid != os.getpid()
    ]
    for process in victims:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(victims, timeout=60)


@pytest.mark.slow
def test_runs_are_reduced_once_as_they_arrive(live):
    receipt = live.path("work/grows/x/chunks/000000-000003.json")
    content = live.path("source/two.h5").read_bytes()
    live.path("raw/corrupt.h5").write_bytes(content[: len(content) // 2])
    copy_frames(live, "short", 0, 1, 2, 3)
    copy_frames(live, "poisoned", *range(6))
    path = live.path("raw/poisoned_001.tif")
    path.write_bytes(path.read_bytes()[:1000])
    copy_frames(live, "grows", 0, 1, 2, 3)

    def growing() -> bool:
        copy_frames(live, "grows", 3)
        return True

    def asked_for(run: str) -> bool:
        wanted = live.path(".live/wanted.json")
        return wanted.exists() and run in wanted.read_text()

    first = command(live, "watch")
    try:
        # Its last frame is written again and again: it is still growing when the first chunk is complete.
        until(lambda: growing() and asked_for("grows"), "a call for the first chunk")
        # The call of snakemake goes on without the watcher.
        first.send_signal(signal.SIGKILL)
        first.wait()
        until(lambda: growing() and receipt.exists(), "the first chunk of the run that grows")
        chunk = receipt.read_bytes()
        again = command(live, "watch", "--until-done")
        second = live.path(".live/watch.lock")
        until(lambda: growing() and str(again.pid) in second.read_text(), "the second watcher")
        refused = command(live, "watch")
        until(lambda: growing() and refused.poll() is not None, "the end of a third watcher")
        assert "another watcher is at work here" in refused.communicate()[0]
        assert refused.returncode == 1
        copy_frames(live, "grows", 4, 5)
        last_chunk = live.path("logs/integrate_chunk/grows/x/000003-000006.log")
        until(lambda: last_chunk.exists() or again.poll() is not None, "the last chunk's job")
        kill_everything(live)
        killed = jobs_started(live)
        assert list(live.folder.glob(".snakemake/locks/*"))
        again = command(live, "watch", "--until-done")
        text = again.communicate(timeout=PATIENCE_S)[0]
    finally:
        kill_everything(live)
    assert again.returncode == 1, text  # something is broken
    assert live.path("results/grows/x/result.nxs").exists(), text
    assert receipt.read_bytes() == chunk

    table = live.path("config/runs.tsv").read_text()
    assert sorted(line.split("\t")[0] for line in table.splitlines()[1:]) == [
        "grows",
        "poisoned",
        "short",
    ]
    started = jobs_started(live)
    assert started["logs/integrate_chunk/grows/x/000000-000003.log"] == 1
    # Once more only what ran when everything was killed, two jobs at most, as there are two cores.
    twice = {log for log, number in started.items() if number > 1}
    assert len(twice) <= 2
    assert all(killed[log] == 1 and started[log] == 2 for log in twice)
    assert not live.path("results/poisoned").exists()
    # The table of verdicts and the index are of what there is.
    assert "<td>grows</td>" in live.path("results/quality.html").read_text()
    with sqlite3.connect(live.path("results/catalogue/index.sqlite")) as index:
        assert index.execute("SELECT id FROM records").fetchall() == [("grows/x",)]

    done = subprocess.run(
        [sys.executable, "scripts/scatterflow", "status", "--json"],
        cwd=live.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    status = json.loads(done.stdout)
    results = {item["run"]: item for item in status["results"]}
    raw = {item["raw"]: item for item in status["raw"]}
    assert results["grows"]["state"] == "done"
    assert results["poisoned"]["state"] == "failed"
    assert "poisoned_001.tif" in results["poisoned"]["reason"]
    assert "frame 1" in results["poisoned"]["reason"]
    assert results["poisoned"]["chunks_done"] == 1
    assert raw["corrupt.h5"]["state"] == "corrupt"
    assert raw["short"]["state"] == "incomplete"
    assert "4 of 6" in raw["short"]["reason"]
    assert not status["workflow_runs"]

    # As data management asks: for a run that is done, and for one that cannot be.
    asked = {
        run: command(live, "trigger", f"raw/{run}").communicate()[0].strip()
        for run in ("grows_000.tif", "short")
    }
    for run, code, text in (("grows_000.tif", 0, "grows/x done"), ("short", 1, "short/x failed: ")):
        waiting = command(live, "wait", asked[run], "--timeout", str(PATIENCE_S))
        assert text in waiting.communicate()[0]
        assert waiting.returncode == code
    until(lambda: not watchers(live), "the end of the watcher that was started for the requests")
    now = jobs_started(live)
    assert {log: now[log] for log in started} == started
