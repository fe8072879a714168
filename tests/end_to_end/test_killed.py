"""`kill -9` of the workflow and of single jobs at random moments: the next call finishes the work."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest

from .conftest import Project, environment, same_numbers

TARGETS = ("results/one/x/result.nxs", "results/two/x/result.nxs")
KILLS = 10


def receipts(project: Project) -> set[str]:
    return {
        str(path.relative_to(project.folder))
        for path in project.folder.glob("work/*/*/chunks/*.json")
    }


def disturbed_call(project: Project, seconds: float, kill_job: bool) -> bool:
    """A call that is cut off after some seconds; False if it finished before."""
    with open(project.path("call.log"), "w") as log:
        process = subprocess.Popen(
            project.command(*TARGETS),
            cwd=project.folder,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    victim: psutil.Process | None = None
    deadline = time.monotonic() + seconds
    while process.poll() is None and victim is None:
        time.sleep(0.02)
        if time.monotonic() < deadline:
            continue
        jobs = scripts_of(process.pid)
        with suppress(psutil.Error):  # it may have ended just now: then the next one
            chosen = random.choice(jobs) if jobs else None
            chosen = chosen if kill_job else psutil.Process(process.pid)
            if chosen is not None:
                chosen.send_signal(signal.SIGKILL)
                victim = chosen
    process.wait(timeout=600)
    if not kill_job:
        # What the dead workflow had started goes with it, as when a computer is switched off.
        for job in scripts_in(project):
            with suppress(psutil.Error):
                job.send_signal(signal.SIGKILL)
    return victim is not None


def scripts_of(pid: int, script: str = r"\w+") -> list[psutil.Process]:
    """Python processes of jobs below a workflow process, those of one script."""
    found = []
    with suppress(psutil.Error):  # the workflow may end at any moment, as may each of its jobs
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                if re.search(rf"tmp\w+\.{script}\.py", " ".join(child.cmdline())):
                    found.append(child)
    return found


def scripts_in(project: Project) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.info["cwd"] == str(project.folder) and process.pid != os.getpid():
            found.append(process)
    return found


@pytest.mark.slow
def test_killed_ten_times(project, tmp_path):
    random.seed(20261121)
    project.config["chunks"]["frames"] = 1
    project.write()

    undisturbed = Project(tmp_path / "undisturbed", project.config, project.rows)
    shutil.copytree(project.folder, undisturbed.folder)
    undisturbed.run(*TARGETS)
    jobs = {path for path in receipts(undisturbed)}
    assert len(jobs) == 12

    for kill in range(KILLS):
        while not disturbed_call(project, random.uniform(1.5, 5.0), kill_job=bool(kill % 2)):
            # Finished before it could be killed: take something away and go on.
            run = random.choice(["one", "two"])
            shutil.rmtree(project.path(f"work/{run}"), ignore_errors=True)
            shutil.rmtree(project.path(f"results/{run}"), ignore_errors=True)
        if kill % 2:  # the workflow lives on and knows what has ended
            continue
        there = receipts(project)
        again = {
            job.outputs[0]
            for job in project.plan(*TARGETS).jobs
            if job.rule == "integrate_chunk" and job.outputs[0] in there
        }
        # Two jobs run at once: no more than those can have ended without the workflow knowing.
        assert len(again) <= 2, project.path("call.log").read_text()

    project.run(*TARGETS)
    same_numbers(project.results(), undisturbed.results())
    assert project.plan(*TARGETS).jobs == []


def test_jobs_that_outlive_a_killed_workflow_do_no_harm(project, tmp_path):
    """The mask changes while jobs of the killed workflow still run with the old one."""
    changed = Project(tmp_path / "undisturbed", project.config, project.rows)
    shutil.copytree(project.folder, changed.folder)
    other_mask = np.load(project.path("saxs_mask.npy"))
    other_mask[:10] = 1
    np.save(changed.path("saxs_mask.npy"), other_mask)
    changed.run(*TARGETS)

    process = subprocess.Popen(
        project.command(*TARGETS),
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    orphan = None
    while process.poll() is None and orphan is None:
        chunks = scripts_of(process.pid, "integrate_chunk")
        orphan = chunks[0] if chunks else None
    assert orphan is not None
    orphan.suspend()
    process.kill()
    process.wait()
    np.save(project.path("saxs_mask.npy"), other_mask)
    project.run(*TARGETS)
    orphan.resume()  # and now it writes, with the old mask, over what the newer job wrote
    psutil.wait_procs([orphan], timeout=300)
    project.path(TARGETS[0]).unlink()
    project.path(TARGETS[1]).unlink()
    again = project.snakemake(*TARGETS)
    if again.code != 0:
        assert "delete the receipt" in again.text, again.text
        for path in receipts(project):
            project.path(path).unlink()
        project.run(*TARGETS)
    same_numbers(project.results(), changed.results())


def test_a_second_workflow_does_not_break_into_a_running_one(project):
    first = subprocess.Popen(
        project.command(*TARGETS),
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while first.poll() is None and not list(project.folder.glob(".snakemake/locks/*")):
            time.sleep(0.02)
        assert first.poll() is None
        second = project.snakemake(*TARGETS)
        assert second.code != 0
        assert "lock" in second.text.lower()
        assert first.wait(timeout=600) == 0
    finally:
        first.kill()
    assert project.plan(*TARGETS).jobs == []
