"""A run whose raw data is broken is left out and told, the others are planned."""

from __future__ import annotations

import pytest

REFUSAL = "work/two/x/raw_data_is_usable"


@pytest.fixture
def broken(project):
    """Run `two` is cut off."""
    path = project.path("raw/two.h5")
    path.write_bytes(path.read_bytes()[:5000])
    return project


def test_a_broken_run_is_left_out_and_told(broken):
    planned = broken.plan()
    assert "warning: two/x is left out: " in planned.text
    assert planned.rules("two") == {"refuse_run"}
    assert "assemble_result" in planned.rules("one")

    found = broken.snakemake(REFUSAL)
    assert found.code == 1
    assert "Traceback" not in found.text
    log = broken.path("logs/refuse_run/two/x.log").read_text()
    assert "error: " in log
    assert "two.h5" in log


def test_policy_stop(broken):
    broken.config["live"] = {"broken_runs": "stop"}
    broken.write()
    found = broken.snakemake("-n")
    assert found.code == 1
    assert "two.h5" in found.text
    assert not found.jobs


def test_a_run_that_is_corrected_with_a_broken_one(broken):
    """And a chunk of a run that is still written can be asked for."""
    corrections = broken.config["reductions"]["x"]["corrections"]
    corrections["background"] = {}
    broken.rows[0]["background"] = "empty"
    broken.rows.append({**broken.rows[0], "run": "empty", "raw": "empty", "background": ""})
    broken.write()
    broken.path("raw/one_005.tif").unlink()
    planned = broken.plan("all", "work/one/x/chunks/000000-000002.json")
    assert planned.rules("empty") == {"refuse_run"}
    assert "assemble_result" not in planned.rules("one")
    assert planned.rules("one") == {"refuse_run", "setup_container", "integrate_chunk"}
