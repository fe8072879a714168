"""States of results, from the files that jobs leave."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path

import pytest

from scatterflow.live.states import result_states
from scatterflow.live.times import MOST_READ, times_by_rule
from scatterflow.live.workflow_life import is_locked, workflow_lives
from scatterflow.plan.targets import delivered_files

from .conftest import job

ERROR = "error: the file ends after 3 frames\nwhere: raw/a.h5, frame 3\nmend:  copy it again\n"


@pytest.fixture
def plan(project):
    project.write(("a", "tiffs", 5))
    return project.plan()


@pytest.fixture
def living(project):
    """A workflow of this computer: its lock, and Snakemake's."""
    locks = Path(".snakemake/locks")
    locks.mkdir(parents=True)
    (locks / "0.output.lock").touch()
    with open(".snakemake/workflow.lock", "w") as file:
        file.write(socket.gethostname())
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def state(plan):
    (found,) = result_states(plan)
    return found


def test_nothing_has_run(plan):
    assert state(plan).state == "waiting"
    assert (state(plan).chunks_done, state(plan).chunks) == (0, 3)


def test_everything_is_there(plan):
    for path in delivered_files(plan.reductions["a", "x"]):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    assert state(plan).state == "done"
    Path(delivered_files(plan.reductions["a", "x"])[-1]).unlink()
    assert state(plan).state == "waiting"


def test_a_failed_chunk_is_told_with_file_and_frame(plan):
    job("integrate_chunk", "a/x/000000-000002", log="2026 fine\n", done=11)
    job("integrate_chunk", "a/x/000002-000004", log="2026 reading\n" + ERROR)
    found = state(plan)
    assert found.state == "failed"
    assert found.reason == "the file ends after 3 frames (raw/a.h5, frame 3)"
    assert [job.log for job in found.failures] == ["logs/integrate_chunk/a/x/000002-000004.log"]


def test_a_benchmark_older_than_the_log_is_of_an_earlier_attempt(plan):
    job("integrate_chunk", "a/x/000000-000002", log=ERROR, log_time=20, done=15)
    assert state(plan).state == "failed"
    job("integrate_chunk", "a/x/000000-000002", log=ERROR, log_time=20, done=20)
    assert state(plan).state == "waiting"


def test_chunks_of_an_earlier_plan_do_not_count(plan):
    job("integrate_chunk", "a/x/000000-000005", log=ERROR)
    assert state(plan).state == "waiting"


def test_a_shared_product_that_fails_is_the_reason(plan):
    (key,) = plan.weights
    job("prepare_integration", key, log=ERROR)
    assert state(plan).state == "failed"


def test_a_refusal_counts_until_other_jobs_run(plan):
    job("refuse_run", "a/x", log=ERROR, log_time=10)
    assert state(plan).state == "failed"
    job("setup_container", "a/x", log_time=12, done=13)
    assert state(plan).state == "waiting"


def test_jobs_that_end_without_a_word(plan):
    job("setup_container", "a/x", log="")
    assert state(plan).state == "stopped"
    assert "logs/setup_container/a/x.log" in state(plan).reason


def test_jobs_of_a_living_workflow_run(plan, living):
    job("setup_container", "a/x", log="")
    assert state(plan).state == "running"
    assert state(plan).reason == ""


def test_receipts_are_counted(plan):
    Path("work/a/x/chunks").mkdir(parents=True)
    for name in ("000000-000002.json", "000004-000005.json", "000000-000004.json", ".x.tmp"):
        Path("work/a/x/chunks", name).touch()
    assert state(plan).chunks_done == 2


def test_locks_of_a_living_workflow(living):
    assert workflow_lives()
    assert is_locked(".snakemake/workflow.lock")


def test_no_locks(project):
    assert not workflow_lives()


def test_locks_of_a_killed_workflow(project):
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").touch()
    lock = Path(".snakemake/workflow.lock")
    lock.write_text(socket.gethostname())
    assert not workflow_lives()
    lock.write_text("another-computer")
    assert workflow_lives()


def test_where_time_went(project):
    job("integrate_chunk", "a/x/000000-000002", done=10)
    job("integrate_chunk", "a/x/000002-000004", done=12)
    job("integrate_chunk", "b/x/000000-000002", done=11)
    job("build_mask", "saxs-1", done=10)
    Path("logs/benchmarks/build_mask/half.tsv").write_text("s\th:m")
    found = {item.rule: item for item in times_by_rule()}
    assert found["integrate_chunk"].seconds == 2.5 + 4.5 + 3.5
    assert found["integrate_chunk"].jobs == 3
    (own,) = times_by_rule("a")
    assert (own.rule, own.seconds, own.exact) == ("integrate_chunk", 7.0, True)


def test_many_files_are_read_in_part(project):
    for number in range(MOST_READ + 10):
        job("plot_frames", f"r{number}/x/saxs", done=10 + number % 2)
    (found,) = times_by_rule()
    assert not found.exact
    assert found.jobs == MOST_READ + 10
    # Either half of them takes 2.5 or 3.5 s.
    assert 2.5 * found.jobs < found.seconds < 3.5 * found.jobs
