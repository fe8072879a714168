"""The demo, as `make demo` runs it, against the known answers of its simulation."""

from __future__ import annotations

import collections
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys

import h5py
import numpy as np
import pytest

from scatterflow.catalogue.record_file import read_record
from scatterflow.files.json import read_json
from scatterflow.sources.simulate import known_answers
from scatterflow.sources.simulate_xpcs import known_xpcs_answers
from scatterflow.sources.simulated_pump_probe import known_shot_answers

from .conftest import REPOSITORY, Project, copy_workflow, numbers, same_numbers
from .documented import (
    EVERY_FILE,
    GUIDE,
    compare,
    documented_columns,
    documented_json,
    tables,
)
from .notebooks import executed_texts, number, read, texts


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("demo") / "project"
    folder.mkdir()
    copy_workflow(folder)
    shutil.copytree(REPOSITORY / "config", folder / "config")
    project = Project(folder, {}, [], described=True)
    project.run()
    return project


def test_nothing_is_left_to_do(demo):
    assert demo.plan().jobs == []


def test_the_report_is_complete(demo):
    demo.run("--report", "results/report.html")
    text = demo.path("results/report.html").read_text(encoding="utf-8")
    plots = list(demo.path("results").glob("*/*/plots/*.png"))
    assert len(plots) == 137
    for path in plots:
        assert path.name in text, path
    for words in ("Scatterflow demo", "beam centre", "relative offset"):
        assert words.lower() in text.lower(), words


def test_no_check_fires_on_the_demo(demo):
    verdicts = sorted(demo.path("results").glob("*/*/quality.json"))
    assert len(verdicts) == 11
    for path in verdicts:
        quality = read_json(path)
        found = {check["name"]: check["verdict"] for check in quality["checks"]}
        assert not set(found.values()) & {"warn", "fail"}, (path, found)
        assert found["structure"] == "pass"
    table = demo.path("results/quality.csv").read_text(encoding="utf-8")
    assert "calibrant_rings,pass" in table
    assert demo.path("results/quality.html").exists()


@pytest.mark.parametrize(("run", "task", "rings"), [("lab6", "waxs", 6), ("agbh", "saxs", 2)])
def test_calibrant_rings(demo, run, task, rings):
    check = read_json(demo.path(f"results/{run}/calibration/{task}_azimuthal_rings.json"))
    assert [ring["used"] for ring in check["rings"]].count(True) == rings
    assert check["rms"] < 5e-5
    assert check["verdict"] == "pass"


@pytest.mark.parametrize(("run", "detector"), [("lab6", "waxs"), ("agbh", "saxs")])
def test_the_refined_geometry_is_the_one_that_was_simulated(demo, run, detector):
    found = read_json(demo.path(f"results/{run}/calibration/geometry/{detector}.json"))
    assert found["verdict"] == "pass"
    for name in ("distance", "poni1", "poni2"):
        change = found["parameters"][name]
        # What is configured is what was simulated.
        assert abs(change["change"]) < 4 * change["error"] < 4e-4, name
    poni = demo.path(f"results/{run}/calibration/geometry/{detector}.poni")
    assert poni.read_text().startswith("# Refined geometry.")


def test_the_mesh_is_mapped(demo):
    truth = known_answers()["mesh"]
    with h5py.File(demo.path("results/mesh/mapping/map.nxs")) as file:
        entry = file["entry"]
        assert np.array_equal(entry["frames/frame_index"], truth["frame_index"])
        assert np.allclose(entry["grid/samz"], truth["samz_mm"], atol=0.02)
        assert np.allclose(entry["grid/samx"], truth["samx_mm"], atol=0.02)
        profiles = entry["eiger_azimuthal/I"][()]
        missing = np.isnan(profiles).all(axis=-1)
        assert np.array_equal(missing, truth["frame_index"] < 0)
        # The grain is at samz = 1 mm, samx = 1.5 mm.
        peak = np.argmin(np.abs(entry["eiger_azimuthal/radial_axis"][()] - 0.25))
        assert np.unravel_index(np.nanargmax(profiles[..., peak]), missing.shape) == (2, 3)
        area = entry["peak_area/data"][()]
        assert np.unravel_index(np.nanargmax(area), missing.shape) == (2, 3)
        assert (entry["peak_area/data_errors"][()][~missing] > 0).all()
    assert demo.path("results/mesh/mapping/plots/map/peak_area.png").exists()


