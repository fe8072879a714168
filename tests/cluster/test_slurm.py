"""Runs of all techniques on a real Slurm, through all that may go wrong there: same numbers.

A node dies, a job needs more memory than it may have, jobs are cancelled and interrupted, the controller is
away, the workflow is killed and called again.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scatterflow.plan.left_over import cancel_left_over
from tests.end_to_end.conftest import Project, environment, planned_jobs, same_numbers

from .small_demo import CHUNK_RULES, TARGETS, copy_raw, make_small_demo
from .toy_slurm import ToySlurm, missing_programs

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

# Found by Slurm once a second. More than any job holds before it computes, less than this one then needs.
TOO_LITTLE_MEMORY = "tabulate_shots:mem_mb=300 if attempt == 1 else 2000"
PATIENCE_SECONDS = 1200


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[ToySlurm]:
    if os.geteuid() != 0:
        pytest.skip("a toy Slurm is started by root only")
    if not os.environ.get("SCATTERFLOW_TEST_SLURM"):
        pytest.skip("SCATTERFLOW_TEST_SLURM=1 is not set: it takes minutes beside other tests")
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    if not Path("/sys/devices/system/cpu").is_dir():
        pytest.skip("slurmd needs /sys")
    cluster = ToySlurm(tmp_path_factory.mktemp("toy") / "slurm")
    try:
        try:
            cluster.start()
        except (RuntimeError, subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"a toy Slurm does not start here: {error}")
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Project:
    """One run of each technique, reduced on this computer."""
    project = make_small_demo(tmp_path_factory.mktemp("undisturbed") / "project")
    project.run(*TARGETS)
    return project


@contextmanager
def called(
    project: Project, slurm: ToySlurm, profile: str, log: Path, *more: str
) -> Iterator[subprocess.Popen]:
    """The workflow on the cluster; what still runs of it in the end is killed."""
    with open(log, "w") as stream:
        process = subprocess.Popen(
            project.command("--profile", f"profiles/{profile}", *more),
            cwd=project.folder,
            env={**environment(), **slurm.environment},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def chunk_jobs(slurm: ToySlurm, state: str = "running") -> list[str]:
    """Numbers of the chunk jobs in a state."""
    lines = [line.split() for line in slurm.squeue("%A %k", f"--states={state}")]
    return [number for number, comment in lines if any(rule in comment for rule in CHUNK_RULES)]


def two_of(jobs: list[str]) -> list[str]:
    """The jobs, or none if there are less than two."""
    return jobs if len(jobs) >= 2 else []


def wait_until(process: subprocess.Popen, log: Path, condition):
    """What `condition` returns as soon as it is true; the workflow must not end before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert process.poll() is None, f"it ended early: {log.read_text()[-4000:]}"
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.1)
    return found


def finished(log: Path) -> set[str]:
    """Outputs of the jobs that a workflow saw end well."""
    text = log.read_text()
    outputs = {
        found[2]: found[1].split(", ")
        for found in re.finditer(r"^    output: (.*)\n(?:    .*\n)*?    jobid: (\d+)$", text, re.M)
    }
    ended = re.findall(r"^Finished jobid: (\d+)", text, re.M)
    return {path for number in ended for path in outputs[number]}


def interrupted(slurm: ToySlurm) -> bool:
    """Somebody else takes all nodes for a moment; whether a job went back into the queue for that."""
    whole_cluster = ["--partition=main", f"--nodes={slurm.nodes}", "--exclusive"]
    slurm.run("sbatch", "--wait", *whole_cluster, "--output=/dev/null", "--wrap=true")
    return bool(re.search(r" Restarts=[1-9]", slurm.run("scontrol", "-o", "show", "jobs")))


def test_faults_cost_time_and_nothing_else(slurm, undisturbed, tmp_path):
    project = copy_raw(
        undisturbed, tmp_path / "project", partition="main", backfill_partition="backfill"
    )
    first, second = project.path("first.log"), project.path("second.log")

    memory = ("--set-resources", TOO_LITTLE_MEMORY)
    with called(project, slurm, "slurm", first, *TARGETS, *memory) as process:
        # One chunk job dies with its node, another is cancelled, and then the controller restarts.
        jobs = wait_until(process, first, lambda: two_of(chunk_jobs(slurm)))
        (node,) = slurm.squeue("%N", f"--jobs={jobs[0]}")
        slurm.kill_node(node)
        slurm.scancel(jobs[1])
        slurm.stop_controller()
        slurm.start_controller()
        for told in ("exceeded memory limit", "'CANCELLED'", "'NODE_FAIL'"):
            wait_until(process, first, lambda told=told: told in first.read_text())
        wait_until(process, first, lambda: slurm.squeue("%A", "--states=running"))
        process.kill()
    slurm.start_node(node)
    left = slurm.squeue("%A")
    whole = finished(first)

    # What is left is done in the gaps that others leave, who come and take the nodes.
    with called(project, slurm, "slurm-backfill", second, *TARGETS) as process:
        wait_until(process, second, lambda: slurm.squeue("%A", "--states=running"))
        wait_until(process, second, lambda: interrupted(slurm))
        assert process.wait(timeout=PATIENCE_SECONDS) == 0, second.read_text()
    text = second.read_text()
    assert set(re.findall(r"note: job (\d+) of a killed workflow was cancelled", text)) <= set(left)
    again = {path for job in planned_jobs(text) for path in job.outputs}
    assert again
    assert not again & whole
    # Slurm starts interrupted jobs again by itself.
    assert "Error in rule" not in text
    same_numbers(project.results(), undisturbed.results())
    assert project.plan(*TARGETS).jobs == []


def test_only_jobs_of_this_folder_are_cancelled(slurm, tmp_path, monkeypatch):
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    uuid = "c0bb61ab-2a01-4bca-a9f4-c03878696c7f"
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    submitted = {}
    for folder, name in (
        (here, uuid),
        (here, f"beamtime_{uuid}"),
        (here, "mine"),
        (elsewhere, uuid),
    ):
        folder.mkdir(exist_ok=True)
        job = ["--hold", "-J", name, "-D", str(folder), "--wrap", "true"]
        submitted[folder.name, name] = slurm.run("sbatch", "--parsable", *job).strip()
    expected = {submitted["here", uuid], submitted["here", f"beamtime_{uuid}"]}
    assert set(cancel_left_over(here)) == expected
    assert cancel_left_over(here) == []
    assert set(slurm.squeue("%A")) == set(submitted.values()) - expected
    slurm.scancel(*(set(submitted.values()) - expected))
