"""The benchmark of the accumulators runs, its results agree with numpy's, and its rows name their peers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import accumulators
from benchmarks.data import FULL

SMALL = replace(FULL, processes=False, rounds=1)


@pytest.mark.parametrize("name", accumulators.BENCHMARKS)
def test_a_small_run_gives_all_rows(name):
    rows = accumulators.BENCHMARKS[name](SMALL)
    assert all(row.ratio > 0 for row in rows)
    assert {row.goal for row in rows} == {">= 3", ">= 10"}
    assert sum("generatorpipeline" in row.against for row in rows) == len(rows) - sum(
        "numpy" in row.against for row in rows
    )
