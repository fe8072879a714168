"""Checks of saxswaxs results: each fires on the fault that is simulated, and none on a good run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.quality.reduced_saxswaxs import (
    CENTRE,
    FRAMES,
    HEADER,
    CheckedRun,
    Simulated,
    reduce_run,
)

from scatterflow.config.quality import Quality
from scatterflow.quality.assess import assess_result
from scatterflow.saxswaxs.calibrant import check_rings, write_ring_verdict
from scatterflow.saxswaxs.ring_positions import ring_positions

CHECKS = Quality().model_dump()["saxswaxs"]
SETTINGS = {"technique": "saxswaxs", "checks": CHECKS, "stops_publication": None}
GOOD = Simulated()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A folder with mask and weights."""
    folder: Path = tmp_path_factory.mktemp("prepared")
    CheckedRun(folder, np.zeros((FRAMES, 1, 1)), np.ones(FRAMES)).prepare()
    return folder


@pytest.fixture(scope="module")
def history(prepared, tmp_path_factory) -> list[Path]:
    """Results of three good runs of the sample."""
    folder = tmp_path_factory.mktemp("history")
    return [
        reduce_run(prepared, folder / str(seed), GOOD.changed(seed=seed)) for seed in (11, 12, 13)
    ]


@pytest.fixture(scope="module")
def rings(tmp_path_factory) -> dict[str, Path]:
    """Verdicts on a calibrant where its rings are, and on one whose distance is 2 % off."""
    folder = tmp_path_factory.mktemp("rings")
    q = np.linspace(1.0, 2.85, 2000)
    found = {}
    for name, scale in (("good", 1.0), ("bad", 1.02)):
        at = ring_positions(np.array([4.156826, 2.939320, 2.399945]), "q_A^-1") * scale
        counts = 100 + sum(2000 * np.exp(-0.5 * ((q - centre) / 0.01) ** 2) for centre in at)
        check = check_rings(q, counts, np.sqrt(counts), "q_A^-1", "LaB6")
        found[name] = folder / f"{name}_rings.json"
        write_ring_verdict(found[name], check)
    return found


@pytest.fixture
def assess(prepared, history, rings, tmp_path) -> Callable[..., dict[str, Any]]:
    """Reduce and check a run; the checks by name, and the whole under `document`."""

    def run(
        simulated: Simulated = GOOD,
        fault: Any = None,
        calibrant: str = "good",
        checks: dict[str, Any] = CHECKS,
        damage: Any = None,
    ) -> dict[str, Any]:
        result = reduce_run(prepared, tmp_path / "run", simulated, fault)
        if damage is not None:
            with h5py.File(result, "r+") as file:
                damage(file)
        found = assess_result(
            result,
            None,
            {**SETTINGS, "checks": checks},
            run="r1",
            reduction="x",
            rings=[rings[calibrant]],
            history=history,
        )
        return {**{check["name"]: check for check in found["checks"]}, "document": found}

    return run


def test_no_check_fires_on_a_good_run(assess):
    found = assess()
    document = found.pop("document")
    assert set(found) == set(CHECKS)
    assert {name: check["verdict"] for name, check in found.items()} == dict.fromkeys(
        CHECKS, "pass"
    )
    assert document["verdict"] == "pass"
    assert document["stopped_by"] == []
    assert found["transmission"]["value"] == pytest.approx(0.7)


def dark(frames):
    frames[7] //= 100


def brighter(frames):
    frames[5] = frames[5] * 3 // 2


def saturated(frames):
    frames[:10, 5:10, 20:40] = 2**32 - 1


def dead(frames):
    frames[:, 10, 12] = 0


def hot(frames):
    frames[:, 30, 12] = 50_000