def pulls(found: dict, task: str, expected) -> np.ndarray:
    """(found - expected) / error of all frames; expected(q, frame) in normalised counts."""
    data = f"entry/{task}/data"
    q = found[f"{data}/radial_axis"]
    pixels = found[f"{data}/norm"]
    # Bins of few pixels do not sample the curve evenly.
    inner = pixels > 0.5 * np.median(pixels[pixels > 0])
    intensity, errors = found[f"{data}/I"], found[f"{data}/I_errors"]
    model = np.array([expected(q, frame) for frame in range(len(intensity))])
    return ((intensity - model) / errors)[:, inner]


@pytest.mark.parametrize(
    ("run", "raw", "tasks", "present"),
    [
        ("series/series", "demo/series_master.h5", ["eiger"], ("sample",)),
        # Transmission and background are corrected for.
        ("scan/swaxs", "demo/sample::1", ["saxs", "waxs"], ("sample",)),
        ("empty/swaxs", "demo/empty::1", ["saxs", "waxs"], ("empty",)),
        ("mesh/mapping", "demo/mesh::1", ["eiger"], ("sample",)),
    ],
)
def test_profiles_are_those_that_were_simulated(demo, run, raw, tasks, present):
    answers = known_answers()
    truth = answers["runs"][raw]
    found = numbers(demo.path(f"results/{run}/result.nxs"))
    assert np.array_equal(found["entry/scalars/ic1"], truth["ic1"])
    scale = 1.0  # normalised to the reference rate
    if run in ("series/series", "mesh/mapping"):  # to the mean reading of the monitor
        scale = np.mean(truth["ic1"]) / answers["reference_rate"] * truth["transmission"]
    for task in tasks:

        def expected(q, frame, task=task):
            return scale * sum(truth[name][task](q, frame) for name in present)

        spread = pulls(found, f"{task}_azimuthal", expected)
        assert abs(np.mean(spread)) < 0.1, task
        # Neighbouring bins share pixels when these are split, which narrows the scatter a little.
        assert 0.7 < np.std(spread) < 1.1, task


def test_the_transmission_and_the_background(demo):
    found = numbers(demo.path("results/scan/swaxs/result.nxs"))
    truth = known_answers()["runs"]["demo/sample::1"]
    transmission = found["entry/process_3_absorption/transmission"]
    np.testing.assert_allclose(transmission, truth["transmission"], rtol=1e-9)
    group = "entry/waxs_azimuthal/background"
    pixels = found[f"{group}/norm"]
    inner = pixels > 0.5 * np.median(pixels[pixels > 0])
    expected = truth["empty"]["waxs"](found[f"{group}/radial_axis"], 0)
    spread = ((found[f"{group}/I"] - expected) / found[f"{group}/I_errors"])[inner]
    assert abs(np.mean(spread)) < 0.3
    assert 0.7 < np.std(spread) < 1.2


def test_fitted_peaks_are_those_that_were_simulated(demo):
    found = numbers(demo.path("results/series/series/analysis.nxs"))
    for name, centres in zip(("first", "second"), known_answers()["series_peaks"], strict=True):
        centre = found[f"entry/per_frame/peaks_{name}_centre"]
        error = found[f"entry/per_frame/peaks_{name}_centre_errors"]
        pulls = (centre - centres) / error
        assert found["entry/per_frame/peaks_success"].all()
        assert abs(np.mean(pulls)) < 0.5, name
        assert 0.7 < np.std(pulls) < 1.3, name


def test_the_fitted_lamellar_peak_follows_the_phase(demo):
    found = numbers(demo.path("results/scan/swaxs/analysis.nxs"))
    area = found["entry/per_frame/lamellar_peak_area"]
    # The monitor swings: the simulated peak of the mean reading, 250 high and 0.008 wide.
    share = known_answers()["phase_fraction"]
    np.testing.assert_allclose(area / area.max(), share / share.max(), atol=0.02)
    np.testing.assert_allclose(found["entry/per_frame/lamellar_peak_centre"], 0.1, rtol=3e-3)
    assert found["entry/per_frame/size_rg"] == pytest.approx(20.0, rel=0.05)


