"""Planned reductions of technique shots: darks, chunks, raw files, jobs; what cannot be is told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from scatterflow.errors import UserError
from scatterflow.plan.raw_shots import shot_files
from scatterflow.plan.report_shots import shots_jobs, shots_memory_mb, shots_raw_bytes

FRAMES = 25


@pytest.fixture
def pump(configuration, tmp_path) -> dict[str, Any]:
    """The one reduction, of a run with a dark run; what is changed in it is planned."""
    configuration["sources"] = {
        "sacla": {"format": "sacla", "file": "{raw}.h5", "detectors": {"ccd": ["C-1", "C-2"], "side": "S"}},
        "single": configuration["sources"]["single"],
    }  # fmt: skip
    waxs = configuration["detectors"]["waxs"]
    configuration["detectors"] = {"ccd": {"shape": [8, 5], "tiles": 2}, "waxs": waxs}
    configuration["chunks"] = {"frames": 10}
    configuration["reductions"] = {
        "pump": {
            "technique": "shots",
            "defaults": {"facility": "sacla"},
            "detectors": {
                "ccd": {
                    "dark": {"run": "dark", "rms": [1, 9], "register_as": "night"},
                    "functions": {"whole": {"kind": "region"}},
                },
                "side": {"sums": ["calib"]},
            },
            "cubes": {
                "plain": {"axes": {"x": {"type": "linear", "bins": 3}}, "quantities": ["ccd/whole_sum"]},
                "pictures": {"axes": {"x": {"type": "linear", "bins": 3}}, "images": ["ccd"]},
            },
            "calculations": {"spectrum": {"type": "histogram", "variable": "ccd/whole_sum", "bins": 9}},
        }
    }  # fmt: skip
    return configuration["reductions"]["pump"]


@pytest.fixture
def plan(pump, plan_of):
    run = {"run": "7", "reduction": "pump", "source": "sacla", "raw": "r7", "frames": FRAMES}
    dark = {**run, "run": "dark", "reduction": "", "raw": "r1"}
    frames = {**run, "run": "frames", "reduction": "", "source": "single", "raw": "f"}
    return lambda *more: plan_of(run, dark, frames, *more)


def test_a_dark_run_of_a_source_that_is_not_configured(pump, plan_of):
    run = {"run": "7", "reduction": "pump", "source": "sacla", "raw": "r7", "frames": FRAMES}
    with pytest.raises(UserError, match="source 'scala' is not configured") as caught:
        plan_of(run, {**run, "run": "dark", "reduction": "", "source": "scala"})
    assert "run dark" in caught.value.where


def test_chunks_cover_the_run_once(plan):
    planned = plan().find_shots("7", "pump")
    assert planned.chunks == [(0, 10), (10, 20), (20, 25)]
    assert planned.detectors == ("ccd", "side")
    assert set(planned.masks) == {"ccd"}  # nothing is known of the shape of the other
    assert planned.pixels == 40


def test_the_dark_is_that_of_its_run_and_settings(plan, pump):
    first = plan()
    (key,) = first.find_shots("7", "pump").darks.values()
    dark = first.darks[key]
    assert dark["location"]["run"] == "dark"
    assert dark["location"]["raw"] == "r1"
    assert list(dark["location"]["recipe"]["detectors"]) == ["ccd"]
    assert dark["location"]["shapes"] == {"ccd": [2, 4, 5]}
    assert dark["settings"] == {"rms": (1, 9), "fraction": 0.01}
    assert dark["register_as"] == "night"
    assert key.startswith("ccd-")
    pump["detectors"]["ccd"]["dark"]["rms"] = [1, 8]
    assert set(plan().darks) != {key}


def test_what_is_binned_or_calculated_outdates_no_chunk(plan, pump):
    before = plan().find_shots("7", "pump").parameters
    del pump["cubes"]["pictures"]
    pump["calculations"] = {}
    assert plan().find_shots("7", "pump").parameters == before
    pump["detectors"]["side"]["sums"] = ["calib_max"]
    assert plan().find_shots("7", "pump").parameters != before


def test_frames_are_read_without_the_scalars(plan, configuration):
    configuration["sources"]["sacla"]["scalars"] = {"delay": "delay"}
    planned = plan().find_shots("7", "pump")
    assert "scalars" in planned.location(scalars=True)["recipe"]
    assert "scalars" not in planned.location(scalars=False)["recipe"]


def test_settings_of_jobs_are_plain_values(plan):
    settings = plan().find_shots("7", "pump").detector_settings("ccd")
    assert settings["functions"] == {
        "whole": {"kind": "region", "area": False, "functions": {}},
    }
    assert settings["geometry"]["tiles"] == 2
    assert settings["constants"] is None
    assert plan().find_shots("7", "pump").detector_settings("side")["geometry"] is None


MISTAKES = [
    (
        "detectors",
        {"cdd": {}},
        "source 'sacla' has no detector 'cdd'",
        "run 7, key reductions.pump.detectors",
        "did you mean 'ccd'",
    ),
    (
        "detectors.ccd.dark",
        {"run": "drak"},
        "dark run 'drak' is no other run",
        "detectors.ccd.dark.run",
        "did you mean 'dark'",
    ),
    ("detectors.ccd.dark", {"run": "7"}, "dark run '7' is no other run", "dark.run", ""),
    ("detectors.ccd.dark", {"run": "frames"}, "is no run of shots", "dark.run", "same source"),
    (
        "detectors.ccd.functions",
        {
            "a": {
                "kind": "region",
                "functions": {
                    "b": {
                        "kind": "azimuthal",
                        "centre_mm": [0, 0],
                        "distance_mm": 1,
                        "photon_energy_ev": 9000,
                        "q_step": 0.1,
                    }
                },
            }
        },
        "azimuthal averages of detector 'ccd', whose geometry is not known",
        "detectors.ccd.functions.a.functions.b",
        "give detectors.ccd.geometry",
    ),
]


@pytest.mark.parametrize(("key", "value", "what", "where", "how"), MISTAKES)
def test_mistakes_are_told(plan, pump, key, value, what, where, how):
    *parents, last = key.split(".")
    node = pump
    for part in parents:
        node = node[part]
    node[last] = value
    if key == "detectors":
        pump["cubes"] = {}
    with pytest.raises(UserError) as caught:
        plan()
    assert what in caught.value.what
    assert where in caught.value.where
    assert how in caught.value.how


def test_a_cube_that_is_none(plan):
    with pytest.raises(UserError, match="no cube 'picture'") as caught:
        plan().find_shots("7", "pump").cube("picture")
    assert caught.value.how == "did you mean 'pictures'?"


def test_jobs_of_a_run(plan):
    reductions = list(plan().shots.values())
    jobs = shots_jobs(reductions)
    counts = {rule: len(outputs) for rule, outputs in jobs.items()}
    figures = {rule: number for rule, number in counts.items() if rule.startswith("plot_")}
    assert {rule: number for rule, number in counts.items() if rule not in figures} == {
        "make_dark": 1,
        "register_dark": 1,
        "tabulate_shots": 1,
        "reduce_shots_chunk": 3,
        "merge_shots": 1,
        "bin_shots_chunk": 3,  # of the cube with images
        "bin_shots": 2,
        "calculate_shots": 1,
    }
    per_run = ("summary", "shot_monitors", "shot_correlations", "scan_steps", "damage", "on_off")
    assert {name: figures[f"plot_{name}"] for name in per_run} == dict.fromkeys(per_run, 1)
    assert figures["plot_cube"] == 2
    assert figures["plot_dark"] == 1
    every = [path for outputs in jobs.values() for path in outputs]
    assert len(set(every)) == len(every)
    # 16 bits a pixel; of the second detector nobody knows the size.
    assert shots_raw_bytes(reductions) == 2 * 40 * FRAMES
    for rule in ("tabulate_shots", "reduce_shots_chunk", "merge_shots", "bin_shots"):
        assert shots_memory_mb(rule, reductions) > 500
    assert shots_memory_mb("register_dark", reductions) == 0


def test_more_shots_and_functions_need_more_memory(plan, pump, configuration):
    def memory() -> tuple[int, int]:
        planned = plan().find_shots("7", "pump")
        return planned.memory_mb, planned.merge_memory_mb

    configuration["detectors"]["ccd"]["shape"] = [2000, 1000]
    small = memory()
    configuration["chunks"]["frames"] = 25
    more = memory()
    assert more[0] > small[0]
    pump["detectors"]["ccd"]["functions"]["whole"]["area"] = True
    kept = memory()
    # A region that is kept: 8 MB of each of 25 shots, once more while it is written.
    assert kept[0] - more[0] == pytest.approx(2 * 25 * 8, abs=2)
    pump["detectors"]["ccd"]["statistics"] = {
        "q": {"kind": "quantiles", "low": 0, "high": 1, "bins": 98}
    }
    assert memory()[0] - kept[0] >= 2 * 4 * 100 * 2


# Raw files ----------------------------------------------------------------------------------------


def files_of(plan, tmp_path: Path) -> list[str]:
    planned = plan().find_shots("7", "pump")
    found = shot_files(planned.configuration, planned.row, planned.location(scalars=True))
    return [str(Path(path).relative_to(tmp_path / "raw")) for path in found]


def test_raw_files_are_those_of_the_patterns(plan, configuration, tmp_path):
    with pytest.raises(UserError, match=r"the raw folder .* does not exist"):
        files_of(plan, tmp_path)
    (tmp_path / "raw").mkdir()
    with pytest.raises(UserError, match=r"raw file .*r7\.h5 does not exist") as caught:
        files_of(plan, tmp_path)
    assert "run 7" in caught.value.where
    (tmp_path / "raw/r7.h5").touch()
    assert files_of(plan, tmp_path) == ["r7.h5"]
    configuration["sources"]["sacla"] = {
        "format": "shot_hdf5",
        "tags": "/t",
        "file": "{raw}.h5",
        "detectors": {
            "ccd": "/ccd",
            "side": {"data": "/s", "tags": "/t", "file": "{raw}_side.h5"},
        },
        "scalar_data": {"e": {"data": "/e", "file": "{raw}_side.h5"}},
    }
    (tmp_path / "raw/r7_side.h5").touch()
    assert files_of(plan, tmp_path) == ["r7.h5", "r7_side.h5"]


def test_raw_files_of_a_folder(plan, configuration, tmp_path):
    configuration["sources"]["sacla"] = {
        "format": "euxfel",
        "folder": "p/{raw}",
        "detectors": {"ccd": "A_DET_X-1", "side": "B_DET_X-1"},
    }
    folder = tmp_path / "raw/p/r7"
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match="there is no HDF5 file in the folder"):
        files_of(plan, tmp_path)
    for name in ("b.h5", "a.h5", "notes.txt"):
        (folder / name).touch()
    assert files_of(plan, tmp_path) == ["p/r7/a.h5", "p/r7/b.h5"]


def test_data_of_a_facility_is_in_no_files(plan, configuration, tmp_path):
    configuration["sources"]["sacla"] = {
        "format": "sacla_live",
        "detectors": copy.deepcopy(configuration["sources"]["sacla"]["detectors"]),
    }
    assert files_of(plan, tmp_path) == []
