"""A run whose raw data is broken is left out and told, the others are planned."""

from __future__ import annotations

import sqlite3

import pytest

from scatterflow.quality.checks import document, write_quality

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

    result = broken.path("results/one/x/result.nxs")
    result.parent.mkdir(parents=True)
    result.touch()
    write_quality(result.with_name("quality.json"), document("one", "x", "saxswaxs", [], None))
    found = broken.snakemake(REFUSAL)
    assert found.code == 1
    assert "Traceback" not in found.text
    log = broken.path("logs/refuse_run/two/x.log").read_text()
    assert "error: " in log
    assert "two.h5" in log

    # The jobs that make them wait for run `two` as well: they hold what there is.
    table, page = (broken.path(f"results/quality.{kind}") for kind in ("csv", "html"))
    assert "<td>one</td>" in page.read_text()
    with sqlite3.connect(broken.path("results/catalogue/index.sqlite")) as index:
        assert index.execute("SELECT count(*) FROM records").fetchone() == (0,)
    # The next call that can makes the table anew, whatever else it does.
    for path in (table, page):
        assert path.stat().st_mtime < result.stat().st_mtime


def test_policy_stop(broken):
    broken.config["live"] = {"broken_runs": "stop"}
    broken.write()
    found = broken.snakemake("-n")
    assert found.code == 1
    assert "two.h5" in found.text
    assert not found.jobs


def test_runs_corrected_with_broken_ones_and_chunks_of_runs_still_written(broken):
    """Run `empty` is not there, `one` is corrected with it; of run `late` three frames are there."""
    broken.config["reductions"]["x"]["corrections"]["background"] = {}
    one = broken.rows[0]
    for run in ("empty", "late"):
        broken.rows.append({**one, "run": run, "raw": run, "background": ""})
    one["background"] = "empty"
    broken.write()
    for frame in range(3):
        copy = broken.path(f"raw/late_{frame:03d}.tif")
        copy.write_bytes(broken.path(f"raw/one_{frame:03d}.tif").read_bytes())
    planned = broken.plan("all", "work/late/x/chunks/000000-000002.json")
    assert planned.rules("one") == planned.rules("empty") == {"refuse_run"}
    assert "run empty, which one is corrected with" in planned.text
    assert planned.rules("late") == {"refuse_run", "setup_container", "integrate_chunk"}
