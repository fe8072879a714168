"""The two-time benchmarks run on small data, and check what they time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import correlation_twotime
from benchmarks.data import FULL


@pytest.mark.parametrize("name", sorted(correlation_twotime.BENCHMARKS))
def test_a_row_of_each_case(name):
    (row,) = correlation_twotime.BENCHMARKS[name](replace(FULL, rounds=1, processes=False))
    assert row.against == correlation_twotime.PEER
    assert row.ratio > 0
    assert row.unit == "bin"


def test_wrong_correlations_are_found():
    case = {"form": "frames", "frames": 60, "pixels": 300, "mean": 5.0}
    correlation_twotime.check(np.ones(60), **case)
    with pytest.raises(RuntimeError, match=r"off by 0\.5"):
        correlation_twotime.check(np.full(60, 1.5), **case)


def test_sparse_counts_have_their_mean():
    block = correlation_twotime.sparse_block(200, 1000, 0.05)
    assert block.occupied == pytest.approx(10_000, rel=0.05)
    assert (np.diff(block.starts) >= 0).all()
    for first, last in zip(block.starts[:20], block.starts[1:21], strict=True):
        assert (np.diff(block.frame[first:last]) > 0).all()
