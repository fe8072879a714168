"""A small project in a folder of its own, with raw data that is copied in as a test wishes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fabio
import h5py
import numpy as np
import pytest
import yaml

from scatterflow.plan.build import Plan, build_plan

SHAPE = (6, 8)
GEOMETRY = {
    "distance_m": 0.2,
    "poni1_m": 0.001,
    "poni2_m": 0.001,
    "wavelength_m": 1e-10,
    "pixel1_m": 1e-4,
    "pixel2_m": 1e-4,
}
CONFIGURATION: dict[str, Any] = {
    "experiment": {"title": "t", "facility": "f", "beamline": "b"},
    "sources": {
        "tiffs": {"format": "images", "frames": {"saxs": "{raw}_{frame:03d}.tif"}},
        "nexus": {"format": "hdf5", "frames": {"saxs": "entry/data"}},
    },
    "detectors": {"saxs": {"shape": list(SHAPE), "geometry": GEOMETRY}},
    "reductions": {
        "x": {
            "technique": "saxswaxs",
            "integrations": {"azimuthal": {"kind": "azimuthal", "bins": 10}},
        }
    },
    "chunks": {"frames": 2},
    "live": {"settle_s": 5},
}


@dataclass
class Clock:
    """Time as a test wishes, s."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Project:
    """A project in the current folder."""

    folder: Path
    config: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(CONFIGURATION))

    def write(self, *rows: tuple[str, str, int]) -> None:
        """Configuration, and a run table of (run, source, frames); none without rows."""
        (self.folder / "config").mkdir(exist_ok=True)
        (self.folder / "raw").mkdir(exist_ok=True)
        self.path("config/config.yaml").write_text(yaml.safe_dump(self.config))
        lines = [f"{run}\tx\t{source}\t{raw_of(run, source)}\t{n}" for run, source, n in rows]
        if rows:
            table = "\n".join(["run\treduction\tsource\traw\tframes", *lines]) + "\n"
            self.path("config/runs.tsv").write_text(table)

    def path(self, name: str) -> Path:
        return self.folder / name

    def plan(self) -> Plan:
        return build_plan(self.config)

    def write_frames(self, name: str, *frames: int) -> None:
        """Files of a TIFF series."""
        for frame in frames:
            values = np.full(SHAPE, frame, np.int32)
            fabio.tifimage.TifImage(values).write(str(self.path(f"raw/{name}_{frame:03d}.tif")))

    def write_hdf5(self, name: str, frames: int, **values: int) -> Path:
        path = self.path(f"raw/{name}.h5")
        with h5py.File(path, "w") as file:
            file["entry/data"] = np.ones((frames, *SHAPE), np.uint16)
            for key, value in values.items():
                file[key] = value
        return path


def raw_of(run: str, source: str) -> str:
    return f"{run}.h5" if source == "nexus" else run


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    """A project without runs."""
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path)
    made.write()
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


def job(rule: str, name: str, *, log: str = "", log_time: float = 10, done: float | None = None):
    """What a job leaves: its log, and its benchmark if it has succeeded (times: s since 1970)."""
    import os

    path = Path("logs", rule, f"{name}.log")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(log)
    os.utime(path, (log_time, log_time))
    if done is not None:
        measured = Path("logs/benchmarks", rule, f"{name}.tsv")
        measured.parent.mkdir(parents=True, exist_ok=True)
        measured.write_text(f"s\th:m:s\n{done - log_time + 2.5}\t0:00:02\n")
        os.utime(measured, (done, done))
