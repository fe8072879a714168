"""A small data file and darks of a simulated pump-probe run, written by their layout from the libraries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.files.json import to_json
from scatterflow.shots.darks import DarkSums
from scatterflow.shots.default_detectors import corrected_time, monitor_position
from scatterflow.shots.filters import apply_filters
from scatterflow.shots.functions import detector_functions
from scatterflow.shots.ragged import Ragged
from scatterflow.shots.regions import Frames, apply_functions
from scatterflow.shots.sums import ShotSums
from scatterflow.sources.simulated_pump_probe import (
    SIDES,
    PumpProbe,
    SimulatedShots,
    simulate_shots,
)

SMALL = PumpProbe(
    shape=(2, 24, 40),
    steps=(-1.0, 0.0, 1.0, 2.0),
    trains_per_step=3,
    ring_radius=12.0,
    lost=(7, 30),
)
PIXEL_MM = 0.05
GAP_MM = 0.4
FILTERS = {
    "bright": {"type": "range", "variable": "ipm2/sum", "minimum": 0.6},
    "lit": {"type": "equal", "variable": "lightStatus/xray", "value": 1},
    "edge": {"type": "expression", "expression": "tt_valid > 0 or lightStatus_laser == 0"},
}
SUMS = ("calib", "calib_dropped", "calib_max")


def functions(run: PumpProbe) -> dict[str, dict[str, Any]]:
    """Functions of the detector, one of each kind that figures are drawn of."""
    _, rows, columns = run.shape
    photons = {"adu_per_photon": run.adu_per_photon}
    return {
        "ring": {"kind": "region", "roi": [[0, 2], [4, rows - 2], [5, columns - 5]]},
        "corner": {"kind": "region", "roi": [[1, 2], [rows - 8, rows], [0, 8]]},
        "azimuthal": {
            "centre_mm": [0.0, 0.0], "distance_mm": 40.0, "photon_energy_ev": 9000.0, "q_step": 0.01,
            "photon": run.adu_per_photon,
        },
        "spectrum": {"range": [-50.0, 700.0], "bins": 150},
        "droplets": {"threshold": 40.0, "threshold_low": 20.0, "in_noise": False, "photons": photons},
        "speckles": {"kind": "autocorrelation", "reach": 8},
    }  # fmt: skip


def positions(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tiles one above the other, a gap between, the beam between them; mm."""
    _, rows, columns = shape
    tile, row, column = np.indices(shape)
    y = -(tile * (rows * PIXEL_MM + GAP_MM) + row * PIXEL_MM)
    return (column - (columns - 1) / 2) * PIXEL_MM, y - y.mean(), np.zeros(shape)


def write_small_data(
    path: Path, run: PumpProbe = SMALL, seed: int = 0, with_positions: bool = True
) -> SimulatedShots:
    """Write R.h5 of a simulated run; returns the run."""
    shots = simulate_shots(run, seed)
    there = shots.present.all(axis=1)
    values = np.where(
        there[:, None, None, None], (shots.frames - shots.pedestal) / shots.gain, np.nan
    ).astype(np.float32)
    columns = per_shot_columns(run, shots, there)
    x, y, z = positions(run.shape)
    noise = np.full(run.shape, run.noise)
    chosen = Frames(values[there], np.ones(run.shape, bool), noise, (x, y, z))
    results = apply_functions(functions(run), chosen, detector_functions())
    sums = ShotSums(SUMS, run.shape)
    sums.update(values[there], columns["lightStatus/xray"][0][there] > 0)
    passed = apply_filters(
        FILTERS, {name: array for name, (array, _) in columns.items()}, run.shots
    )
    with h5py.File(path, "w") as file:
        file["tag"] = run.first_tag + 2 * np.arange(run.shots)
        for name, (array, unit) in columns.items():
            file[name] = array
            file[name].attrs["units"] = unit
        _write_results(file, results, there)
        _write_filters(file, passed, columns)
        for name, total in sums.finalize().items():
            file[f"Sums/ccd_{name}"] = total
            file[f"Sums/ccd_{name}"].attrs["units"] = "ADU"
            file[f"Sums/ccd_{name}_count"] = sums.counts()[name]
        settings = file.create_group("UserDataCfg/ccd")
        _write_parameters(settings, functions(run))
        settings["ped"] = shots.pedestal
        if with_positions:
            for name, array in (("x", x), ("y", y), ("z", z)):
                settings[name] = array
                settings[name].attrs["units"] = "mm"
    return shots


