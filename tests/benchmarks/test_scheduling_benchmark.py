"""The benchmark of planning and starting jobs: its project is planned, and its job runs; no speeds."""

from __future__ import annotations

import re

from benchmarks.scheduling import RESULT, make_project, one_job
from benchmarks.workflow import snakemake


def test_every_frame_is_a_job_that_runs(tmp_path):
    make_project(tmp_path, 5)
    assert re.search(r"integrate_chunk +5\n", snakemake(tmp_path, "--dry-run", "--", RESULT))
    one_job(str(tmp_path))()
    assert [path.name for path in tmp_path.rglob("0*.json")] == ["000000-000001.json"]
