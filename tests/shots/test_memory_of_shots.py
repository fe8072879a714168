"""The largest memory of a chunk job in a process of its own, against the plan, and for runs twice as long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from scatterflow.config.shots import ShotsReduction
from scatterflow.plan.chunks import BASE_MEMORY_MB, SNAKEMAKE_MEMORY_MB, memory_estimate_mb
from scatterflow.plan.memory_shots import shot_load

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SHAPE = (1000, 1000)
SHOTS = 120
REDUCTION: dict[str, Any] = {
    "technique": "shots",
    "defaults": {"facility": "sacla"},
    "detectors": {
        "ccd": {
            "calibration": {
                "adu_per_photon": 10,
                "common_mode": {"steps": [[1, 0]], "level_adu": 9},
            },
            "functions": {
                "whole": {"kind": "region", "threshold": 1.0},
                "coarse": {"kind": "rebin", "shape": [10, 10]},
                "columns": {"kind": "projection", "axis": 0},
            },
            "sums": ["calib", "calib_thresADU1_square", "calib_max"],
            "statistics": {"mean": {"kind": "mean"}, "spread": {"kind": "variance"}},
        }
    },
}
RECIPE = {"format": "shot_hdf5", "tags": "/tags", "detectors": {"ccd": "/data"}}
JOB = """
import json, sys
import numpy as np
from scatterflow.shots.calibrated import calibrated_detector
from scatterflow.shots.reduce import reduce_chunk
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shots import open_shots

job = json.loads(sys.argv[1])
source = open_shots(RunLocation("1", "1.h5", job["folder"], 0, job["recipe"]))
own = {**job["settings"], "constants": None, "geometry": None}
ccd = calibrated_detector(source, "ccd", own, mask=None, dark=None, run="1")
reduce_chunk(
    job["folder"] + "/part.h5", [ccd], {"ccd": own}, {}, {}, source.tags, 0, job["shots"],
    threads=2, label="",
)
with open("/proc/self/status") as status:  # ru_maxrss would count the process that started this one
    print(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


def peak_mb(folder, shots: int) -> float:
    settings = ShotsReduction.model_validate(REDUCTION).model_dump(exclude_none=True)
    job = {
        "folder": str(folder),
        "recipe": RECIPE,
        "settings": settings["detectors"]["ccd"],
        "shots": shots,
    }
    done = subprocess.run(
        [sys.executable, "-c", JOB, json.dumps(job)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) * 1024 / 1e6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    with h5py.File(folder / "1.h5", "w") as file:
        file["tags"] = np.arange(SHOTS)
        # Never written: read as zeros.
        file.create_dataset("data", (SHOTS, *SHAPE), np.uint16)
    return folder


def test_a_chunk_job_holds_what_was_planned_whatever_the_run(folder):
    reduction = ShotsReduction.model_validate(REDUCTION)
    known: Any = SimpleNamespace(
        detectors={"ccd": SimpleNamespace(frame_shape=SHAPE)}, chunks=SimpleNamespace(threads=2)
    )
    load = shot_load(known, reduction, ("ccd",))
    half, whole = peak_mb(folder, SHOTS // 2), peak_mb(folder, SHOTS)
    for shots, measured in ((SHOTS // 2, half), (SHOTS, whole)):
        planned = memory_estimate_mb(load, shots) - SNAKEMAKE_MEMORY_MB
        assert measured < planned, (half, whole, planned)
        assert planned - (BASE_MEMORY_MB - SNAKEMAKE_MEMORY_MB) < 4 * measured
    # A block of 50 frames and what is made of it: the same however many blocks there are.
    assert whole < half + 120