def half_of_the_run(values: np.ndarray, change: Any) -> np.ndarray:
    values = np.array(values, float)
    values[FRAMES // 2 :] += change
    return values


def one_frame(value: float) -> np.ndarray:
    values = np.ones(FRAMES)
    values[3] = value
    return values


FAULTS: list[tuple[str, Simulated, Any]] = [
    ("frames_missing", GOOD.changed(written=18), None),
    ("frames_dark", GOOD, dark),
    ("outlier_frames", GOOD, brighter),
    ("invalid_values", GOOD, saturated),
    ("dead_pixels", GOOD, dead),
    ("hot_pixels", GOOD, hot),
    ("beam_intensity", GOOD.changed(level=one_frame(0.3)), None),
    ("beam_position", GOOD.changed(beam=half_of_the_run(GOOD.beam, (1.5, -1.0))), None),
    ("transmission", GOOD.changed(transmission=0.001), None),
    ("header_energy", GOOD.changed(header={**HEADER, next(iter(HEADER)): 1.01}), None),
    ("header_distance", GOOD.changed(header={**HEADER, list(HEADER)[1]: 0.22}), None),
    ("header_beam_centre", GOOD.changed(header={**HEADER, list(HEADER)[2]: 30.0}), None),
    ("history_intensity", GOOD.changed(brightness=1600.0), None),
    ("history_shape", GOOD.changed(decay=5.0), None),
]


@pytest.mark.parametrize(("name", "simulated", "fault"), FAULTS, ids=[name for name, *_ in FAULTS])
def test_each_check_fires_on_its_fault(assess, name, simulated, fault):
    found = assess(simulated, fault)
    assert found[name]["verdict"] == CHECKS[name]["on_violation"]
    assert found[name]["sentence"].endswith(".")
    assert found["document"]["verdict"] in ("warn", "fail")


def test_the_beam_is_found_where_it_stands(assess):
    moved = half_of_the_run(GOOD.beam, (1.5, -1.0))
    found = assess(GOOD.changed(beam=moved, seed=5))["beam_position"]
    assert found["value"] == pytest.approx(np.hypot(1.5, 1.0), rel=0.2)


def test_a_sample_that_changes_is_no_beam_that_moves(assess):
    level = np.linspace(1, 2, FRAMES)
    # Brighter and brighter, of another shape in the second half, and all of it round the same centre.
    rows, columns = np.indices((40, 50))
    ring = 200 * np.exp(-0.5 * ((np.hypot(rows - CENTRE[0], columns - CENTRE[1]) - 15) / 3) ** 2)

    def fault(frames):
        frames[FRAMES // 2 :] += np.random.default_rng(2).poisson(ring, (10, 40, 50)).astype("u4")

    found = assess(GOOD.changed(level=level), fault)
    assert found["beam_position"]["verdict"] == "pass"


def test_the_frames_are_named(assess):
    assert assess(GOOD, dark)["frames_dark"]["details"]["frames"] == [7]
    assert assess(GOOD.changed(written=18))["frames_missing"]["details"]["frames"] == [18, 19]


def test_pixels_are_named(assess):
    found = assess(GOOD, hot)["hot_pixels"]["details"]
    assert (found["rows"], found["columns"]) == ([30], [12])


def test_rings_that_are_off_fail(assess):
    found = assess(calibrant="bad")
    assert found["calibrant_rings"]["verdict"] == "fail"
    assert found["calibrant_rings"]["value"] == pytest.approx(0.02, rel=0.05)
    assert found["document"]["stopped_by"] == ["calibrant_rings"]


def remove(path):
    def damage(file):
        del file[path]

    return damage


def cut(path):
    def damage(file):
        values = file[path][:-1]
        del file[path]
        file[path] = values

    return damage


def empty(path):
    def damage(file):
        file[path][...] = np.nan

    return damage


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (remove("entry/area_cake/data/I"), "area_cake/data/I is missing"),
        (remove("entry/sample"), "sample/name is missing"),
        (cut("entry/area_azimuthal/data/I"), "area_azimuthal/data/I has shape (19, 60)"),
        (empty("entry/area_azimuthal/mean/I"), "area_azimuthal/mean/I has no value"),
        (empty("entry/instrument/area/distance"), "distance has no value"),
    ],
)
def test_a_result_that_is_not_whole_fails(assess, damage, what):
    found = assess(damage=damage)
    assert found["structure"]["verdict"] == "fail"
    assert any(what in problem for problem in found["structure"]["details"]["problems"])


def test_a_check_that_is_switched_off_says_so(assess):
    checks = {**CHECKS, "hot_pixels": {"limit": 1e-4, "on_violation": "ignore"}}
    found = assess(GOOD, hot, checks=checks)
    assert found["hot_pixels"]["verdict"] == "not_applicable"
    assert found["document"]["verdict"] == "pass"


def test_a_violation_may_fail(assess):
    checks = {**CHECKS, "hot_pixels": {"limit": 1e-4, "on_violation": "fail"}}
    found = assess(GOOD, hot, checks=checks)
    assert found["document"]["verdict"] == "fail"
    assert found["document"]["stopped_by"] == ["hot_pixels"]


def test_a_short_history_says_nothing(prepared, history, tmp_path):
    shutil.copy(history[0], tmp_path / "result.nxs")
    found = assess_result(
        tmp_path / "result.nxs", None, SETTINGS, run="r1", reduction="x", history=history[1:]
    )
    for check in found["checks"]:
        if check["name"].startswith("history"):
            assert check["verdict"] == "not_applicable"
            assert "2 earlier runs" in check["sentence"]
