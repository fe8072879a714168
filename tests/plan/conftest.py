"""A small project: configuration and run table in a folder."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scatterflow.plan.build import Plan, build_plan

GEOMETRY = {
    "distance_m": 0.2,
    "poni1_m": 0.001,
    "poni2_m": 0.001,
    "wavelength_m": 1e-10,
    "pixel1_m": 1e-4,
    "pixel2_m": 1e-4,
}
CONFIGURATION = {
    "experiment": {"title": "t", "facility": "f", "beamline": "b"},
    "sources": {
        "both": {
            "format": "images",
            "frames": {"saxs": "{raw}/saxs_{frame:03d}.tif", "waxs": "{raw}/waxs_{frame:03d}.tif"},
            "table": "{raw}/counters.csv",
            "scalars": {"i0": {"type": "column", "name": "I0"}},
        },
        "single": {"format": "images", "frames": {"waxs": "{raw}_{frame:03d}.tif"}},
    },
    "detectors": {
        "saxs": {"shape": [20, 30], "geometry": GEOMETRY},
        "waxs": {"shape": [10, 10], "geometry": GEOMETRY},
    },
    "reductions": {
        "swaxs": {
            "technique": "saxswaxs",
            "integrations": {
                "azimuthal": {"kind": "azimuthal", "bins": 100},
                "cake": {
                    "kind": "cake",
                    "detectors": ["saxs"],
                    "radial_bins": 10,
                    "azimuthal_bins": 36,
                },
                "radial": {"kind": "radial", "detectors": ["waxs"], "bins": 90},
            },
        }
    },
}


@pytest.fixture
def configuration(tmp_path) -> dict[str, Any]:
    """A valid configuration; run table and raw folder in `tmp_path`."""
    return copy.deepcopy(CONFIGURATION) | {
        "runs": str(tmp_path / "runs.tsv"),
        "raw": str(tmp_path / "raw"),
    }


@pytest.fixture
def plan_of(configuration, tmp_path) -> Callable[..., Plan]:
    """The plan of runs given as dicts of cells (what is left out: run 1, both detectors, 10 frames)."""

    def build(*rows: dict[str, Any]) -> Plan:
        write_table(tmp_path / "runs.tsv", rows)
        return build_plan(configuration, "config.yaml")

    return build


def write_table(path: Path, rows: tuple[dict[str, Any], ...]) -> None:
    usual = {
        "run": "1",
        "reduction": "swaxs",
        "source": "both",
        "raw": "r",
        "frames": 10,
        "sample": "",
    }
    full = [usual | row for row in rows]
    lines = ["\t".join(full[0])] + ["\t".join(map(str, row.values())) for row in full]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
