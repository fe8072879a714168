"""The benchmark of the portal runs, and its rows compare with the limit that it names."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from benchmarks.data import FULL
from benchmarks.portal import portal


@pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")
def test_a_small_run_gives_all_rows():
    rows = portal(replace(FULL, processes=False))
    assert [row.against for row in rows] == ["1 s", "1 s", "itself"]
    assert [row.goal for row in rows] == ["<= 1", "<= 1", None]
    assert all(row.ratio > 0 for row in rows)
    assert rows[0].benchmark.startswith("Portal of 50 results")
