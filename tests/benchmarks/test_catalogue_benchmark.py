"""The benchmark of the catalogue runs, and its rows compare with the limits that it names."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.catalogue import catalogue
from benchmarks.data import FULL


def test_a_small_run_gives_all_rows():
    rows = catalogue(replace(FULL, processes=False))
    assert [row.against for row in rows] == ["5 s", "0.2 s", "0.2 s"]
    assert all(row.ratio > 0 and row.goal == "<= 1" for row in rows)
    assert rows[0].benchmark.startswith("Index 20 results")
