"""A small run of four detectors with all its arrays known, and its way to small data and result."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.config.shots import ShotsReduction
from scatterflow.shots.calibrated import CalibratedDetector, calibrated_detector
from scatterflow.shots.merge import merge_shots
from scatterflow.shots.reduce import reduce_chunk
from scatterflow.shots.result import write_result
from scatterflow.shots.selection import passed_by_statistic, scalars_of
from scatterflow.shots.small_data import SmallData, open_small_data
from scatterflow.shots.table import read_table, tabulate_shots
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shots import ShotSource, open_shots

SHOTS = 30
SHAPES = {"tiles": (2, 4, 5), "camera": (6, 7), "trace": (60,), "never": (3, 4)}
PEDESTAL = 3.0
RECIPE = {
    "format": "shot_hdf5",
    "tags": "/tags",
    "detectors": {
        "tiles": {"data": "/tiles/data", "tags": "/tiles/tags"},
        "camera": "/camera",
        "trace": "/trace",
        "never": {"data": "/never/data", "tags": "/never/tags"},
    },
    "scalars": {name: f"/{name}" for name in ("xray", "laser", "i0", "nominal", "weight")},
}
REDUCTION: dict[str, Any] = {
    "technique": "shots",
    "defaults": {
        "facility": "sacla",
        "light": {"xray": {"required": ["xray"]}, "laser": {"required": ["laser"]}},
        "columns": {"ipm2/sum": "i0", "scan/delay": "nominal", "ipm3/weight": "weight"},
    },
    "detectors": {
        "tiles": {
            "calibration": {"adu_per_photon": 2},
            "functions": {
                "ring": {
                    "kind": "region",
                    "roi": [[0, 2], [1, 4], [0, 5]],
                    "threshold": 1.0,
                    "area": True,
                    "functions": {"along": {"kind": "projection", "axis": 2}},
                },
                "values": {"kind": "spectrum", "edges": [0, 2, 4, 50]},
                "drops": {"kind": "droplets", "in_noise": False, "threshold": 6.25},
                "packed": {"kind": "quantise", "largest_error": 0.25},
            },
            "sums": ["calib", "calib_dropped", "calib_max", "calib_thresADU2_square"],
            "statistics": {
                "mean": {"kind": "mean"},
                "pumped": {"kind": "variance", "filters": ["light", "pumped"]},
                "low": {"kind": "minimum"},
                "high": {"kind": "maximum", "filters": ["light"]},
                "seen": {"kind": "count"},
                "weighted": {"kind": "weighted_mean", "weights": "ipm3/weight"},
                "middle": {
                    "kind": "quantiles",
                    "low": -2.25,
                    "high": 19.75,
                    "bins": 44,
                    "fractions": [0.0, 0.5, 1.0],
                },
                "some": {"kind": "reservoir", "shots": 4, "seed": 3},
            },
        },
        "camera": {
            "functions": {"whole": {"kind": "region"}},
            "sums": ["calib"],
            "statistics": {"by_delay": {"kind": "weighted_mean", "weights": "shifted"}},
        },
        "trace": {
            "functions": {
                "pulse": {"kind": "integrate", "window": [10, 20], "background": [0, 8]},
                "part": {"kind": "region", "roi": [[10, 20]]},
            },
            "sums": ["calib"],
            "statistics": {"mean": {"kind": "mean"}},
        },
        "never": {
            "functions": {
                "whole": {"kind": "region", "saturation": 9.0},
                "drops": {"kind": "droplets", "in_noise": False, "threshold": 6.25},
            },
            "sums": ["calib", "calib_max"],
            "statistics": {
                "mean": {"kind": "mean"},
                "middle": {"kind": "quantiles", "low": 0, "high": 1},
                "some": {"kind": "reservoir", "shots": 2},
                "weighted": {"kind": "weighted_mean", "weights": "ipm3/weight"},
            },
        },
    },
    "variables": {
        "ratio": {"type": "expression", "expression": "tiles_ring_sum / ipm2_sum"},
        "shifted": {"type": "expression", "expression": "scan_delay - min(scan_delay)"},
        "twice": {"type": "expression", "expression": "2 * ratio", "unit": "photons/V"},
        "drops": {"type": "expression", "expression": "tiles_drops_nDroplets + 0"},
    },
    "filters": {
        "light": {"type": "range", "variable": "ipm2/sum", "minimum": 1.2},
        "pumped": {"type": "laser", "state": "on"},
        "few": {"type": "range", "variable": "tiles/drops_nDroplets", "maximum": 1},
        "bright": {"type": "expression", "expression": "ratio > median(ratio)"},
    },
}


@dataclass
class ReducedRun:
    """stored: {detector: (shots, ...)}; there: {detector: (shots,) bool}; scalars: {name: (shots,)};
    good: (tiles, rows, columns) of the detector tiles."""

    folder: Path
    tags: np.ndarray
    stored: dict[str, np.ndarray]
    there: dict[str, np.ndarray]
    scalars: dict[str, np.ndarray]
    good: np.ndarray
    settings: dict[str, Any]

    def values(self, detector: str) -> np.ndarray:
        """Calibrated by the formula, float64; all shots, whether they are there or not."""
        if detector != "tiles":
            return self.stored[detector].astype(np.float64)
        return np.where(self.good, (self.stored["tiles"].astype(np.float64) - PEDESTAL) / 2, 0)

    def source(self) -> ShotSource:
        return open_shots(RunLocation("9", "9.h5", str(self.folder), SHOTS, RECIPE))

    def detectors(self) -> list[CalibratedDetector]:
        source, found = self.source(), []
        for name, own in self.settings["detectors"].items():
            constants = str(self.folder / "constants.h5") if name == "tiles" else None
            known = {**own, "constants": constants, "geometry": None}
            found.append(calibrated_detector(source, name, known, mask=None, dark=None, run="9"))
        return found

    def reduced(self, folder: Path, cuts: list[int], threads: int = 1) -> tuple[Path, Path]:
        """Small data and result by chunks that end at the cuts."""
        folder.mkdir(exist_ok=True)
        settings = self.settings
        tabulate_shots(folder / "table.h5", self.source(), settings["defaults"], "9")
        table = read_table(folder / "table.h5")
        scalars = scalars_of(table, settings["variables"], "run 9")
        used = settings["detectors"]
        passed = passed_by_statistic(used, settings["filters"], scalars, SHOTS, "run 9")
        parts = []
        for start, stop in pairwise([0, *sorted(set(cuts) - {0, SHOTS}), SHOTS]):
            parts.append(folder / f"{start}.h5")
            reduce_chunk(
                parts[-1],
                self.detectors(),
                used,
                scalars,
                passed,
                table.tags,
                start,
                stop,
                threads=threads,
                label="9",
            )
        small, result = folder / "9.h5", folder / "result.nxs"
        told = {
            "run": "9",
            "reduction": "pumpprobe",
            "sample": "water",
            "experiment": {
                "title": "Test",
                "facility": "F",
                "facility_type": "Free-Electron Laser",
                "beamline": "B",
                "proposal": "",
                "creators": ["A. P."],
            },
        }
        summed = merge_shots(small, parts, table, self.detectors(), settings, told, label="9")
        write_result(
            result, open_small_data(small), summed, table, self.detectors(), settings, told
        )
        return small, result

    def small(self, folder: Path, cuts: list[int]) -> SmallData:
        return open_small_data(self.reduced(folder, cuts)[0])


def plain_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Settings of a reduction as jobs get them."""
    found = ShotsReduction.model_validate(given).model_dump(exclude_none=True)
    return {key: found[key] for key in ("defaults", "detectors", "variables", "filters")}


