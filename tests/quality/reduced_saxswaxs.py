"""Simulated runs of scattering, with a fault each, through the real reduction."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tests.saxswaxs.conftest import (
    DETECTOR,
    INTEGRATIONS,
    NO_CORRECTIONS,
    NO_RUNS,
    SHAPE,
    VALID,
    SmallRun,
)

from scatterflow.detectors.geometry import load_geometry
from scatterflow.detectors.good_mask import write_mask
from scatterflow.detectors.masks import build_mask
from scatterflow.saxswaxs.assemble import assemble_result
from scatterflow.saxswaxs.weights import describe_weights, prepare_weights, write_weights

FRAMES = 20
PIXEL, DISTANCE = DETECTOR["geometry"]["pixel1_m"], DETECTOR["geometry"]["distance_m"]
CENTRE = 0.003 / PIXEL - 0.5, 0.004 / PIXEL - 0.5
FLUX: dict[str, Any] = {
    "monitor": "i0",
    "dwell_time": None,
    "reference": 1000.0,
    "minimum": 0.0,
    "uncertainty": "counting",
    "on_violation": "error",
}
ABSORPTION: dict[str, Any] = {
    "monitor": "i1",
    "reference": 1.0,
    "minimum": 0.0,
    "uncertainty": "counting",
    "tolerance": 0.02,
    "on_violation": "warn",
}
HEADER = {
    "entry/instrument/beam/incident_wavelength": 1.0,  # angstrom, as NeXus has it
    "entry/instrument/detector/detector_distance": DISTANCE,
    "entry/instrument/detector/beam_center_x": CENTRE[1],
    "entry/instrument/detector/beam_center_y": CENTRE[0],
}


@dataclass
class Simulated:
    """What is simulated, before anything is wrong with it.

    beam: (frames, 2) row and column; level: (frames,) relative intensity, which the monitor follows;
    monitor: what it reads, None: that; transmission; decay: pixels; header: values in the raw file; written:
    frames in the raw file, where it ends early.
    """

    seed: int = 1
    beam: np.ndarray = field(default_factory=lambda: np.tile(CENTRE, (FRAMES, 1)))
    level: np.ndarray = field(default_factory=lambda: np.ones(FRAMES))
    monitor: np.ndarray | None = None
    transmission: float = 0.7
    brightness: float = 400.0
    decay: float = 12.0
    header: dict[str, float] = field(default_factory=lambda: dict(HEADER))
    written: int = FRAMES

    def photons(self) -> np.ndarray:
        """(frames, rows, columns) uint32."""
        rng = np.random.default_rng(self.seed)
        rows, columns = np.indices(SHAPE)
        expected = []
        for (row, column), level in zip(self.beam, self.level, strict=True):
            radius = np.hypot(rows - row, columns - column)
            expected.append(level * (self.brightness * np.exp(-radius / self.decay) + 20))
        return rng.poisson(np.array(expected)).astype(np.uint32)

    def changed(self, **values: Any) -> Simulated:
        return replace(self, **values)


@dataclass
class CheckedRun(SmallRun):
    """A run without tilt, with a diode behind the sample."""

    def prepare(self) -> None:
        settings = copy.deepcopy(DETECTOR)
        settings["geometry"]["rotation1_rad"] = 0.0
        geometry = load_geometry(settings, "area")
        mask = build_mask(settings, "area", geometry)
        write_mask(self.folder / "mask.h5", mask)
        for name, own in INTEGRATIONS.items():
            weights = prepare_weights(geometry, mask.good, own)
            write_weights(
                self.folder / f"{name}.h5", describe_weights(weights, geometry, mask.sha256)
            )

    def location(self) -> dict[str, Any]:
        place = super().location()
        place["recipe"]["scalars"]["i1"] = {"type": "dataset", "name": "entry/i1", "unit": "counts"}
        return place

    def assemble(self, receipts: list[Path]) -> Path:
        settings = {**NO_CORRECTIONS, "flux": FLUX, "absorption": ABSORPTION}
        experiment = {
            **{"title": "Test", "facility": "Lab", "facility_type": "Synchrotron X-ray Source"},
            **{"beamline": "B1", "proposal": "", "creators": ["A. Person"]},
        }
        assemble_result(
            str(self.container),
            [str(path) for path in receipts],
            self.weights(),
            {"area": str(self.folder / "mask.h5")},
            location=self.location(),
            description={
                **{"run": "r1", "reduction": "x", "sample": "water", "experiment": experiment},
                "parameters": {"corrections": settings},
            },
            tasks=self.tasks,
            valid={"area": VALID},
            dead_times={"area": None},
            corrections={"settings": settings, **NO_RUNS},
            result=str(self.result),
        )
        return self.result


def reduce_run(
    prepared: Path, folder: Path, simulated: Simulated, fault: Any = None, missing: str = "nan"
) -> Path:
    """The result of a simulated run. prepared: folder with mask and weights; fault: changes the frames."""
    folder.mkdir(exist_ok=True)
    for name in ("mask", *INTEGRATIONS):
        shutil.copy(prepared / f"{name}.h5", folder)
    frames = simulated.photons()
    if fault is not None:
        fault(frames)
    monitor = simulated.monitor if simulated.monitor is not None else 1000.0 * simulated.level
    written = simulated.written
    with h5py.File(folder / "run.h5", "w") as file:
        data = file.create_dataset("entry/data/data", frames.shape, np.uint32, chunks=(1, *SHAPE))
        data[:written] = frames[:written]
        file["entry/i0"] = monitor
        file["entry/i1"] = simulated.transmission * monitor
        for name, value in simulated.header.items():
            file[name] = value
    run = CheckedRun(folder, frames, monitor, missing=missing)
    return run.assemble(run.integrate(FRAMES))
