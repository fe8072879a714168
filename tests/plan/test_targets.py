"""Files that a planned reduction delivers."""

from __future__ import annotations

import pytest

from scatterflow.plan.targets import calibrant_of, chunk_name, result_files

PLOTS = "results/1/swaxs/plots/"


def test_results_plots_and_nothing_else(plan_of):
    assert result_files(plan_of({}).find("1", "swaxs")) == [
        "results/1/swaxs/result.nxs",
        f"{PLOTS}saxs_frames.png",
        f"{PLOTS}waxs_frames.png",
        f"{PLOTS}monitors.png",
        f"{PLOTS}saxs_azimuthal_profiles.png",
        f"{PLOTS}saxs_azimuthal_mean.png",
        f"{PLOTS}waxs_azimuthal_profiles.png",
        f"{PLOTS}waxs_azimuthal_mean.png",
        f"{PLOTS}saxs_cake_map.png",
        f"{PLOTS}waxs_radial_profiles.png",
        f"{PLOTS}waxs_radial_mean.png",
        "results/1/swaxs/quality.json",
    ]


def rings(planned) -> list[str]:
    return [path for path in result_files(planned) if path.endswith("_rings.tsv")]


def test_the_rings_of_a_calibrant_are_checked_on_each_detector(plan_of):
    planned = plan_of({"sample": "Silver Behenate"}).find("1", "swaxs")
    assert calibrant_of(planned) == "AgBh"
    assert rings(planned) == [
        "results/1/swaxs/saxs_azimuthal_rings.tsv",
        "results/1/swaxs/waxs_azimuthal_rings.tsv",
    ]


def test_of_several_azimuthal_integrations_the_first_or_the_named_one_is_checked(
    plan_of, configuration
):
    reduction = configuration["reductions"]["swaxs"]
    reduction["integrations"]["fine"] = {"kind": "azimuthal", "detectors": ["saxs"], "bins": 5000}
    assert len(rings(plan_of({"sample": "LaB6"}).find("1", "swaxs"))) == 2
    reduction["calibrant"] = {"integration": "fine"}
    found = rings(plan_of({"sample": "LaB6"}).find("1", "swaxs"))
    assert found == ["results/1/swaxs/saxs_fine_rings.tsv"]


@pytest.mark.parametrize("sample", ["", "water", "LaB6 in water"])
def test_other_samples_are_not_checked(plan_of, sample):
    planned = plan_of({"sample": sample}).find("1", "swaxs")
    assert calibrant_of(planned) is None
    assert rings(planned) == []


def test_a_calibrant_can_be_given(plan_of, configuration):
    configuration["overrides"] = [
        {"runs": "2", "set": {"reductions.swaxs.calibrant.calibrant": "CeO2"}}
    ]
    plan = plan_of({"run": "1", "sample": "powder"}, {"run": "2", "sample": "powder"})
    assert calibrant_of(plan.find("1", "swaxs")) is None
    assert calibrant_of(plan.find("2", "swaxs")) == "CeO2"


def test_no_two_results_share_a_file(plan_of):
    plan = plan_of({"run": "a"}, {"run": "b", "sample": "LaB6"})
    paths = [path for item in plan.reductions.values() for path in result_files(item)]
    assert len(set(paths)) == len(paths)


def test_chunk_names_sort_as_their_frames():
    assert chunk_name(0, 64) == "000000-000064"
    names = [chunk_name(start, start + 500) for start in range(0, 20_000, 500)]
    assert names == sorted(names)
    assert chunk_name(1_000_000, 1_000_064) == "1000000-1000064"
