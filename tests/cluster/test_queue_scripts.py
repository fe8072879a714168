"""Submitting to and asking a queue: commands that answer as Grid Engine, PBS and LSF do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .conftest import Shims


def wait_for(shims: Shims, number: str, state: str) -> None:
    deadline = time.monotonic() + 60
    while shims.status(number) != state:
        assert time.monotonic() < deadline, f"never {state}"
        time.sleep(0.1)


ARGUMENTS = {
    "sge": ["h_rt=5400,mem_free=251M", "smp", "4"],  # memory for each of 4 slots, rounded up
    "pbs": ["select=1:ncpus=4:mem=1001mb", "walltime=5400"],
    "lsf": ["-n", "4", "-W", "90", "-M", "1001MB", "rusage[mem=1001MB] span[hosts=1]"],
}


def test_a_job_asks_for_what_it_needs(shims):
    done = shims.submit("true", "-q", "long queue")
    assert done.returncode == 0, done.stderr
    arguments = (shims.queue / "1.arguments").read_text().splitlines()
    assert set(ARGUMENTS[shims.scheduler]) <= set(arguments)
    assert arguments[-2:] == ["-q", "long queue"]


@pytest.mark.parametrize(("code", "state"), [(0, "success"), (3, "failed")])
def test_a_job_tells_its_end_without_the_scheduler(shims, code, state):
    number = shims.submit(f"exit {code}").stdout.strip()
    wait_for(shims, number, state)
    shims.set("down")
    before = (shims.queue / "questions").read_text() if (shims.queue / "questions").exists() else ""
    assert shims.status(number) == state
    after = (shims.queue / "questions").read_text() if (shims.queue / "questions").exists() else ""
    assert after == before


def test_a_job_waits_while_the_scheduler_knows_it_or_does_not_answer(shims):
    go = shims.folder / "go"
    number = shims.submit(f"while [[ ! -e {go} ]]; do sleep 0.1; done").stdout.strip()
    assert shims.status(number) == "running"
    shims.set("down")
    for _ in range(3):
        assert shims.status(number, QUEUE_GRACE_SECONDS="0") == "running"
    shims.unset("down")
    shims.set("slow")
    assert shims.status(number, QUEUE_GRACE_SECONDS="0", QUEUE_PATIENCE_SECONDS="1") == "running"
    shims.unset("slow")
    go.touch()
    wait_for(shims, number, "success")


def test_a_job_that_vanished_has_failed_but_not_at_once(shims):
    """Killed with its node: it is gone from the queue, and nothing tells how it ended."""
    shims.set("held")
    number = shims.submit("true").stdout.strip()
    assert shims.status(number, QUEUE_GRACE_SECONDS="60") == "running"
    assert shims.status(number, QUEUE_GRACE_SECONDS="60") == "running"
    assert shims.status(number, QUEUE_GRACE_SECONDS="0") == "failed"


def test_an_older_job_of_the_same_number_does_not_count(shims):
    number = shims.submit("true").stdout.strip()
    wait_for(shims, number, "success")
    (shims.queue / "last").unlink()
    shims.set("held")
    assert shims.submit("false").stdout.strip() == number
    assert shims.status(number, QUEUE_GRACE_SECONDS="60") == "running"


def test_many_jobs_ask_once(shims):
    shims.set("held")
    numbers = [shims.submit("true").stdout.strip() for _ in range(5)]
    for number in numbers:
        assert shims.status(number, QUEUE_FRESH_SECONDS="60") == "running"
    assert (shims.queue / "questions").read_text().count("asked") == 1


def test_a_submission_that_is_refused_is_an_error(shims):
    shims.set("down")
    done = shims.submit("true")
    assert done.returncode != 0
    assert not done.stdout
    assert not list(Path(shims.folder, ".snakemake", "queue").glob("*.submitted"))


def test_a_scheduler_that_restarts_is_asked_again(shims):
    (shims.queue / "refuse").write_text("2")
    number = shims.submit("true").stdout.strip()
    wait_for(shims, number, "success")
    assert not list(Path(shims.folder, ".snakemake", "queue").glob(".job.*"))
