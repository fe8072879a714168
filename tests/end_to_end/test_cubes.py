"""Cubes and calculations of a pump-probe run through the real snakemake, against numpy on the raw images."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from scatterflow.sources.shot_writers import write_sacla

from .conftest import Project, copy_workflow

pytestmark = pytest.mark.end_to_end

SHOTS, SHAPE, BAD, PEDESTAL = 60, (6, 5), (2, 3), 3.0
EDGES = [-1.0, 0.0, 0.5, 2.0]
RANDOM = np.random.default_rng(3)
RAW = SimpleNamespace(
    images=RANDOM.poisson(40, (SHOTS, *SHAPE)).astype(np.uint16),
    there=RANDOM.random(SHOTS) < 0.9,
    laser=(RANDOM.random(SHOTS) < 0.6).astype(np.float64),
    delay=RANDOM.uniform(-1.2, 2.2, SHOTS),
    intensity=RANDOM.uniform(0.5, 2.0, SHOTS),
)
GOOD = np.ones(SHAPE, bool)
GOOD[BAD] = False
CONFIG: dict[str, Any] = {
    "experiment": {"title": "Test", "facility": "SACLA", "beamline": "BL3", "creators": ["A. P."]},
    "runs": "config/runs.tsv",
    "raw": "raw",
    "sources": {
        "sacla": {
            "format": "sacla",
            "detectors": {"ccd": "ccd"},
            "scalars": {"laser": "laser", "delay": "delay", "i0": "i0"},
        }
    },
    "detectors": {"ccd": {"shape": list(SHAPE)}},
    "reductions": {
        "pump": {
            "technique": "shots",
            "defaults": {
                "facility": "sacla",
                "light": {"laser": {"required": ["laser"]}},
                "columns": {"scan/delay": "delay", "ipm2/sum": "i0"},
            },
            "detectors": {
                "ccd": {"constants": "constants.h5", "functions": {"whole": {"kind": "region"}}}
            },
            "filters": {"light": {"type": "range", "variable": "ipm2/sum", "minimum": 0.7}},
            "calculations": {
                "best": {
                    "type": "top_shots",
                    "variable": "ccd/whole_sum",
                    "number": 3,
                    "images": ["ccd"],
                },
                "curve": {
                    "type": "binned_statistics",
                    "variable": "ccd/whole_sum",
                    "along": "scan/delay",
                    "edges": EDGES,
                },
            },
            "cubes": {
                "scan": {
                    "axes": {"delay": {"type": "edges", "variable": "scan/delay", "edges": EDGES}},
                    "labels": {"laser": {"variable": "lightStatus/laser"}},
                    "quantities": ["ccd/whole_sum"],
                    "images": ["ccd"],
                    "normalise": {"ccd/whole_sum": "ipm2/sum"},
                    "filters": ["light"],
                    "difference": {"label": "laser"},
                }
            },
        }
    },
    "chunks": {"frames": 40},
}
FOLDER = "results/one/pump"


def make_project(folder: Path) -> Project:
    copy_workflow(folder)
    (folder / "raw").mkdir()
    events = {"laser": RAW.laser, "delay": RAW.delay, "i0": RAW.intensity}
    tags = 1000 + 2 * np.arange(SHOTS)
    write_sacla(folder / "raw/one.h5", 7, tags, {"ccd": RAW.images}, {"ccd": RAW.there}, events)
    with h5py.File(folder / "constants.h5", "w") as file:
        file["pedestal"], file["good"] = np.full(SHAPE, PEDESTAL), GOOD
    row = {"run": "one", "reduction": "pump", "source": "sacla", "raw": "one.h5"}
    project = Project(folder, CONFIG, [{**row, "frames": str(SHOTS), "sample": "water"}])
    project.write()
    return project


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Project:
    project = make_project(tmp_path_factory.mktemp("cubes") / "project")
    project.run(f"{FOLDER}/cube_scan.nxs", f"{FOLDER}/analysis.nxs")
    return project


def test_a_cube_is_that_of_the_raw_images(finished):
    values = np.where(GOOD, RAW.images - PEDESTAL, np.nan)
    sums = np.nansum(values, axis=(1, 2))
    with h5py.File(finished.path(f"{FOLDER}/cube_scan.nxs")) as file:
        entry = file["entry"]
        assert entry.attrs["default"] == "ccd_whole_sum_difference"
        for laser in (0, 1):
            for bin_, (low, high) in enumerate(pairwise(EDGES)):
                chosen = (
                    (RAW.intensity >= 0.7)
                    & (RAW.laser == laser)
                    & (RAW.delay >= low)
                    & (RAW.delay < high)
                )
                assert entry["shots/shots"][laser, bin_] == chosen.sum()
                own = chosen & RAW.there
                image, signal = entry["ccd"], entry["ccd_whole_sum"]
                assert (image["counts"][laser, bin_] == np.where(GOOD, own.sum(), 0)).all()
                mean = values[own].mean(axis=0)
                np.testing.assert_allclose(image["mean"][laser, bin_], mean)
                error = values[own].std(axis=0, ddof=1) / np.sqrt(own.sum())
                np.testing.assert_allclose(image["mean_errors"][laser, bin_], error, atol=1e-9)
                np.testing.assert_allclose(signal["mean"][laser, bin_], sums[own].mean())
                ratio = sums[own].sum() / RAW.intensity[own].sum()
                np.testing.assert_allclose(signal["ratio"][laser, bin_], ratio)
        off, on = entry["ccd_whole_sum/ratio"][()]
        np.testing.assert_allclose(entry["ccd_whole_sum_difference/difference"], on - off)


def test_calculations_are_those_of_the_raw_images(finished):
    sums = np.where(RAW.there, (RAW.images - PEDESTAL)[:, GOOD].sum(axis=1), -np.inf)
    best = np.argsort(sums)[::-1][:3]
    with h5py.File(finished.path(f"{FOLDER}/analysis.nxs")) as file:
        entry = file["entry"]
        assert entry["best/positions"][()].tolist() == best.tolist()
        np.testing.assert_array_equal(
            entry["best_ccd/data"][()][:, GOOD], (RAW.images - PEDESTAL)[best][:, GOOD]
        )
        for bin_, (low, high) in enumerate(pairwise(EDGES)):
            own = RAW.there & (RAW.delay >= low) & (RAW.delay < high)
            assert entry["curve/counts"][bin_] == own.sum()
            assert entry["curve/mean"][bin_] == pytest.approx(sums[own].mean())


def test_a_further_quantity_bins_again_and_does_nothing_else(finished):
    """The binned images were temporary; nothing before them is touched, nor the calculations."""
    cube = finished.config["reductions"]["pump"]["cubes"]["scan"]
    cube["quantities"].append("ipm2/sum")
    finished.write()
    planned = finished.plan(f"{FOLDER}/cube_scan.nxs", f"{FOLDER}/analysis.nxs")
    assert planned.rules() == {"bin_shots_chunk", "bin_shots"}
