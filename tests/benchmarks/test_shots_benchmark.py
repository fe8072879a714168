"""The benchmark of droplets on tiny frames: it runs, its peer agrees, a difference is noticed; no speeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import shots
from benchmarks.data import FULL


def test_the_droplet_benchmark_runs_and_its_peer_agrees():
    rows = shots.shots(replace(FULL, rounds=1, processes=False))
    assert len(rows) == 9
    assert all(row.ratio > 0 for row in rows)
    assert [row.goal for row in rows[:3]] == [">= 20", ">= 50", None]
    assert rows[1].peer_seconds == pytest.approx(1 / 10.2)


def test_photons_that_differ_are_noticed():
    frames, good = shots.simulated(shape=(60, 50), frames=1, density=0.05)
    photons = shots.scipy_photons(frames[0], good)
    shots.same_photons([photons], [photons[::-1]])
    for wrong in (photons[1:], photons + [[0, 0.01]]):
        with pytest.raises(ValueError, match="frame 0"):
            shots.same_photons([photons], [wrong])
    assert np.isfinite(photons).all()