def per_shot_columns(
    run: PumpProbe, shots: SimulatedShots, there: np.ndarray
) -> dict[str, tuple[np.ndarray, str]]:
    """Columns of the default detectors and variables, with units."""
    measured = shots.scalars
    correction, valid = corrected_time(measured["time_tool"], run.time_tool)
    monitor = monitor_position(**{side: measured[f"diode_{side}"] for side in SIDES})
    laser = measured["laser"] > 0
    delay = np.where(
        laser, np.where(valid, measured["delay"] + correction, np.nan), measured["delay"]
    )
    start = np.datetime64("2026-05-04T10:00:00", "ns").astype(np.int64)
    return {
        "event_time": (start + np.arange(run.shots) * 33_333_333, "ns"),
        "lightStatus/xray": (measured["xray"].astype(np.int8), ""),
        "lightStatus/laser": (measured["laser"].astype(np.int8), ""),
        "ipm2/sum": (monitor["sum"], "V"),
        "ipm2/xpos": (monitor["xpos"], ""),
        "tt/FLTPOS": (measured["time_tool"], "pixels"),
        "tt/ttCorr": (correction, "ps"),
        "tt/valid": (valid.astype(np.int8), ""),
        "scan/delay": (measured["delay"], "ps"),
        "damage/ccd": (there.astype(np.int8), ""),
        "damage/spectrometer": ((np.arange(run.shots) % 4 > 0).astype(np.int8), ""),
        "variables/delay": (delay, "ps"),
    }


def _write_results(file: h5py.File, results: Mapping[str, Any], there: np.ndarray) -> None:
    """Results of the shots that have the detector, in rows of all shots."""
    for name, found in results.items():
        if isinstance(found, Ragged):
            lengths = np.zeros(there.size, np.int64)
            lengths[there] = found.lengths
            file[f"ccd/var_{name}_len"] = lengths
            for field, array in found.values.items():
                file[f"ccd/var_{name}/{field}"] = array
            continue
        fill = np.nan if found.dtype.kind == "f" else 0
        array = np.full((there.size, *found.shape[1:]), fill, found.dtype)
        array[there] = found
        file[f"ccd/{name}"] = array
        file[f"ccd/{name}"].attrs["units"] = "ADU" if name.endswith(("sum", "azav")) else ""


def _write_filters(file: h5py.File, passed, columns: Mapping[str, Any]) -> None:
    scalars = {name: array for name, (array, _) in columns.items()}
    for name, settings in FILTERS.items():
        shots = len(passed.passed)
        file[f"filters/{name}"] = apply_filters({name: settings}, scalars, shots).passed
        for key in ("removed", "alone", "undefined"):
            file[f"filters/{name}"].attrs[key] = getattr(passed, key)[name]


def _write_parameters(group: h5py.Group, settings: Mapping[str, Mapping[str, Any]]) -> None:
    for name, function in settings.items():
        for key, value in function.items():
            plain = to_json(value) if isinstance(value, dict) else value
            group[f"{name}__{key}"] = plain


def write_dark(path: Path, run: PumpProbe = SMALL, seed: int = 0, noisy: int = 5) -> None:
    """Write a dark of a simulated dark run, with some noisy pixels."""
    frames = simulate_shots(run, seed, dark=True).frames
    sums = DarkSums(run.shape, np.uint16, {"rms": [2.0, 8.0], "mean": [900.0, 1100.0]})
    random = np.random.default_rng(seed)
    frames[:, 0, :noisy, 3] += random.integers(0, 60, (len(frames), noisy)).astype(np.uint16)
    sums.update(frames)
    dark = sums.finalize()
    with h5py.File(path, "w") as file:
        for name in ("pedestal", "rms", "status", "frames"):
            file[name] = getattr(dark, name)
