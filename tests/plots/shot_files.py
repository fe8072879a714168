"""A small simulated pump-probe run, taken through the library to its small data file, and darks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from scatterflow.shots.calibrated import calibrated_detector
from scatterflow.shots.make_dark import make_dark
from scatterflow.shots.merge import merge_shots
from scatterflow.shots.reduce import reduce_chunk
from scatterflow.shots.small_data import SmallData, open_small_data
from scatterflow.shots.table import read_table, tabulate_shots
from scatterflow.sources import simulated_shots
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shots import ShotSource, open_shots
from scatterflow.sources.simulated_pump_probe import PumpProbe, simulate_shots

RUN = PumpProbe(
    shape=(2, 24, 40), steps=(-1.0, 0.0, 1.0, 2.0), trains_per_step=3, ring_radius=12.0, lost=(7, 30)
)  # fmt: skip
PIXEL_MM = 0.05
GAP_PIXELS = 8
FUNCTIONS: dict[str, dict[str, Any]] = {
    "ring": {"kind": "region", "roi": [[0, 2], [4, 22], [5, 35]]},
    "corner": {"kind": "region", "roi": [[1, 2], [16, 24], [0, 8]]},
    "azimuthal": {
        "kind": "azimuthal", "centre_mm": [0.0, 0.0], "distance_mm": 40.0, "photon_energy_ev": 9000.0,
        "q_step": 0.01,
    },
    "values": {"kind": "spectrum", "range": [-0.3, 4.0], "bins": 86},
    "droplets": {
        "kind": "droplets", "threshold": 0.35, "threshold_low": 0.2, "in_noise": False,
        "photons": {"adu_per_photon": 1.0},
    },
    "speckles": {"kind": "autocorrelation", "reach": 8},
}  # fmt: skip
SUMS = ["calib", "calib_dropped", "calib_max"]
FILTERS = {
    "bright": {"type": "range", "variable": "ipm2/sum", "minimum": 0.6},
    "lit": {"type": "equal", "variable": "lightStatus/xray", "value": 1},
    "near": {"type": "range", "variable": "delay", "maximum": 1.5},
}
VARIABLES = {
    "delay": {
        "type": "delay", "nominal": "scan/delay", "correction": "tt/ttCorr", "valid": "tt/valid",
        "laser": "lightStatus/laser",
    }
}  # fmt: skip


def positions() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tiles one above the other, the first on top, a gap between; the beam in the middle; mm."""
    tile, row, column = np.indices(RUN.shape)
    y = -(tile * (RUN.shape[1] + GAP_PIXELS) + row) * PIXEL_MM
    x = (column - (RUN.shape[2] - 1) / 2) * PIXEL_MM
    return x, y - y.mean(), np.zeros(RUN.shape)


def simulated(folder: Path, dark: bool = False, seed: int = 0) -> ShotSource:
    """The raw run, in the layout of SACLA."""
    name = "shots/sacla/1000.h5" if dark else "shots/sacla/1001.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_shots, "PUMP_PROBE", RUN)
        simulated_shots.simulate_shot_run(name, folder, seed)
    recipe = simulated_shots.simulated_shot_recipe("sacla")
    return open_shots(RunLocation(name[-7:-3], name, str(folder), RUN.shots, recipe, {}))


def make_small_data(folder: Path, with_positions: bool = True) -> SmallData:
    """1001.h5 of reduction `pumpprobe`, with darks a.h5 (seed 0) and b.h5 (seed 1) beside it."""
    for name, seed in (("a", 0), ("b", 1)):
        dark_run = simulated(folder / name, dark=True, seed=seed)
        make_dark(folder / f"{name}.h5", dark_run, "ccd", {"rms": [4.6, 5.6]}, "1000")
    source = simulated(folder)
    tabulate_shots(
        folder / "table.h5", source, simulated_shots.simulated_shot_defaults("sacla"), "1001"
    )
    table = read_table(folder / "table.h5")
    with h5py.File(folder / "positions.h5", "w") as file:
        for axis, values in zip("xyz", positions(), strict=True):
            file[axis] = values
    functions = FUNCTIONS if with_positions else {"ring": FUNCTIONS["ring"]}
    settings = {
        "calibration": {
            "adu_per_photon": RUN.adu_per_photon,
            "common_mode": {"steps": [[0, 0]], "level_adu": 60.0},
        },
        "constants": None,
        "geometry": {
            "shape": [48, 40],
            "geometry": str(folder / "positions.h5") if with_positions else None,
        },
        "functions": functions,
        "sums": SUMS,
        "statistics": {},
    }
    dark = str(folder / "a.h5")
    detector = calibrated_detector(source, "ccd", settings, mask=None, dark=dark, run="1001")
    parts = []
    for start, stop in ((0, 60), (60, RUN.shots)):
        parts.append(folder / f"{start}.h5")
        reduce_chunk(
            parts[-1], [detector], {"ccd": settings}, table.columns, {}, table.tags, start, stop,
            threads=1, label="test",
        )  # fmt: skip
    target = folder / "pumpprobe" / "1001.h5"
    target.parent.mkdir()
    every = {"detectors": {"ccd": settings}, "variables": VARIABLES, "filters": FILTERS}
    told = {"run": "1001", "reduction": "pumpprobe", "sample": "a liquid", "experiment": {}}
    merge_shots(target, parts, table, [detector], every, told, label="test")
    return open_small_data(target)


def truth() -> Any:
    """What was simulated."""
    return simulate_shots(RUN, 0)


def line(axes, label=""):
    """y values of the line with this label, of the first line without one."""
    (found,) = [one for one in axes.lines if one.get_label().startswith(label)][:1]
    return found.get_ydata()