def reduced_run(folder: Path, given: dict[str, Any] = REDUCTION, seed: int = 4) -> ReducedRun:
    """The run, its files in a folder."""
    rng = np.random.default_rng(seed)
    stored: dict[str, np.ndarray] = {
        "tiles": rng.poisson(10, (SHOTS, *SHAPES["tiles"])).astype(np.uint16),
        "camera": rng.integers(0, 99, (SHOTS, *SHAPES["camera"])).astype(np.uint8),
        "trace": rng.normal(0, 1, (SHOTS, *SHAPES["trace"])).astype(np.float32),
        "never": np.zeros((SHOTS, *SHAPES["never"]), np.uint16),
    }
    there = {name: np.ones(SHOTS, bool) for name in stored}
    # A whole chunk of shots can lack the detector.
    there["tiles"][[0, 1, 2, 3, 9, 17, SHOTS - 1]] = False
    there["never"][:] = False
    scalars = {
        "xray": (rng.random(SHOTS) < 0.7).astype(np.int32),
        "laser": rng.integers(0, 2, SHOTS).astype(np.int32),
        "i0": rng.uniform(1, 3, SHOTS),
        "nominal": rng.normal(0, 1, SHOTS),
        "weight": rng.uniform(0, 2, SHOTS),
    }
    scalars["i0"][5] = scalars["weight"][6] = np.nan
    good = np.ones(SHAPES["tiles"], bool)
    good[1, 2, 3] = good[0, 0, 0] = False
    tags = 500 + 3 * np.arange(SHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "9.h5", "w") as file:
        file["tags"] = tags
        for name in ("camera", "trace"):
            file[name] = stored[name]
        file["tiles/data"] = stored["tiles"][there["tiles"]]
        file["tiles/tags"] = tags[there["tiles"]]
        file["never/data"], file["never/tags"] = stored["never"][:1], tags[:1] + 1
        for name, values in scalars.items():
            file[name] = values
    with h5py.File(folder / "constants.h5", "w") as file:
        file["pedestal"], file["good"] = np.full(SHAPES["tiles"], PEDESTAL), good
    return ReducedRun(folder, tags, stored, there, scalars, good, plain_settings(given))
