"""Which figures a reduction of shots asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from scatterflow.config.shots import ShotsReduction
from scatterflow.plan.targets import shots_plots


def plots(detector: dict[str, Any], **more: Any) -> list[str]:
    given = {
        "technique": "shots",
        "defaults": {"facility": "sacla"},
        "detectors": {"ccd": detector},
        **more,
    }
    reduction = ShotsReduction.model_validate(given)
    return shots_plots(SimpleNamespace(reduction=reduction))  # type: ignore[arg-type]


def test_figures_follow_functions_even_inside_of_others():
    azimuthal = {
        "kind": "azimuthal", "centre_mm": [0, 0], "distance_mm": 100, "photon_energy_ev": 9000,
        "q_step": 0.01,
    }  # fmt: skip
    droplets = {"kind": "droplets", "in_noise": False, "threshold": 0.4}
    ring = {"kind": "region", "functions": {"drops": droplets, "q": azimuthal}}
    values = {"kind": "spectrum", "range": [0, 4], "bins": 40}
    found = plots({"functions": {"ring": ring, "values": values}})
    assert [name for name in found if name.startswith("ccd")] == [
        "ccd_single_photon_spectrum",
        "ccd_photon_histograms",
        "ccd_azimuthal",
    ]


def test_darks_sums_filters_and_cubes_have_theirs():
    bare = plots({})
    full = plots(
        {"dark": {"run": "7"}, "sums": ["calib"]},
        filters={"light": {"type": "range", "variable": "ipm2/sum", "minimum": 0.1}},
        cubes={
            "scan": {"axes": {"delay": {"type": "edges", "edges": [0, 1]}}, "quantities": ["a/b"]}
        },
    )
    assert sorted(set(full) - set(bare)) == ["ccd_dark", "ccd_mean_images", "cube_scan", "filters"]
    assert {"summary", "damage", "on_off"} <= set(bare)
