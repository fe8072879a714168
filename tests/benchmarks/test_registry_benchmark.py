"""The benchmark of the registry runs, and its rows compare with the limits that it names."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.data import FULL
from benchmarks.registry import registry


def test_a_small_run_gives_all_rows():
    rows = registry(replace(FULL, processes=False))
    assert [row.against for row in rows] == ["10 s", "0.5 s", "0.1 s", "60 MB"]
    assert all(row.ratio > 0 and row.goal == "<= 1" for row in rows)
    assert rows[0].benchmark.startswith("Register 20 masks")
