"""Integrations that join detectors: planned one by one, shown as one."""

from __future__ import annotations

import pytest

from scatterflow.errors import UserError
from scatterflow.plan.targets import result_files


@pytest.fixture
def merged_plan(configuration, plan_of):
    configuration["reductions"]["swaxs"]["integrations"]["azimuthal"]["merge"] = True
    return plan_of


def test_detectors_have_their_arrays_and_the_result_one_profile(merged_plan):
    planned = merged_plan({}).find("1", "swaxs")
    assert [task.name for task in planned.tasks] == [
        "saxs_azimuthal",
        "waxs_azimuthal",
        "saxs_cake",
        "waxs_radial",
    ]
    shown = {task.name: task for task in planned.shown}
    assert list(shown) == ["merged_azimuthal", "saxs_cake", "waxs_radial"]
    assert shown["merged_azimuthal"].detectors == ("saxs", "waxs")
    assert [planned.frame_settings(task)["shown_as"] for task in planned.tasks] == [
        *("merged", "merged", "saxs", "waxs")
    ]
    files = result_files(planned)
    assert "results/1/swaxs/plots/merged_azimuthal_mean.png" in files
    assert not any("saxs_azimuthal" in path for path in files)


def test_weights_depend_on_all_geometries(merged_plan, configuration):
    # One dict for both in the fixture: an override of the one would change the other.
    detectors = configuration["detectors"]
    detectors["waxs"]["geometry"] = dict(detectors["waxs"]["geometry"])
    before = merged_plan({})
    names = {key: item for key, item in before.weights.items() if item["merged"]}
    assert len(names) == 2
    for item in names.values():
        assert list(item["merged"]) == ["saxs", "waxs"]
    configuration["overrides"] = [{"runs": "1", "set": {"detectors.waxs.geometry.distance_m": 0.3}}]
    after = merged_plan({})
    assert not set(names) & set(after.weights)
    assert any("saxs-cake" in key and key in before.weights for key in after.weights)


def test_how_outliers_are_treated_leaves_the_weights_alone(configuration, plan_of):
    before = plan_of({})
    integration = configuration["reductions"]["swaxs"]["integrations"]["azimuthal"]
    integration["robust"] = {"method": "sigma_clip"}
    after = plan_of({})
    assert set(before.weights) == set(after.weights)
    planned = after.find("1", "swaxs")
    settings = planned.frame_settings(planned.tasks[0])
    assert settings["robust"] == {
        "method": "sigma_clip",
        "threshold": 5.0,
        "iterations": 5,
        "spread": "observed",
    }
    assert planned.load.weights_bytes > before.find("1", "swaxs").load.weights_bytes


def test_a_run_with_one_of_the_detectors_is_refused(merged_plan):
    with pytest.raises(UserError, match="has only 'waxs'") as caught:
        merged_plan({"source": "single"})
    assert "integrations.azimuthal, run 1" in caught.value.where


def test_rings_are_checked_on_the_merged_profile(merged_plan, configuration):
    planned = merged_plan({"sample": "LaB6"}).find("1", "swaxs")
    rings = [path for path in result_files(planned) if path.endswith("_rings.tsv")]
    assert rings == ["results/1/swaxs/merged_azimuthal_rings.tsv"]
    configuration["reductions"]["swaxs"]["calibrant"] = {"detectors": ["waxs"]}
    planned = merged_plan({"sample": "LaB6"}).find("1", "swaxs")
    assert not any(path.endswith("_rings.tsv") for path in result_files(planned))