def test_the_scanned_motor_is_an_axis(demo):
    with h5py.File(demo.path("results/scan/swaxs/result.nxs")) as file:
        data = file["entry/saxs_azimuthal/data"]
        assert np.array_equal(data["samx"], known_answers()["samx_mm"])
        assert data.attrs["samx_indices"] == 0


def test_the_same_photons_give_the_same_correlation_in_all_formats(demo):
    def results(run):
        files = ("result.nxs", "analysis.nxs")
        return {name: numbers(demo.path(f"results/{run}/dynamics/{name}")) for name in files}

    first = results("colloid_imm")
    same_numbers(first, results("colloid_rigaku"))
    same_numbers(first, results("colloid_eiger"))


def test_the_diffusion_of_the_colloid_is_the_one_that_was_simulated(demo):
    found = numbers(demo.path("results/colloid_imm/dynamics/analysis.nxs"))
    truth = known_xpcs_answers()
    law = "entry/diffusion/result"
    for value, error, name in (
        ("exponent", "exponent_error", "tau_exponent"),
        ("diffusion_m2_per_s", "diffusion_error", "diffusion_m2_per_s"),
        ("radius_m", "radius_error", "radius_m"),
    ):
        error = found[f"{law}/{error}"]
        assert abs(found[f"{law}/{value}"] - truth[name]) < 3 * error, name
        assert error < 0.05 * abs(truth[name]), name


@pytest.mark.parametrize(
    ("group", "suffix"), [("fit_simple/parameters", "s"), ("speckle_statistics/decay", "")]
)
def test_contrast_and_times_of_the_colloid_are_those_that_were_simulated(demo, group, suffix):
    found = numbers(demo.path("results/colloid_imm/dynamics/analysis.nxs"))
    truth = known_xpcs_answers()
    q = found["entry/bins/q"] * 1e10
    expected = {"contrast": truth["contrast"], "tau": 1 / (truth["diffusion_m2_per_s"] * q**2)}
    for name, value in expected.items():
        error = found[f"entry/{group}/{name}_error{suffix}"]
        known = np.isfinite(error)
        assert known.sum() > 10
        pulls = ((found[f"entry/{group}/{name}"] - value) / error)[known]
        assert abs(np.mean(pulls)) < 3 / np.sqrt(pulls.size), name
        assert 0.5 < np.std(pulls) < 1.5, name


def test_the_colloid_is_taken_as_its_metadata_say(demo):
    truth = known_xpcs_answers()
    with h5py.File(demo.path("results/colloid_rigaku/dynamics/colloid_rigaku_results.hdf")) as file:
        row, column = truth["beam_centre"]
        assert file["entry/instrument/detector_1/beam_center_y"][()] == pytest.approx(row)
        assert file["entry/instrument/detector_1/beam_center_x"][()] == pytest.approx(column)
        assert file["entry/g2/delay"][0] == pytest.approx(truth["frame_time_s"])
        assert len(file["xpcs/spatial_mean/intensity_vs_time"][0]) == truth["frames"]
        maps = file["xpcs/twotime/correlation_map"]
        assert list(maps) == [f"c2_{number:05d}" for number in (1, 5, 10, 20)]


def test_detector_faults_do_not_show(demo):
    found = numbers(demo.path("results/series/series/result.nxs"))
    assert np.nanmax(found["entry/eiger_cake/data/I"]) < 1000  # the sentinel is 4.3e9
    scan = numbers(demo.path("results/scan/swaxs/result.nxs"))
    assert np.nanmax(scan["entry/waxs_cake/data/I"]) < 2000  # hot pixels hold 1e6


def test_the_python_of_the_readme_runs(demo, monkeypatch):
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    profiles, dynamics, provenance = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(demo.folder)
    names: dict = {}
    exec(profiles, names)
    assert names["intensity"].shape == names["error"].shape == (11, names["q"].size)
    assert names["position"].shape == (11,)
    exec(dynamics, names)
    assert names["g2"].shape == names["g2_error"].shape == (20, names["delay"].size)
    assert names["tau"].shape == names["q"].shape == (20,)
    assert names["radius"].shape == ()
    exec(provenance, names)


