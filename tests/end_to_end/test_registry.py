"""Masks of the registry in the workflow: pinned before a run, and only what uses a changed one reruns."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from scatterflow.registry import get_record, register_mask

from .conftest import SHAPES, environment, make_project

RESULTS = "results/one/x/result.nxs", "results/two/x/result.nxs"
"""What is made and planned here; that figures follow their result, `test_rerun` says."""
RESULT = {"integrate_chunk", "assemble_result"}


def saxs_mask(rows: int) -> np.ndarray:
    good = np.ones(SHAPES["saxs"], bool)
    good[20 : 20 + rows, 25:30] = False
    return good


def waxs_mask(columns: int) -> np.ndarray:
    good = np.ones(SHAPES["waxs"], bool)
    good[:, 10 : 10 + columns] = False
    return good


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A complete run with a registered mask for each detector; tests work on copies."""
    project = make_project(tmp_path_factory.mktemp("finished") / "project")
    registry = project.folder / "registry"
    register_mask("saxs", "stop", saxs_mask(4), reason="beamstop", registry=registry)
    register_mask("eiger4m", "hot.v2", waxs_mask(2), registry=registry)
    detectors = project.config["detectors"]
    detectors["saxs"]["masks"] = [{"type": "registry", "name": "stop"}]
    detectors["waxs"]["masks"] = [{"type": "registry", "name": "hot.v2", "detector": "eiger4m"}]
    project.write()
    project.run(*RESULTS)
    return project


@pytest.fixture
def done(finished, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    project = copy.deepcopy(finished)
    project.folder = folder
    return project


def pin(project, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "scripts/scatterflow", "registry", "pin", *arguments],
        cwd=project.folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def members(project, run: str, detector: str) -> list[dict]:
    with h5py.File(project.path(f"results/{run}/x/result.nxs")) as file:
        return json.loads(bytes(file["entry/provenance/masks/data"][()]))[detector]["members"]


def test_results_name_uid_version_and_checksum_and_hold_the_pixels(done):
    registry = done.folder / "registry"
    record = get_record("mask", "saxs", "stop", registry=registry)
    (member,) = members(done, "one", "saxs")
    assert (member["uid"], member["version"], member["sha256"]) == (record.uid, 1, record.sha256)
    assert member["good_sha256"] == record.summary["good_sha256"]
    (other,) = members(done, "two", "waxs")
    assert (other["detector"], other["name"]) == ("eiger4m", "hot.v2")
    with h5py.File(done.path("results/one/x/result.nxs")) as file:
        pixel_mask = file["entry/instrument/saxs/pixel_mask"][()]
    np.testing.assert_array_equal(pixel_mask, np.where(saxs_mask(4), 0, 1 << 9))


def test_a_registered_mask_gives_the_numbers_of_the_same_mask_from_a_file(done):
    before = done.results()
    done.config["detectors"]["saxs"]["masks"] = [
        {"type": "file", "name": "stop", "path": "stop.npy", "true_means": "good"}
    ]
    np.save(done.path("stop.npy"), saxs_mask(4))
    done.write()
    done.run("results/one/x/result.nxs")
    after = done.results()
    name = "results/one/x/result.nxs"
    for key, values in before[name].items():
        if "pixel_mask" not in key:  # the reason is another
            np.testing.assert_array_equal(values, after[name][key], key)


def test_changes_in_the_registry_change_nothing_before_they_are_pinned(done):
    registry = done.folder / "registry"
    register_mask("saxs", "stop", saxs_mask(4), reason="beamstop", registry=registry)
    assert "0 of 2 pins changed" in pin(done)
    assert done.plan(*RESULTS).jobs == []  # the same content again
    register_mask("saxs", "stop", saxs_mask(6), reason="beamstop", registry=registry)
    plan = done.plan(*RESULTS)
    assert plan.jobs == []
    assert "resources/pins/saxs/stop.json pins version 1, the newest is 3" in plan.text
    assert "1 of 2 pins would change" in pin(done, "--check")
    assert done.plan(*RESULTS).jobs == []
    # Nor does a registry that is away.
    shutil.rmtree(registry)
    assert done.plan(*RESULTS).jobs == []


TRIGGERS = (), ("--rerun-triggers", "mtime")
"""All, and times alone: what they plan is the same, so that one run serves both."""


def test_changing_and_reverting_one_mask_reruns_only_what_uses_it(done):
    registry = done.folder / "registry"
    before = done.results()
    register_mask("saxs", "stop", saxs_mask(6), reason="beamstop", registry=registry)
    assert "10 pixels newly masked, 0 no longer" in pin(done)
    for triggers in TRIGGERS:
        plan = done.plan(*RESULTS, *triggers)
        assert plan.rules("one") == RESULT
        assert plan.rules("two") == set()
        assert plan.rules("") == {"build_mask", "prepare_integration"}
    done.run(*RESULTS, *TRIGGERS[1])
    assert members(done, "one", "saxs")[0]["version"] == 2
    for triggers in TRIGGERS:
        assert done.plan(*RESULTS, *triggers).jobs == []

    register_mask("saxs", "stop", saxs_mask(4), reason="beamstop", registry=registry)
    assert "0 pixels newly masked, 10 no longer" in pin(done)
    for triggers in TRIGGERS:
        plan = done.plan(*RESULTS, *triggers)
        assert plan.rules("one") == RESULT
        assert plan.rules("two") == set()
    done.run(*RESULTS, *TRIGGERS[1])
    assert members(done, "one", "saxs")[0]["version"] == 3
    after = done.results()
    for name, values in before.items():
        for key, value in values.items():
            np.testing.assert_array_equal(value, after[name][key], key)


def test_a_version_in_the_configuration_is_what_is_used(done):
    registry = done.folder / "registry"
    register_mask("saxs", "stop", saxs_mask(6), reason="beamstop", registry=registry)
    for version in (2, 1):
        done.config["detectors"]["saxs"]["masks"][0]["version"] = version
        done.write()
        for triggers in TRIGGERS:
            assert done.plan(*RESULTS, *triggers).rules("one") >= {
                "integrate_chunk",
                "assemble_result",
            }
        done.run("results/one/x/result.nxs", *TRIGGERS[1])
        assert members(done, "one", "saxs")[0]["version"] == version
        for triggers in TRIGGERS:
            assert done.plan("results/one/x/result.nxs", *triggers).jobs == []
    done.config["detectors"]["saxs"]["masks"][0]["version"] = 3
    done.write()
    refused = done.snakemake("-n")
    assert refused.code != 0
    assert "there is no version 3" in refused.text


def test_a_damaged_pin_is_made_again_from_the_registry(done):
    (content,) = [
        path
        for path in done.path("resources/pins/objects").iterdir()
        if path.name == get_record("mask", "saxs", "stop", registry=done.folder / "registry").sha256
    ]
    content.write_bytes(content.read_bytes()[:-2])
    assert done.plan(*RESULTS).jobs == []
    done.path("resources/pins/saxs/stop.json").write_text("{")
    plan = done.plan(*RESULTS)
    assert plan.code == 0
    assert plan.rules("two") == set()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "stpo"}, "did you mean 'stop'?"),
        ({"detector": "sax"}, "did you mean 'saxs'?"),
        ({"detector": "eiger4m", "name": "hot.v2"}, "the detector's frames 44 x 52"),
    ],
    ids=str,
)
def test_a_wrong_mask_is_one_message(done, change, message):
    done.config["detectors"]["saxs"]["masks"][0].update(change)
    done.write()
    refused = done.snakemake("--until", "build_mask")
    assert refused.code != 0
    assert message in refused.text
    assert "Traceback" not in refused.text
