"""A small run in a real HDF5 file, reduced by calling the library as the scripts do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from scatterflow.detectors.geometry import load_geometry
from scatterflow.detectors.good_mask import write_mask
from scatterflow.detectors.masks import build_mask
from scatterflow.files.json import write_json
from scatterflow.saxswaxs.assemble import assemble_result
from scatterflow.saxswaxs.container import setup_container
from scatterflow.saxswaxs.dead_time import dead_time_fraction
from scatterflow.saxswaxs.integrate import Calibration, integrate_chunk
from scatterflow.saxswaxs.tasks import read_tasks
from scatterflow.saxswaxs.weights import describe_weights, prepare_weights, write_weights
from scatterflow.sources.base import RunLocation
from scatterflow.sources.open import open_source

SHAPE = (40, 50)
FRAMES = 10
VALID = {"minimum": 0, "maximum": "auto", "bit_depth": None}
DETECTOR: dict[str, Any] = {
    "shape": list(SHAPE),
    "geometry": {
        "distance_m": 0.2,
        "poni1_m": 0.003,
        "poni2_m": 0.004,
        "rotation1_rad": 0.05,
        "rotation2_rad": 0.0,
        "rotation3_rad": 0.0,
        "wavelength_m": 1e-10,
        "pixel1_m": 172e-6,
        "pixel2_m": 172e-6,
        "detector": None,
    },
    "orientation": None,
    "masks": [
        {
            "type": "circle",
            "name": "beamstop",
            "centre": "beam",
            "radius": 4.0,
            "inside_is": "masked",
        }
    ],
    "most_masked": 0.95,
    "valid": VALID,
    "dark": None,
    "flat": None,
}
BASE = {
    "unit": "q_nm^-1",
    "radial_range": None,
    "azimuth_range": None,
    "azimuth_direction": "pyfai",
    "intensity": "per_pixel",
    "chi_discontinuity": 180,
    "split": "bbox",
    "solid_angle": True,
    "polarisation": None,
}
INTEGRATIONS = {
    "azimuthal": {**BASE, "kind": "azimuthal", "bins": 60},
    "cake": {**BASE, "kind": "cake", "radial_bins": 30, "azimuthal_bins": 20},
    "radial": {
        **BASE,
        "kind": "radial",
        "bins": 36,
        "radial_bins": 20,
        "azimuthal_unit": "chi_deg",
    },
}
NO_CORRECTIONS: dict[str, Any] = dict.fromkeys(
    ("dark", "flux", "absorption", "background", "thickness", "absolute")
)
NO_RUNS: dict[str, Any] = {"dark": [], "background": []}
BINS = {"azimuthal": (60,), "cake": (20, 30), "radial": (36,)}


@dataclass
class SmallRun:
    """Raw frames and monitor of a run, and where everything made of it goes."""

    folder: Path
    frames: np.ndarray
    monitor: np.ndarray
    missing: str = "error"
    error_model: str = "poisson"
    robust: dict[str, Any] | None = None
    flux: dict[str, Any] | None = None
    dead_time: dict[str, Any] | None = None

    @property
    def container(self) -> Path:
        return self.folder / "container.zarr"

    @property
    def result(self) -> Path:
        return self.folder / "result.nxs"

    @property
    def tasks(self) -> list[dict[str, Any]]:
        return [
            {
                "name": f"area_{name}",
                "detector": "area",
                "integration": name,
                "kind": settings["kind"],
                "weights": name,
                "error_model": self.error_model,
                "robust": self.robust,
                "shown_as": "area",
            }
            for name, settings in INTEGRATIONS.items()
        ]

    def location(self) -> dict[str, Any]:
        return {
            "run": "r1",
            "raw": "run.h5",
            "root": str(self.folder),
            "frames": len(self.frames),
            "recipe": {
                "format": "hdf5",
                "frames": {"area": "entry/data/data"},
                "first_frame": 0,
                "frames_per_file": 1,
                "missing": self.missing,
                "scalars": {"i0": {"type": "dataset", "name": "entry/i0", "unit": "counts"}},
                "table": None,
                "par_file": None,
            },
            "shapes": {"area": list(SHAPE)},
        }

    def prepare(self) -> None:
        geometry = load_geometry(DETECTOR, "area")
        mask = build_mask(DETECTOR, "area", geometry)
        write_mask(self.folder / "mask.h5", mask)
        for name, settings in INTEGRATIONS.items():
            weights = prepare_weights(geometry, mask.good, settings)
            write_weights(
                self.folder / f"{name}.h5", describe_weights(weights, geometry, mask.sha256)
            )

    def weights(self) -> dict[str, str]:
        return {name: str(self.folder / f"{name}.h5") for name in INTEGRATIONS}

    def integrate(self, chunk_frames: int, threads: int = 1) -> list[Path]:
        """Set up the container and integrate all chunks; returns the receipts."""
        from scatterflow.plan.chunks import chunk_ranges, stored_frames

        setup_container(
            self.container,
            frames=len(self.frames),
            chunk_frames=chunk_frames,
            tasks=[
                {
                    "name": f"area_{name}",
                    "detector": "area",
                    "robust": self.robust is not None,
                    "bins": bins,
                    "stored_frames": stored_frames(chunk_frames, 8 * int(np.prod(bins))),
                }
                for name, bins in BINS.items()
            ],
            shapes={"area": SHAPE},
        )
        return [
            self.integrate_chunk(start, stop, threads)
            for start, stop in chunk_ranges(len(self.frames), chunk_frames)
        ]

    def integrate_chunk(self, start: int, stop: int, threads: int = 1) -> Path:
        source = open_source(RunLocation.from_fields(self.location()))
        dead_time = dead_time_fraction(
            self.dead_time, source, start, stop, "run r1", self.missing == "nan"
        )
        receipt = integrate_chunk(
            self.container,
            source,
            start,
            stop,
            read_tasks(self.tasks, self.weights()),
            {"area": Calibration(VALID, dead_time=dead_time, dead_time_settings=self.dead_time)},
            threads=threads,
            skip_missing=self.missing == "nan",
        )
        path = self.folder / f"chunk-{start:06d}.json"
        write_json(path, receipt)
        return path

    def assemble(self, receipts: list[Path]) -> Path:
        assemble_result(
            str(self.container),
            [str(path) for path in receipts],
            self.weights(),
            {"area": str(self.folder / "mask.h5")},
            location=self.location(),
            description={
                "run": "r1",
                "reduction": "x",
                "sample": "water",
                "experiment": {
                    "title": "Test",
                    "facility": "Lab",
                    "facility_type": "Synchrotron X-ray Source",
                    "beamline": "B1",
                    "proposal": "",
                    "creators": ["A. Person"],
                },
                "parameters": {"corrections": {"flux": self.flux}},
            },
            tasks=self.tasks,
            valid={"area": VALID},
            dead_times={"area": self.dead_time},
            corrections={"settings": {**NO_CORRECTIONS, "flux": self.flux}, **NO_RUNS},
            result=str(self.result),
        )
        return self.result


@pytest.fixture
def small_run(tmp_path) -> SmallRun:
    rng = np.random.default_rng(11)
    frames = rng.poisson(20, (FRAMES, *SHAPE)).astype(np.uint32)
    frames[3, 5, 5] = 2**32 - 1  # a saturated pixel in one frame
    monitor = rng.uniform(900, 1100, FRAMES)
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file.create_dataset(
            "entry/data/data", data=frames, chunks=(1, *SHAPE), compression="gzip", shuffle=True
        )
        file["entry/i0"] = monitor
    run = SmallRun(tmp_path, frames, monitor)
    run.prepare()
    return run
