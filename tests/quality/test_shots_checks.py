"""Checks of shots results: a simulated run through the real reduction, then a fault in what it wrote."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.plots.shot_files import FILTERS, RUN, VARIABLES, simulated, simulated_shots

from scatterflow.config.quality import Quality
from scatterflow.quality.assess import assess_result
from scatterflow.shots.calibrated import calibrated_detector
from scatterflow.shots.make_dark import make_dark
from scatterflow.shots.merge import merge_shots
from scatterflow.shots.reduce import reduce_chunk
from scatterflow.shots.result import write_result
from scatterflow.shots.small_data import open_small_data
from scatterflow.shots.table import read_table, tabulate_shots

CHECKS = Quality().model_dump()["shots"]
SETTINGS = {"technique": "shots", "checks": CHECKS, "stops_publication": None}
EXPERIMENT = {
    **{"title": "Test", "facility": "Lab", "facility_type": "Free-Electron Laser"},
    **{"beamline": "B1", "proposal": "", "creators": ["A. Person"]},
}


@pytest.fixture(scope="module")
def reduced(tmp_path_factory) -> Path:
    """A folder with the result and the small data of a good run."""
    folder: Path = tmp_path_factory.mktemp("shots")
    make_dark(
        folder / "dark.h5", simulated(folder / "d", dark=True), "ccd", {"rms": [0, 20]}, "1000"
    )
    source = simulated(folder)
    defaults = simulated_shots.simulated_shot_defaults("sacla")
    tabulate_shots(folder / "table.h5", source, defaults, "1001")
    table = read_table(folder / "table.h5")
    settings = {
        "calibration": {"adu_per_photon": RUN.adu_per_photon},
        "constants": None,
        "geometry": {"shape": [48, 40], "geometry": None},
        "functions": {"whole": {"kind": "region"}},
        "sums": ["calib"],
        "statistics": {},
    }
    dark = str(folder / "dark.h5")
    detector = calibrated_detector(source, "ccd", settings, mask=None, dark=dark, run="1001")
    part = folder / "part.h5"
    reduce_chunk(
        part, [detector], {"ccd": settings}, table.columns, {}, table.tags, 0, RUN.shots,
        threads=1, label="test",
    )  # fmt: skip
    every = {"defaults": {}, "detectors": {"ccd": settings}}
    every |= {"variables": VARIABLES, "filters": FILTERS}
    told = {"run": "1001", "reduction": "x", "sample": "a liquid", "experiment": EXPERIMENT}
    summed = merge_shots(folder / "small.h5", [part], table, [detector], every, told, label="test")
    small = open_small_data(folder / "small.h5")
    write_result(folder / "result.nxs", small, summed, table, [detector], every, told)
    return folder


@pytest.fixture
def assess(reduced, tmp_path) -> Callable[..., dict[str, Any]]:
    """Check a copy of the run with faults in its small data and in its result; the checks by name."""

    def run(in_small: Any = None, in_result: Any = None) -> dict[str, Any]:
        for name, fault in (("small.h5", in_small), ("result.nxs", in_result)):
            shutil.copy(reduced / name, tmp_path)
            if fault is not None:
                with h5py.File(tmp_path / name, "r+") as file:
                    fault(file)
        found = assess_result(
            tmp_path / "result.nxs",
            None,
            SETTINGS,
            run="1001",
            reduction="x",
            small_data=tmp_path / "small.h5",
            history=[reduced / "result.nxs"] * 3,
        )
        return {**{check["name"]: check for check in found["checks"]}, "document": found}

    return run


def test_no_check_fires_on_a_good_run(assess):
    found = assess()
    document = found.pop("document")
    assert set(found) == set(CHECKS)
    assert {check["verdict"] for check in found.values()} == {"pass"}, found
    assert document["verdict"] == "pass"


def lost(file):
    file["damage/ccd"][::5] = 0


def late(file):
    file["tt/valid"][::3] = 0
    file["tt/valid"][1::3] = 0


def blocked(file):
    for name in file["filters"]:
        file[f"filters/{name}"][3:] = 0


def fading(file):
    monitor = file["ipm2/sum"]
    values = monitor[()]
    values[values.size // 2 :] *= 0.05
    monitor[...] = values


def hot(file):
    file["entry/ccd_sums/calib"][0, 5, 5] = 1e6
    file["entry/ccd_sums/calib"][1, 9, 20] = 1e6


def dead(file):
    sums = file["entry/ccd_sums/calib"]
    sums[...] = np.maximum(sums[()], 50.0)
    sums[0, 5, 5] = sums[1, 9, 20] = 0


def brighter(file):
    file["entry/ccd_sums/calib"][...] *= 3


FAULTS = {
    "frames_missing": (lost, None),
    "time_tool": (late, None),
    "shots_passing": (blocked, None),
    "beam_intensity": (fading, None),
    "hot_pixels": (None, hot),
    "dead_pixels": (None, dead),
    "history_intensity": (None, brighter),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_check_fires_on_its_fault(assess, name):
    found = assess(*FAULTS[name])
    assert found[name]["verdict"] == CHECKS[name]["on_violation"], found[name]
    assert found["document"]["verdict"] == "warn"


def test_what_is_not_reduced_may_be_missing(assess):
    def absent(file):
        shots = file["damage/ccd"].shape
        file["damage/ipm2"] = file["damage/other_camera"] = np.zeros(shots, np.int8)

    found = assess(absent)
    assert found["frames_missing"]["verdict"] == "pass"
    # A monitor is one, whether or not the facility tells if shots have it.
    assert found["beam_intensity"]["details"]["monitor"] == "ipm2/sum"


def test_every_check_has_its_fault():
    assert set(FAULTS) == set(CHECKS) - {"structure"}


def test_a_result_that_is_not_whole_fails(assess):
    def cut(file):
        values = file["ipm2/sum"][:-1]
        del file["ipm2/sum"]
        file["ipm2/sum"] = values

    def remove(file):
        del file["entry/ccd_sums/calib_count"], file["entry/sample"]

    assert assess(cut)["structure"]["verdict"] == "fail"
    found = assess(None, remove)
    assert found["structure"]["details"]["problems"] == ["entry/sample/name is missing"]
