"""Curves of the benchmarks on tiny detectors, and the pictures that are drawn of them; no speeds."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmarks import figures, scaling
from benchmarks.data import Size


@pytest.fixture
def tiny(tmp_path) -> Size:
    return Size(
        eiger=(40, 30),
        eiger_frames=2,
        bins=(40, 12, 20),
        rounds=1,
        processes=False,
        cache=tmp_path / "cache",
    )


@pytest.mark.parametrize("name", scaling.BENCHMARKS)
def test_a_curve_has_a_row_for_each_of_its_points(name, tiny):
    rows = scaling.BENCHMARKS[name](tiny)
    (curve,) = {row.curve for row in rows}
    assert curve in figures.CURVES
    at = [row.at for row in rows]
    assert at == sorted(set(at))
    assert all(row.ratio > 0 and row.goal is None for row in rows)
    if name != "scaling-threads":
        assert len(rows) == 2


def row(ratio: float, goal: str | None, curve: str | None = None, at: float | None = None) -> dict:
    return {
        "benchmark": "one", "against": "peer (x)", "ratio": ratio, "goal": goal,
        "met": None if goal is None else ratio >= float(goal.split()[1]),
        "unit": "frame", "cpu_seconds": 1e-3 * ratio, "peer_cpu_seconds": 1e-3,
        "curve": curve, "at": at,
    }  # fmt: skip


def test_a_margin_is_above_one_where_the_goal_is_met():
    assert figures.margin(row(20, ">= 10")) == 2
    assert figures.margin(row(5, ">= 10")) == 0.5
    assert figures.margin(row(0.5, "<= 1")) == 2
    assert figures.margin(row(4, "<= 1")) == 0.25


def test_pictures_are_drawn_of_what_there_is(tmp_path):
    assert figures.draw_figures([row(3, None)], tmp_path) == []
    rows = [row(20, ">= 10"), row(2, None, "bins", 100.0), row(3, None, "bins", 10.0)]
    drawn = figures.draw_figures(rows, tmp_path)
    assert [path.name for path in drawn] == ["ratios.png", "scaling.png"]
    for path in drawn:
        with Image.open(path) as image:
            assert image.size[0] > 300
            assert np.asarray(image.convert("L")).std() > 5
