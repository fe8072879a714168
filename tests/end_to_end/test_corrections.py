"""The correction chain through the real workflow: background, dark and standard runs whose rows ask for
nothing, numbers computed by hand from even frames, and what runs again when one of them changes."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import fabio
import h5py
import numpy as np
import pytest

from scatterflow.files.nexus import read_note

from .conftest import PONI, SHAPES, Project, copy_workflow, numbers

# Counts of every pixel in each frame, I0, I1 and seconds.
RUNS: dict[str, dict[str, list[float]]] = {
    "sample": {"counts": [110, 210], "i0": [1000, 2000], "i1": [400, 800], "t": [1, 1]},
    "lone": {"counts": [55, 65], "i0": [1000, 1000], "i1": [400, 400], "t": [1, 1]},
    "empty": {"counts": [30, 70], "i0": [1000, 3000], "i1": [500, 1500], "t": [1, 1]},
    "dark": {"counts": [20, 40], "i0": [0, 0], "i1": [0, 0], "t": [2, 4]},
    "water": {"counts": [95, 95], "i0": [1000, 1000], "i1": [450, 450], "t": [1, 1]},
}
RESULT = "results/sample/x/result.nxs"
TARGETS = (
    RESULT,
    "results/lone/x/result.nxs",
    "results/sample/x/plots/saxs_azimuthal_corrections.png",
    "results/sample/x/plots/transmission.png",
)


def write_run(folder: Path, name: str, run: dict[str, list[float]]) -> None:
    folder.mkdir(exist_ok=True)
    for frame, counts in enumerate(run["counts"]):
        image = np.full(SHAPES["saxs"], counts, np.int32)
        fabio.tifimage.TifImage(image).write(str(folder / f"{name}_{frame:03d}.tif"))
    rows = [",".join(map(str, row)) for row in zip(run["i0"], run["i1"], run["t"], strict=True)]
    (folder / f"{name}.csv").write_text("\n".join(["i0,i1,t", *rows]) + "\n")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("corrections") / "project"
    copy_workflow(folder)
    for name, run in RUNS.items():
        write_run(folder / "raw", name, run)
    rows, columns = SHAPES["saxs"]
    (folder / "saxs.poni").write_text(PONI.format(rows=rows, columns=columns, distance=0.2))
    config: dict[str, Any] = {
        "experiment": {"title": "Test", "facility": "Lab", "beamline": "B1", "creators": ["A. P."]},
        "runs": "config/runs.tsv",
        "raw": "raw",
        "sources": {
            "tiffs": {
                "format": "images",
                "frames": {"saxs": "{raw}_{frame:03d}.tif"},
                "table": "{raw}.csv",
                "scalars": {
                    name: {"type": "column", "name": name, "unit": unit}
                    for name, unit in (("i0", "counts"), ("i1", "counts"), ("t", "s"))
                },
            }
        },
        "detectors": {"saxs": {"shape": [rows, columns], "geometry": "saxs.poni"}},
        "reductions": {
            "x": {
                "technique": "saxswaxs",
                "integrations": {
                    "azimuthal": {
                        "kind": "azimuthal",
                        "bins": 20,
                        "unit": "q_A^-1",
                        "solid_angle": False,
                        "error_model": "counting",
                    }
                },
                "corrections": {
                    "dark": {"exposure": "t"},
                    "flux": {"monitor": "i0", "dwell_time": "t"},
                    "absorption": {"monitor": "i1"},
                    "background": {},
                    "thickness": {"cm": 0.1},
                    "absolute": {
                        "standard": "water",
                        "run": "water",
                        "integration": "azimuthal",
                        "range": [0.2, 0.8],
                    },
                },
            }
        },
        "overrides": [
            {"runs": "water", "set": {"reductions.x.corrections.thickness.cm": 0.2}},
            {"runs": "empty", "set": {"chunks.frames": 1}},
        ],
        "chunks": {"frames": 2},
    }
    table = [
        {
            "run": name,
            "reduction": "x" if name in ("sample", "lone") else "",
            "source": "tiffs",
            "raw": name,
            "frames": "2",
            "background": "empty" if name in ("sample", "water") else "",
            "dark": "dark" if name != "dark" else "",
        }
        for name in RUNS
    ]
    project = Project(folder, config, table)
    project.write()
    project.run(*TARGETS)
    return project


@pytest.fixture
def done(finished, tmp_path) -> Project:
    """A copy of the finished project, times and Snakemake's memory included."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    project = copy.deepcopy(finished)
    project.folder = folder
    return project


def filled(found: dict, name: str, group: str = "mean") -> np.ndarray:
    values = found[f"entry/saxs_azimuthal/{group}/{name}"]
    return values[..., found["entry/saxs_azimuthal/mean/norm"] > 0]


