"""The demo's X-ray laser runs: a pump-probe delay scan and its dark run, in the layouts of two facilities.

    shots/sacla/1001.h5, 1000.h5 (dark)       SACLA, DataConvert
    shots/euxfel/r0002, r0001 (dark)          European XFEL, raw, two modules, several sequences

Both hold the same shots, those of `scatterflow.sources.simulated_pump_probe`. A shot that lacks the image of
one tile has none at all at SACLA. Equal seeds give equal bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.sources.shot_writers import train_times, write_euxfel, write_sacla
from scatterflow.sources.simulated_pump_probe import (
    PUMP_PROBE,
    SIDES,
    PumpProbe,
    SimulatedShots,
    expected_photons,
    known_shot_answers,
    response,
    simulate_shots,
)

__all__ = [
    "PUMP_PROBE",
    "PumpProbe",
    "SimulatedShots",
    "expected_photons",
    "known_shot_answers",
    "response",
    "simulate_shot_run",
    "simulate_shots",
    "simulated_shot_defaults",
    "simulated_shot_files",
    "simulated_shot_recipe",
]

DETECTOR = {"sacla": "MPCCD-2N0-M02-001", "euxfel": "SIM_DET_AGIPD1M-1"}
ARRAY = 20  # values per train of what is measured per pulse
ELECTRON_HOLE_EV = 3.65
_PULSED = "SIM_EXP_MON/ADC/1:output/data"
_SLOW_DELAY = "SIM_LAS_PPL/MOTOR/DELAY/actualPosition"


def simulated_shot_files() -> dict[str, list[str]]:
    """{raw entry: paths below the raw folder}; known without running anything."""
    run, files = PUMP_PROBE, {}
    for raw in _RUNS:
        if raw.endswith(".h5"):
            files[raw] = [raw]
            continue
        sequences = -(-run.trains // TRAINS_PER_SEQUENCE)
        stem = f"{raw}/RAW-R{int(raw[-4:]):04d}"
        names = [f"AGIPD{tile:02d}" for tile in range(run.shape[0])] + ["DA01"]
        files[raw] = [
            f"{stem}-{name}-S{number:05d}.h5" for number in range(sequences) for name in names
        ]
    return files


def simulate_shot_run(name: str, root: str | Path, seed: int) -> None:
    """Write the files of one run; older ones are replaced.

    name: a key of `simulated_shot_files`. root: the raw folder. Raises UserError for an unknown name.
    """
    if name not in _RUNS:
        raise UserError(f"no simulated run {name!r}", "", suggestion(name, _RUNS))
    layout, number, dark = _RUNS[name]
    path = Path(root) / name
    (path.parent if layout == "sacla" else path).mkdir(parents=True, exist_ok=True)
    write = _write_sacla if layout == "sacla" else _write_euxfel
    write(path, number, PUMP_PROBE, simulate_shots(PUMP_PROBE, seed, dark))


def simulated_shot_recipe(layout: str) -> dict[str, Any]:
    """The source's recipe for a layout, sacla or euxfel: detector `ccd`, scalars by the same names."""
    if layout == "sacla":
        return {
            "format": "sacla",
            "detectors": {"ccd": DETECTOR["sacla"]},
            "scalars": {name: path for path, name in _SACLA_NAMES.items()},
        }
    pulsed = ["xray", "laser", "time_tool", *(f"diode_{side}" for side in SIDES)]
    return {
        "format": "euxfel",
        "detectors": {"ccd": DETECTOR["euxfel"]},
        "pulses": {"first": 0, "step": PUMP_PROBE.pulse_step},
        "scalars": {
            "delay": _SLOW_DELAY,
            **{name: f"{_PULSED.replace('/data', '/data.')}{name}" for name in pulsed},
        },
    }


def simulated_shot_defaults(layout: str) -> dict[str, Any]:
    """Settings of the default detectors for a layout, on top of `simulated_shot_recipe`."""
    return {
        "facility": layout,
        "light": {"xray": {"required": ["xray"]}, "laser": {"required": ["laser"]}},
        "columns": {"scan/delay": "delay", "tt/FLTPOS": "time_tool"},
        "monitors": {"ipm2": {side: f"diode_{side}" for side in SIDES}},
        "time_tool": {"position": "time_tool", "coefficients": list(PUMP_PROBE.time_tool)},
    }


_RUNS = {
    "shots/sacla/1000.h5": ("sacla", 1000, True),
    "shots/sacla/1001.h5": ("sacla", 1001, False),
    "shots/euxfel/r0001": ("euxfel", 1, True),
    "shots/euxfel/r0002": ("euxfel", 2, False),
}
TRAINS_PER_SEQUENCE = 16
_SACLA_NAMES = {
    "bl_3/eh_1/xfel_pulse_selector_status": "xray",
    "bl_3/lh_1/laser_pulse_selector_status": "laser",
    "bl_3/lh_1/electrical_delay_in_psec": "delay",
    "bl_3/eh_1/arrival_timing_monitor_in_pixel": "time_tool",
    **{
        f"bl_3/eh_1/photodiode/photodiode_user_{number}_in_volt": f"diode_{side}"
        for number, side in enumerate(SIDES, start=1)
    },
}


def _write_sacla(path: Path, number: int, run: PumpProbe, shots: SimulatedShots) -> None:
    # Tags step by 2 at 30 Hz; a train that is missing leaves a gap.
    pulse = shots.pulses // run.pulse_step
    count = (shots.trains - run.first_train) * run.pulses + pulse
    detector = DETECTOR["sacla"]
    event_info = {path: shots.scalars[name] for path, name in _SACLA_NAMES.items()}
    seconds = train_times(shots.trains.astype(np.uint64)) / 1e9 + pulse / 30
    opened = np.full(run.shots, int(shots.energy.any()), np.int32)
    write_sacla(
        path,
        number,
        run.first_tag + 2 * count,
        # As the facility gives ADU; whole numbers, so nothing is lost.
        {detector: shots.frames.astype(np.float32)},
        {detector: np.all(shots.present, axis=1)},
        {
            "time_stamp": seconds,
            "acc/accelerator_status": np.ones(run.shots, np.int32),
            "bl_3/shutter_1_open_valid_status": opened,
            **event_info,
        },
        {
            detector: {
                "absolute_gain": np.float32(
                    run.photon_energy_eV / (ELECTRON_HOLE_EV * run.adu_per_photon)
                ),
                "pixel_size_in_micro_meter": np.array([50, 50], np.float32),
                "exposure_time_in_sec": np.float32(0.01),
            }
        },
        {
            "sacla_config/photon_energy_in_eV": run.photon_energy_eV,
            "sacla_config/repetition_rate": 30.0,
        },
    )


def _write_euxfel(path: Path, number: int, run: PumpProbe, shots: SimulatedShots) -> None:
    detector = DETECTOR["euxfel"]
    pulsed = {}
    for name, values in shots.scalars.items():
        if name != "delay":
            padded = np.zeros((run.trains, ARRAY), np.float64)
            padded[:, : run.pulses] = values.reshape(run.trains, run.pulses)
            pulsed[f"{_PULSED}/{name}"] = padded
    write_euxfel(
        path,
        number,
        shots.trains[:: run.pulses],
        shots.pulses[: run.pulses],
        {detector: shots.frames},
        {detector: shots.present},
        control={_SLOW_DELAY: shots.scalars["delay"][:: run.pulses]},
        instrument=pulsed,
        run_values={"SIM_XTD1_MONO/MDL/ENERGY/photonEnergy": run.photon_energy_eV},
        trains_per_sequence=TRAINS_PER_SEQUENCE,
        raw=True,
    )
