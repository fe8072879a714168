"""A small project on a real Slurm: a node dies, jobs are cancelled, the workflow is killed; same numbers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
import yaml

from scatterflow.plan.left_over import cancel_left_over
from tests.end_to_end.conftest import Project, environment, make_project, same_numbers

from .toy_slurm import SYSTEM_FILE, ToySlurm, missing_programs

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]
TARGET = "results/two/x/result.nxs"
SITE = {
    "partition": "main",
    "seconds_between_looks": 1,
    "seconds_for_files": 3,
}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[ToySlurm]:
    if os.geteuid() != 0:
        pytest.skip("a toy Slurm is started by root only")
    if not os.environ.get("SCATTERFLOW_TEST_SLURM"):
        pytest.skip(
            "set SCATTERFLOW_TEST_SLURM=1: it takes a computer's Slurm for itself, for minutes"
        )
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    if SYSTEM_FILE.exists():
        pytest.skip(f"there is a Slurm here already: {SYSTEM_FILE}")
    SYSTEM_FILE.unlink(missing_ok=True)  # left by tests that were killed, it leads nowhere
    cluster = ToySlurm(tmp_path_factory.mktemp("toy") / "slurm")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def project(tmp_path) -> Project:
    """Three chunks of one run, one integration."""
    made = make_project(tmp_path / "project")
    made.rows = [made.rows[1]]
    integrations = made.config["reductions"]["x"]["integrations"]
    made.config["reductions"]["x"]["integrations"] = {"azimuthal": integrations["azimuthal"]}
    made.write()
    site = made.path("profiles/site.yaml")
    site.write_text(yaml.safe_dump({**yaml.safe_load(site.read_text()), **SITE}))
    return made


def call(project: Project, slurm: ToySlurm, log: str) -> subprocess.Popen:
    with open(project.path(log), "w") as stream:
        return subprocess.Popen(
            project.command("--profile", "profiles/slurm", TARGET),
            cwd=project.folder,
            env={**environment(), **slurm.commands},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_for_chunks(slurm: ToySlurm, process: subprocess.Popen, number: int) -> list[str]:
    """Numbers of running chunk jobs, as soon as there are so many."""
    deadline = time.monotonic() + 240
    while True:
        running = [
            line.split()[0]
            for line in slurm.squeue("%A %k", "--states=running")
            if "integrate_chunk" in line
        ]
        if len(running) >= number:
            return running
        assert process.poll() is None, "the workflow ended early"
        assert time.monotonic() < deadline, slurm.squeue("%A %k %T %R")
        time.sleep(0.1)


def test_faults_cost_time_and_nothing_else(project, slurm, tmp_path, monkeypatch):
    undisturbed = Project(tmp_path / "undisturbed", project.config, project.rows)
    shutil.copytree(project.folder, undisturbed.folder)
    undisturbed.run(TARGET)

    process = call(project, slurm, "first.log")
    jobs = wait_for_chunks(slurm, process, 2)
    # One of them dies with its node, the other is cancelled.
    node = slurm.squeue("%N", f"--jobs={jobs[0]}")[0]
    slurm.kill_node(node)
    slurm.scancel(jobs[1])
    again = wait_for_chunks(slurm, process, 1)
    assert again
    process.send_signal(signal.SIGKILL)
    process.wait()
    slurm.start_node(node)
    monkeypatch.setenv("SLURM_CONF", slurm.commands["SLURM_CONF"])
    left = slurm.squeue("%A")

    process = call(project, slurm, "second.log")
    assert process.wait(timeout=300) == 0, project.path("second.log").read_text()
    text = project.path("second.log").read_text()
    assert set(re.findall(r"note: job (\d+) of a killed workflow was cancelled", text)) <= set(left)
    same_numbers(project.results(), undisturbed.results())
    # What was made before the kill and was whole is not made again.
    assert "rule prepare_integration:" not in text
    assert project.plan(TARGET).jobs == []


def test_only_jobs_of_this_folder_are_cancelled(slurm, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", slurm.commands["SLURM_CONF"])
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
        command = [
            "sbatch",
            "--parsable",
            "--hold",
            "-J",
            name,
            "-D",
            str(folder),
            "--wrap",
            "true",
        ]
        submitted[folder.name, name] = subprocess.run(
            command,
            env={**environment(), **slurm.commands},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    expected = {submitted["here", uuid], submitted["here", f"beamtime_{uuid}"]}
    assert set(cancel_left_over(here)) == expected
    assert cancel_left_over(here) == []
    assert set(slurm.squeue("%A")) == set(submitted.values()) - expected
    slurm.scancel(*(set(submitted.values()) - expected))
