"""The multi-tau benchmarks run on small data, and ours gives the same g2 both ways."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.correlation import BENCHMARKS
from benchmarks.data import FULL


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_small_run_gives_rows(name, tmp_path):
    rows = BENCHMARKS[name](replace(FULL, processes=False, rounds=1, cache=tmp_path))
    assert {row.benchmark.rsplit("(")[-1] for row in rows} == {
        "kernel)",
        "correlate)",
        "sort, correlate)",
    }
    assert all(row.ratio > 0 for row in rows)