def test_numbers_by_hand(finished):
    """Dark: 60 counts in 6 s, 10 a second. r = 1500 counts/s. T = 0.4 / 0.5 = 0.8, of water 0.9."""
    found = numbers(finished.path(RESULT))
    background = (20 + 60) / (4000 / 1500)
    sample = np.array([100 * 1.5, 200 * 0.75]) / 0.8
    water = (85 * 1.5 / 0.9 - background) / 0.2
    factor = 1.632e-2 / water
    np.testing.assert_allclose(found["entry/process_7_absolute/factor_saxs"], factor, rtol=1e-6)
    expected = factor * (sample - background) / 0.1
    for frame, value in enumerate(expected):
        np.testing.assert_allclose(filled(found, "I", "data")[frame], value, rtol=1e-6)
    np.testing.assert_allclose(filled(found, "I"), expected.mean(), rtol=1e-6)
    np.testing.assert_allclose(filled(found, "I", "uncorrected"), 160, rtol=1e-6)
    np.testing.assert_allclose(filled(found, "I", "normalised"), sample.mean(), rtol=1e-6)
    np.testing.assert_allclose(filled(found, "I", "background"), background, rtol=1e-6)
    assert np.all(filled(found, "I_errors") > filled(found, "I_errors_shared"))


def test_steps_inputs_and_units_are_told(finished):
    with h5py.File(finished.path(RESULT)) as file:
        entry = file["entry"]
        steps = sorted(name for name in entry if name.startswith("process_"))
        names = ("integration", "dark", "flux", "absorption", "background", "thickness", "absolute")
        assert steps == [f"process_{number}_{name}" for number, name in enumerate(names, start=1)]
        assert entry["saxs_azimuthal/mean/I"].attrs["units"] == "1/cm"
        step = entry["process_7_absolute"]
        relative = step["factor_saxs_errors"][()] / step["factor_saxs"][()]
        errors = entry["saxs_azimuthal/data/I_errors"]
        assert errors.attrs["relative_scale_error"] == pytest.approx(relative)
        assert entry["saxs_azimuthal/uncorrected/I"].attrs["units"] == "arbitrary units"
        assert entry["process_3_flux/input/reference_used"][()] == 1500
        data = entry["saxs_azimuthal/data"]
        np.testing.assert_allclose(data["transmission"], [0.8, 0.8])
        assert data.attrs["transmission_indices"] == 0
        assert entry["process_5_background/input/runs"][()] == b'["empty"]'
        others = read_note(entry["provenance/correction_runs"])
        assert read_note(entry["provenance/warnings"]) == []
    assert set(others) == {"empty", "dark", "water"}
    paths = {Path(record["path"]).name for record in others["empty"]}
    assert paths == {"empty_000.tif", "empty_001.tif", "empty.csv"}


def test_a_run_without_background_is_normalised_only(finished):
    found = numbers(finished.path("results/lone/x/result.nxs"))
    np.testing.assert_allclose(filled(found, "I"), 50, rtol=1e-6)
    assert not any("absorption" in name for name in found)


def test_companions_deliver_nothing(finished):
    assert sorted(path.name for path in finished.path("results").iterdir()) == ["lone", "sample"]
    assert finished.plan(*TARGETS).jobs == []


PLOTS = {"plot_corrections", "plot_transmission"}


@pytest.mark.parametrize(
    ("run", "chunks", "users"),
    [("empty", False, {"sample"}), ("empty", True, {"sample"}), ("lone", False, {"lone"})],
)
def test_a_changed_run_reruns_what_uses_it(done, run, chunks, users):
    """A monitor: the results of its users alone. A frame: its own chunk as well."""
    raw = done.path("raw")
    if chunks:
        image = np.full(SHAPES["saxs"], 71, np.int32)
        fabio.tifimage.TifImage(image).write(str(raw / f"{run}_001.tif"))
    else:
        path = raw / f"{run}.csv"
        path.write_text(path.read_text().replace("1000,", "1001,"))
    plan = done.plan(*TARGETS)
    assembled = {job.run for job in plan.jobs if job.rule == "assemble_result"}
    assert assembled == users
    integrated = [job.outputs for job in plan.jobs if job.rule == "integrate_chunk"]
    assert integrated == ([[f"work/{run}/x/chunks/000001-000002.json"]] if chunks else [])
    assert plan.rules() - {"integrate_chunk", "assemble_result"} <= PLOTS


def test_a_background_above_the_sample_is_told(done):
    done.config["reductions"]["x"]["corrections"]["background"] = {"scale": 10.0}
    del done.config["reductions"]["x"]["corrections"]["absolute"]
    done.write()
    text = done.run(RESULT).text
    assert "the background (empty) is above the sample" in text
    with h5py.File(done.path(RESULT)) as file:
        (warning,) = read_note(file["entry/provenance/warnings"])
    assert "run sample" in warning
    done.config["reductions"]["x"]["corrections"]["background"]["on_violation"] = "error"
    done.write()
    failed = done.snakemake(RESULT)
    assert failed.code != 0
    assert "mend:  check transmission" in failed.text
    assert "Traceback" not in failed.text
    # Snakemake takes the old one away before the job: it is not what the configuration asks for.
    assert not done.path(RESULT).exists()


def test_a_background_chunk_that_is_not_as_integrated(done):
    """Whoever writes into a background's container is told by its receipts."""
    import zarr

    container = zarr.open_group(done.path("work/empty/x/container.zarr"), mode="r+")
    container["saxs_azimuthal/signal"][1] = 5.0
    done.path(RESULT).unlink()
    failed = done.snakemake(RESULT)
    assert failed.code != 0
    assert "run empty, reduction x, chunk 000001-000002" in failed.text
    assert not done.path(RESULT).exists()
