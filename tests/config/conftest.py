"""A small valid configuration to break."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def data() -> dict[str, Any]:
    """A valid configuration as plain values, new for every test."""
    return {
        "experiment": {"title": "t", "facility": "f", "beamline": "b"},
        "sources": {
            "tiff": {
                "format": "images",
                "frames": {"saxs": "{raw}/saxs_{frame:05d}.tif", "waxs": "{raw}/waxs.tif"},
                "table": "{raw}/counters.csv",
                "scalars": {
                    "i0": {"type": "column", "name": "I0", "unit": "counts"},
                    "ratio": {"type": "expression", "name": "i0 / mean(i0)"},
                },
            }
        },
        "detectors": {
            "saxs": {
                "shape": [20, 30],
                "geometry": "saxs.poni",
                "masks": [
                    {"type": "gaps"},
                    {"type": "circle", "name": "stop", "centre": "beam", "radius": 3},
                ],
            },
            "waxs": {
                "shape": [10, 10],
                "geometry": {
                    "distance_m": 0.1,
                    "poni1_m": 0,
                    "poni2_m": 0,
                    "wavelength_m": 1e-10,
                    "pixel1_m": 1e-4,
                    "pixel2_m": 1e-4,
                },
            },
        },
        "reductions": {
            "swaxs": {
                "technique": "saxswaxs",
                "integrations": {
                    "azimuthal": {"kind": "azimuthal", "bins": 100},
                    "cake": {"kind": "cake", "radial_bins": 10, "azimuthal_bins": 36},
                },
                "corrections": {"flux": {"monitor": "i0"}},
            }
        },
    }
