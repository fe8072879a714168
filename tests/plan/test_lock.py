"""The workflow lock, with real processes: live, killed, from another computer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
HOLD = """
import sys
from scatterflow.plan.lock import release_stale_locks
print(release_stale_locks(sys.argv[1]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    """`.snakemake` with the locks that a killed Snakemake leaves."""
    path = tmp_path / ".snakemake"
    leave_locks(path)
    return path


def leave_locks(folder: Path) -> None:
    (folder / "locks").mkdir(parents=True, exist_ok=True)
    (folder / "locks" / "0.input.lock").write_text("raw/x\n")
    (folder / "locks" / "0.output.lock").write_text("results/x\n")


def locked(folder: Path) -> bool:
    return (folder / "locks").is_dir() and any((folder / "locks").iterdir())


@contextmanager
def workflow(folder: Path):
    """A process that starts as a workflow does, and lives until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    process.released = process.stdout.readline().strip() == "True"
    try:
        yield process
    finally:
        if process.poll() is None:
            process.communicate("")
        process.stdout.close()
        process.stdin.close()


def test_left_over_locks_are_released_at_the_start(folder):
    with workflow(folder) as process:
        assert process.released
        assert not locked(folder)


def test_a_fresh_folder_is_fine(tmp_path):
    with workflow(tmp_path / ".snakemake") as process:
        assert process.released
    assert (tmp_path / ".snakemake").is_dir()


def test_a_live_workflow_keeps_its_locks(folder):
    with workflow(folder):
        leave_locks(folder)  # as Snakemake does once it runs jobs
        with workflow(folder) as second:
            assert not second.released
            assert locked(folder)


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_the_locks_of_a_killed_workflow_are_released(folder, kill):
    with workflow(folder) as process:
        leave_locks(folder)
        process.send_signal(kill)
        process.wait()
    assert locked(folder)
    with workflow(folder) as next_one:
        assert next_one.released
        assert not locked(folder)


def test_a_dry_run_that_ends_first_does_not_open_the_door(folder):
    """first starts, second (real) starts, first ends: a third must see that the second lives."""
    with workflow(folder) as first:
        with workflow(folder) as second:
            assert not second.released
            leave_locks(folder)
            first.communicate("")
            with workflow(folder) as third:
                assert not third.released
                assert locked(folder)
        assert locked(folder)
    with workflow(folder) as fourth:
        assert fourth.released


def test_locks_left_by_another_computer_stay(folder):
    (folder / "workflow.lock").write_text("another-computer")
    with workflow(folder) as process:
        assert not process.released
        assert locked(folder)
        with workflow(folder) as second:
            assert not second.released
    assert (folder / "workflow.lock").read_text() == "another-computer"


def test_another_computer_that_left_no_locks_does_not_matter(folder):
    (folder / "workflow.lock").write_text("another-computer")
    for path in (folder / "locks").iterdir():
        path.unlink()
    with workflow(folder) as process:
        assert process.released
    assert (folder / "workflow.lock").read_text() == socket.gethostname()


def test_a_folder_that_cannot_be_made_is_left_to_snakemake(tmp_path):
    (tmp_path / "file").write_text("")
    with workflow(tmp_path / "file" / ".snakemake") as process:
        assert not process.released


def test_a_child_does_not_keep_the_lock_of_a_killed_workflow(folder):
    """A job may outlive the workflow that started it."""
    code = """
import subprocess, sys
from scatterflow.plan.lock import release_stale_locks
release_stale_locks(sys.argv[1])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
print(child.pid, flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    with process:
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        try:
            leave_locks(folder)
            with workflow(folder) as next_one:
                assert next_one.released
        finally:
            os.kill(child, signal.SIGKILL)
