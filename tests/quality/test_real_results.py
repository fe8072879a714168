"""Measured data with known answers: frames that are all but dark, and dynamics that slow down."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.quality.reduced_xpcs import SPECKLES, Taken, reduce_frames, reduce_run
from tests.sources.event_runs import opened
from tests.xpcs.runs_in_memory import small_qmap

from scatterflow.config.quality import Quality
from scatterflow.quality.assess import assess_result
from scatterflow.xpcs.result import read_result, write_result
from scatterflow.xpcs.twotime import TwoTimeSettings, analyse_map

CHECKS = Quality().model_dump()["xpcs"]
SETTINGS = {"technique": "xpcs", "checks": CHECKS, "stops_publication": None}


def checks_of(result) -> dict[str, dict]:
    found = assess_result(result, None, SETTINGS, run="r1", reduction="x")
    return {check["name"]: check for check in found["checks"]}


def test_frames_that_are_all_but_dark_are_starved(real_data, tmp_path):
    """Ten lit pixels of 800 000, three of them hot, whose thousands of counts are not the sample's."""
    path = real_data("aps-8idi-imm") / "B020_bluesky_demo_00001-00021.imm"
    source = opened(path.parent, {"format": "imm", "frames": {"d": path.name}}, 21, (516, 1556))
    rows, columns = np.indices((516, 1556))
    ring = np.minimum(np.hypot(rows - 258, columns - 778) // 100, 3).astype(int) + 1
    # A part of the detector, for speed: the hot pixels are in it.
    ring[180:] = 0
    result = reduce_frames(
        tmp_path / "run", source.read("d", 0, 21), small_qmap(ring, ring), Taken()
    )
    found = checks_of(result)
    assert found["photon_starvation"]["verdict"] == "fail"
    assert found["photon_starvation"]["details"]["number"] == 4
    hot = found["hot_pixels"]["details"]
    pixels = {row * 1556 + column for row, column in zip(hot["rows"], hot["columns"], strict=True)}
    assert {35824, 257535, 259091} <= pixels
    # What starved bins have for g2 is not judged.
    for name in ("g2_baseline", "g2_contrast", "ageing"):
        assert found[name]["verdict"] == "not_applicable"


def test_dynamics_that_slow_down_are_ageing(real_data, tmp_path):
    c2 = np.load(real_data("nsls2-two-time") / "two_time.npy")
    as_long = replace(SPECKLES, frames=len(c2))
    steady, _ = reduce_run(tmp_path / "steady", Taken(as_long, twotime=True))
    assert checks_of(steady)["ageing"]["verdict"] == "pass"
    correlation = read_result(steady)
    measured = replace(analyse_map(c2, TwoTimeSettings(partial=2, ages=2)), bin=1)
    aged = tmp_path / "aged.nxs"
    write_result(aged, replace(correlation, twotime=(measured,)))
    found = checks_of(aged)["ageing"]
    assert found["verdict"] == "warn"
    assert found["details"]["bins"] == [2]
    assert found["value"] > 0.2
