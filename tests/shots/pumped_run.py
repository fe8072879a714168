"""A small pump-probe run with all its arrays known: raw images as SACLA stores them, and small data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.files.nexus import add_group, add_note
from scatterflow.shots.calibrated import CalibratedDetector, calibrated_detector
from scatterflow.shots.small_data import SmallData, open_small_data
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_writers import write_sacla
from scatterflow.sources.shots import open_shots

SHOTS = 90
SHAPE = (6, 5)
BAD = (2, 3)
EDGES = np.array([-1.0, 0.0, 0.5, 2.0])
MOTOR = np.repeat([0.5, 1.5, -2.0], SHOTS // 3)
Q = np.linspace(0.5, 2.0, 4)


@dataclass
class PumpedRun:
    """delay, laser, i0, signal, photons, profile: (SHOTS, ...); images: (SHOTS, *SHAPE) calibrated; there:
    shots with an image; light: those that the filter lets pass."""

    folder: Path
    tags: np.ndarray
    delay: np.ndarray
    laser: np.ndarray
    i0: np.ndarray
    signal: np.ndarray
    photons: np.ndarray
    profile: np.ndarray
    images: np.ndarray
    there: np.ndarray
    light: np.ndarray

    def small(self) -> SmallData:
        return open_small_data(self.folder / "7.h5")

    def detector(self) -> CalibratedDetector:
        recipe = {"format": "sacla", "scalars": {}}
        source = open_shots(RunLocation("7", "7.h5", str(self.folder / "raw"), SHOTS, recipe))
        settings = {
            "calibration": {"adu_per_photon": 10.0},
            "constants": str(self.folder / "constants.h5"),
            "geometry": None,
        }
        return calibrated_detector(source, "ccd", settings, mask=None, dark=None, run="7")


def pumped_run(folder: Path, seed: int = 5) -> PumpedRun:
    """The run, its files in a folder."""
    rng = np.random.default_rng(seed)
    stored = rng.poisson(40, (SHOTS, *SHAPE)).astype(np.uint16)
    there = rng.random(SHOTS) < 0.9
    good = np.ones(SHAPE, bool)
    good[BAD] = False
    images = np.where(good, (stored.astype(np.float64) - 3) / 10, np.nan)
    delay = np.where(rng.random(SHOTS) < 0.06, np.nan, rng.uniform(-1.2, 2.2, SHOTS))
    delay[3] = 2.0
    profile = rng.normal(4, 1, (SHOTS, 1, len(Q)))
    profile[rng.random(profile.shape) < 0.1] = np.nan
    profile[~there] = np.nan
    photons = np.where(there, rng.poisson(6, SHOTS), 0)
    i0 = rng.uniform(1, 3, SHOTS)
    i0[8] = np.nan
    run = PumpedRun(
        folder,
        1000 + 2 * np.arange(SHOTS),
        delay,
        rng.choice([0, 0, 1, 1, 1, -1], SHOTS).astype(np.int8),
        i0,
        np.where(there, rng.normal(50, 5, SHOTS), np.nan),
        photons,
        profile,
        images,
        there,
        rng.random(SHOTS) < 0.85,
    )
    _write(run, stored, good)
    return run


def _write(run: PumpedRun, stored: np.ndarray, good: np.ndarray) -> None:
    (run.folder / "raw").mkdir(parents=True)
    write_sacla(run.folder / "raw/7.h5", 7, run.tags, {"ccd": stored}, {"ccd": run.there})
    with h5py.File(run.folder / "constants.h5", "w") as file:
        file["pedestal"], file["good"] = np.full(SHAPE, 3.0), good
    values: dict[str, tuple[Any, str]] = {
        "tag": (run.tags, ""),
        "lightStatus/laser": (run.laser, ""),
        "ipm2/sum": (run.i0, "V"),
        "damage/ccd": (run.there.astype(np.int8), ""),
        "ccd/ring_sum": (run.signal, "photons"),
        "ccd/map_nPhot": (run.photons, ""),
        "ccd/azimuthal_azav": (run.profile, "photons"),
        "scan/constant": (np.full(SHOTS, 2.5), "mm"),
        "scan/motor": (MOTOR, "mm"),
        "scan/unknown": (np.full(SHOTS, np.nan), "mm"),
        "variables/delay": (run.delay, "ps"),
        "filters/light": (run.light, ""),
        "filters/never": (np.zeros(SHOTS, bool), ""),
        "UserDataCfg/ccd/azimuthal_q": (Q, "1/angstrom"),
    }
    with h5py.File(run.folder / "7.h5", "w") as file:
        file.attrs["creator"] = "scatterflow"
        for name, (array, unit) in values.items():
            file[name] = array
            file[name].attrs["units"] = unit
        add_note(add_group(file, "provenance", "NXcollection"), "masks", {"ccd": "m1"}, "masks")


def cube_settings(**changes: Any) -> dict[str, Any]:
    """Settings of a cube over delay and laser, as the configuration gives them."""
    from scatterflow.config.cubes import CubeSettings

    given = {
        "axes": {"delay": {"type": "edges", "edges": EDGES.tolist()}},
        "labels": {"laser": {"variable": "lightStatus/laser"}},
        "quantities": ["ccd/ring_sum", "ccd/map_nPhot", "ccd/azimuthal_azav"],
        "images": ["ccd"],
        "filters": ["light"],
        "normalise": {"ccd/ring_sum": "ipm2/sum", "ccd": "ipm2/sum"},
        "difference": {"label": "laser"},
    }
    return CubeSettings.model_validate(given | changes).model_dump()


def members(run: PumpedRun, laser: int, bin_: int) -> np.ndarray:
    """Shots of one cell of that cube, shot by shot."""
    found = []
    for shot in range(SHOTS):
        delay, last = run.delay[shot], bin_ == len(EDGES) - 2
        inside = EDGES[bin_] <= delay < EDGES[bin_ + 1] or (last and delay == EDGES[-1])
        if run.light[shot] and run.laser[shot] == laser and inside:
            found.append(shot)
    return np.array(found, dtype=int)
