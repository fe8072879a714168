"""A run whose raw data is broken, one that is still written, a poisoned chunk: the others are reduced."""

from __future__ import annotations

ONE, TWO = "results/one/x/result.nxs", "results/two/x/result.nxs"


def test_a_broken_run_is_left_out_and_told(project):
    path = project.path("raw/two.h5")
    path.write_bytes(path.read_bytes()[:5000])
    planned = project.plan("results/one/x/result.nxs")
    assert planned.code == 0
    planned = project.plan()
    assert "warning: two/x is left out: " in planned.text
    assert "refuse_run" in planned.rules("two")
    assert planned.rules("two") == {"refuse_run"}
    assert "assemble_result" in planned.rules("one")

    found = project.snakemake()
    assert found.code == 1
    assert project.path(ONE).exists()
    assert not project.path(TWO).exists()
    log = project.path("logs/refuse_run/two/x.log").read_text()
    assert log.startswith("error: ")
    assert "two.h5" in log
    assert "Traceback" not in found.text
    assert found.text.rstrip().count("warning: two/x is left out: ") == 2  # first and last
    again = project.plan()
    assert {job.rule for job in again.jobs} - {"all"} == {"refuse_run"}


def test_policy_stop(project):
    project.config["live"] = {"broken_runs": "stop"}
    project.write()
    project.path("raw/two.h5").unlink()
    found = project.snakemake()
    assert found.code == 1
    assert not project.path("work").exists()