def test_the_whole_run_shows_its_progress(demo):
    logs = sorted(demo.path("logs/integrate_chunk/series/series").glob("*.log"))
    found = [re.search(r"run series: (\d+) of 60 frames integrated", p.read_text()) for p in logs]
    assert sorted(int(match[1]) for match in found if match)[-1] == 60


def test_discovery_finds_the_demo_runs_again(demo):
    table = demo.path("config/runs.tsv")
    before = table.read_bytes()
    command = [sys.executable, "scripts/scatterflow", "discover"]
    done = subprocess.run(command, cwd=demo.folder, capture_output=True, text=True, check=True)
    assert "0 runs added, 13 there already" in done.stdout
    assert table.read_bytes() == before
    table.write_bytes(before[: before.index(b"agbh")])  # the first run stays
    done = subprocess.run(command, cwd=demo.folder, capture_output=True, text=True, check=True)
    assert "12 runs added, 1 there already" in done.stdout
    found = {tuple(line.split("\t")[2:5]) for line in table.read_text().splitlines()[2:]}
    table.write_bytes(before)
    wanted = {tuple(line.split("\t")[2:5]) for line in table.read_text().splitlines()[2:]}
    assert found == wanted


def test_every_result_has_a_true_record(demo):
    records = sorted(demo.path("results").glob("*/*/record.json"))
    assert len(records) == len(list(demo.path("results").glob("*/*/quality.json"))) == 11
    for path in records:
        record = read_record(demo.path("results"), f"{path.parts[-3]}/{path.parts[-2]}")
        assert record["datacite"]["creators"] == [{"name": "The scatterflow developers"}]
        kev = 9.0 if record["technique"]["name"] == "shots" else 12.0
        assert record["energy"]["value"] == pytest.approx(kev)
        assert record["q_range"]["low"] < record["q_range"]["high"]
        assert record["metadata"]["raw"] or record["technique"]["name"] != "shots"
        assert record["notes"] == []
        listed = {item["path"]: item for item in record["files"]}
        plots = {
            item.relative_to(path.parent).as_posix() for item in path.parent.glob("plots/**/*.*")
        }
        assert {"result.nxs", "quality.json", "thumbnail.png"} | plots <= listed.keys()
        for name, item in listed.items():
            content = (path.parent / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == item["sha256"]
            assert len(content) == item["bytes"]
        steps = {step["rule"]: step for step in record["processing"]["steps"]}
        assert {"build_mask", "assess_quality"} <= steps.keys()
        for step in steps.values():
            assert step["host_kind"] == "local"
            assert step["started"] <= step["finished"]
    colloid = read_record(demo.path("results"), "colloid_imm/dynamics")
    assert colloid["times"]["run_start"] == "2026-01-15T15:00:00Z"
    assert colloid["exposure_time"] == {"value": 1e-6, "unit": "s"}
    assert 0.0012 < colloid["q_range"]["low"] < colloid["q_range"]["high"] < 0.0052
    assert colloid["qmap"]["name"] == "q x phi"
    assert {step["rule"]: step["jobs"] for step in colloid["processing"]["steps"]}[
        "sort_chunk"
    ] == 3


def test_results_are_found_by_search(demo):
    def search(*arguments):
        command = [sys.executable, "scripts/scatterflow", *arguments]
        done = subprocess.run(command, cwd=demo.folder, capture_output=True, text=True, check=True)
        return done.stdout

    found = json.loads(search("search", "silica", "--technique", "xpcs", "--json"))
    assert {record["run"] for record in found} == {"colloid_imm", "colloid_rigaku", "colloid_eiger"}
    assert "\n1 found" in search("search", "--detector", "eiger", "grains")
    assert search("index").startswith("11 records: 0 added, 0 changed, 0 removed")


def test_what_is_published_outdates_records_only(demo):
    path = demo.path("config/config.yaml")
    before = path.read_text(encoding="utf-8")
    path.write_text(before + "publication: {keywords: [colloid]}\n", encoding="utf-8")
    assert demo.plan().rules() == {"describe_result", "build_catalogue"}
    path.write_text(before, encoding="utf-8")


def test_the_plan_report_counts_what_snakemake_plans(demo):
    command = [sys.executable, "scripts/scatterflow", "plan", "--json"]
    done = subprocess.run(command, cwd=demo.folder, capture_output=True, text=True, check=True)
    costs = {cost["rule"]: cost for cost in json.loads(done.stdout)}
    planned = collections.Counter(job.rule for job in demo.plan("--forceall").jobs)
    assert {rule: cost["jobs"] for rule, cost in costs.items()} == {
        rule: count for rule, count in planned.items() if rule != "all"
    }
    assert all(cost["done"] == cost["jobs"] for cost in costs.values())
    assert costs["integrate_chunk"]["rate"]["jobs"] == 9  # measured, not assumed


def test_the_notebook_finds_what_was_simulated(demo, tmp_path):
    path = REPOSITORY / "docs/demo.ipynb"
    found = executed_texts(path, demo.folder, tmp_path)
    assert found == texts(read(path))
    text = "\n".join(found)
    answers, colloid, shots = known_answers(), known_xpcs_answers(), known_shot_answers()
    listed = re.search(r"lamellar fraction: \[([^]]+)\]", text)
    assert listed is not None
    share = answers["phase_fraction"]
    fractions = np.array(listed[1].split(), float)
    np.testing.assert_allclose(fractions, share / share.max(), atol=0.02)
    assert number(r"peak at ([\d.]+)", text) == pytest.approx(0.1, rel=3e-3)
    assert number(r"radius of gyration: ([\d.]+)", text) == pytest.approx(20.0, abs=0.1)
    # The variance of n variances of n - 1 degrees of freedom is known to a few percent here.
    assert 0.85 < number(r"scatter over expected scatter, \d+ values: ([\d.]+)", text) < 1.05
    for pattern, truth in (
        (r"tau ~ q\^\(NUMBER \+- NUMBER\)", colloid["tau_exponent"]),
        (r"D = \(NUMBER \+- NUMBER\)", colloid["diffusion_m2_per_s"]),
        (r"radius = \(NUMBER \+- NUMBER\)", colloid["radius_m"] * 1e9),
        (r"after the pulse: NUMBER \+- NUMBER", shots["ring_fraction"] * shots["amplitude"]),
    ):
        match = re.search(pattern.replace("NUMBER", r"(-?[\d.]+(?:e-?\d+)?)"), text)
        assert match is not None, pattern
        value, error = map(float, match.groups())
        assert abs(value - truth) < 3 * error, pattern
        assert error < 0.1 * abs(truth), pattern
    assert "in two formats, equal g2: True" in text
    assert "scan/swaxs" in text


@pytest.mark.parametrize("files", sorted(tables().keys() - {EVERY_FILE}))
def test_fields_are_as_documented(demo, files):
    assert compare(demo.path("results"), files, tables()[files]) == []


def test_files_are_as_documented(demo):
    told = GUIDE.read_text(encoding="utf-8")
    for path in sorted(demo.path("results").glob("*/*/*.*")):
        run = path.parts[-3]
        name = path.name.replace(f"{run}.", "R.").replace(f"{run}_", "R_")
        name = re.sub(r"^cube_\w+", "cube_NAME", name)
        name = re.sub(r"^\w+_rings", "DETECTOR_INTEGRATION_rings", name)
        assert f"`{name}" in told or f"`{path.suffix}`" in told, path
    for name, keys in documented_json().items():
        for path in demo.path("results").glob(f"*/*/{name}"):
            assert read_json(path).keys() == keys, path
    index = sqlite3.connect(demo.path("results/catalogue/index.sqlite"))
    for table, columns in documented_columns().items():
        found = index.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall()
        assert [name for (name,) in found] == columns, table
    index.close()
    modules = re.findall(r"`(scatterflow\.[\w.]+)`", told)
    for module in modules:
        assert (REPOSITORY / "scripts" / f"{module.replace('.', '/')}.py").is_file(), module
    assert len(modules) > 10
