"""Maps and refined geometries in the plan: what they are made of, what is refused."""

from __future__ import annotations

import copy

import pytest

from scatterflow.errors import UserError
from scatterflow.plan.targets import result_files

MAP = {
    "axes": [
        {"scalar": "z", "values": {"start": 0, "stop": 1, "points": 3}, "tolerance": 0.1},
        {"scalar": "x"},
    ],
    "quantities": ["i0", "total_signal", "saxs_azimuthal_total_signal"],
    "profiles": ["azimuthal"],
}


@pytest.fixture
def mapped(configuration):
    for name in ("x", "z"):
        configuration["sources"]["both"]["scalars"][name] = {"type": "column", "name": name}
    configuration["reductions"]["swaxs"]["map"] = copy.deepcopy(MAP)
    return configuration


@pytest.fixture
def joint(mapped):
    settings = mapped["reductions"]["swaxs"].pop("map")
    mapped["maps"] = {"all": {**settings, "runs": "1-2", "reduction": "swaxs"}}
    return mapped


def refusal(build) -> str:
    with pytest.raises(UserError) as caught:
        build()
    assert caught.value.where
    assert caught.value.how
    return str(caught.value)


def test_the_map_of_a_run(mapped, plan_of):
    (found,) = plan_of({}).maps.values()
    assert found.files == [
        "results/1/swaxs/map.nxs",
        "results/1/swaxs/plots/map.png",
        "results/1/swaxs/plots/map/i0.png",
        "results/1/swaxs/plots/map/total_signal.png",
        "results/1/swaxs/plots/map/saxs_azimuthal_total_signal.png",
    ]
    assert found.tasks == ["saxs_azimuthal", "waxs_azimuthal"]
    assert found.parameters["axes"] == [
        {"scalar": "z", "tolerance": 0.1, "grid": [0.0, 0.5, 1.0]},
        {"scalar": "x", "tolerance": "auto", "grid": None},
    ]


def test_a_map_does_not_touch_what_the_result_is_made_from(mapped, plan_of):
    with_map = plan_of({}).find("1", "swaxs").parameters
    del mapped["reductions"]["swaxs"]["map"]
    assert plan_of({}).find("1", "swaxs").parameters == with_map


def test_quantities_of_the_analysis_ask_for_its_file(mapped, plan_of):
    (found,) = plan_of({}).maps.values()
    assert not found.needs_analysis
    reduction = mapped["reductions"]["swaxs"]
    reduction["figures"] = {
        "area": {"type": "integral", "integration": "azimuthal", "detector": "saxs"}
    }
    reduction["map"]["quantities"] = ["i0", "area"]
    (found,) = plan_of({}).maps.values()
    assert found.needs_analysis
    reduction["map"]["quantities"] = ["aera"]
    assert "did you mean 'area'?" in refusal(lambda: plan_of({}))


def test_merged_detectors_are_mapped_as_one(mapped, plan_of):
    reduction = mapped["reductions"]["swaxs"]
    reduction["integrations"]["azimuthal"]["merge"] = True
    reduction["map"] |= {
        "profiles": ["azimuthal"],
        "quantities": ["merged_azimuthal_total_signal"],
    }
    (found,) = plan_of({}).maps.values()
    assert found.tasks == ["merged_azimuthal"]
    reduction["map"]["quantities"] = ["saxs_azimuthal_total_signal"]
    assert "no quantity 'saxs_azimuthal_total_signal'" in refusal(lambda: plan_of({}))


def test_there_is_no_transmission_without_background(mapped, plan_of):
    reduction = mapped["reductions"]["swaxs"]
    reduction["corrections"] = {"flux": {"monitor": "i0"}, "absorption": {"monitor": "i0"}}
    reduction["map"]["quantities"] = ["transmission"]
    rows = ({"background": "2"}, {"run": "2", "reduction": "", "background": ""})
    plan_of(*rows)
    message = refusal(lambda: plan_of({"background": ""}, rows[1]))
    assert "no quantity 'transmission'" in message


def test_a_map_of_several_runs(joint, plan_of):
    plan = plan_of({"run": "01"}, {"run": "2"}, {"run": "3"})
    (found,) = plan.maps.values()
    assert [member.row.run for member in found.members] == ["01", "2"]
    assert found.files[0] == "results/maps/all/map.nxs"


def test_runs_on_scales_of_their_own_are_noted(joint, plan_of):
    flux = {"monitor": "i0", "reference": 1000.0}
    joint["reductions"]["swaxs"]["corrections"] = {"flux": flux}
    rows = ({}, {"run": "2"})
    assert not plan_of(*rows).notes
    flux["reference"] = "mean"
    (note,) = plan_of(*rows).notes
    assert "map all: each run is normalised" in note
    standard = {"standard": "water", "run": "2", "integration": "azimuthal", "range": [1.0, 2.0]}
    joint["reductions"]["swaxs"]["corrections"] |= {"thickness": {"cm": 0.1}, "absolute": standard}
    assert not plan_of(*rows).notes


MISTAKES = [
    ({"axes": [{"scalar": "xx"}]}, "'xx' is no scalar"),
    ({"quantities": ["I0"]}, "did you mean 'i0'?"),
    ({"profiles": ["azimutal"]}, "did you mean 'azimuthal'?"),
    ({"axes": [], "shape": [3, 4]}, "3 x 4 has 12 points, there are only 10 frames"),
    ({"axes": [], "shape": [3, 3], "unfinished": True}, "has 9 points, there are 10 frames"),
    ({"axes": []}, "give `axes`, or `shape`"),
    ({"snake": True}, "only for frames that are placed by `shape`"),
    ({"quantities": [], "profiles": []}, "nothing is mapped"),
    ({"quantities": ["frames"]}, "has a meaning in map files"),
    ({"axes": [{"scalar": "x"}, {"scalar": "x"}]}, "named twice"),
    ({"axes": [{"scalar": "x", "values": [1, 2, 1]}]}, "one of them stands twice"),
    ({"axes": [{"scalar": "x", "values": [1, 2]}], "shape": [10]}, "2 values for 10 points"),
    ({"axes": [{"scalar": "x", "tolerance": 0}]}, "tolerance"),
    ({"axes": [{"scalar": "x", "tolerence": 1}]}, "did you mean 'tolerance'?"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_mistakes_are_told(mapped, plan_of, change, message):
    mapped["reductions"]["swaxs"]["map"] |= change
    assert message in refusal(lambda: plan_of({}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runs": "1-3"}, "run '3' of the map has no reduction 'swaxs'"),
        ({"runs": "1,scan*"}, "no run is selected by 'scan*'"),
        ({"reduction": "swax"}, "did you mean 'swaxs'?"),
        ({"runs": "3-1"}, "descends"),
    ],
)
def test_mistakes_of_joint_maps_are_told(joint, plan_of, change, message):
    joint["reductions"]["other"] = joint["reductions"]["swaxs"]
    joint["maps"]["all"] |= change
    rows = ({}, {"run": "2"}, {"run": "3", "reduction": "other"})
    assert message in refusal(lambda: plan_of(*rows))


def test_runs_of_a_map_must_have_the_same_bins(joint, plan_of):
    joint["overrides"] = [
        {"runs": "2", "set": {"reductions.swaxs.integrations.azimuthal.bins": 99}}
    ]
    assert "other detectors or bins than in run 1" in refusal(lambda: plan_of({}, {"run": "2"}))


def test_no_run_may_be_called_maps(configuration, plan_of):
    assert "would take the place of results/maps" in refusal(lambda: plan_of({"run": "maps"}))


def test_geometries_are_refined_for_calibrants_only(configuration, plan_of):
    configuration["reductions"]["swaxs"]["calibrant"] = {"refine": ["distance"]}
    plan = plan_of({"sample": "AgBh"}, {"run": "2", "sample": "water"})
    refined = [path for path in result_files(plan.find("1", "swaxs")) if path.endswith(".poni")]
    assert refined == [f"results/1/swaxs/geometry/{name}.poni" for name in ("saxs", "waxs")]
    assert not any(path.endswith(".poni") for path in result_files(plan.find("2", "swaxs")))


def test_a_geometry_is_not_refined_from_itself(configuration, plan_of):
    configuration["reductions"]["swaxs"]["calibrant"] = {"refine": ["distance"]}
    configuration["detectors"]["saxs"]["geometry"] = "./results/1/swaxs/geometry/saxs.poni"
    assert "copy the file" in refusal(lambda: plan_of({"sample": "AgBh"}))
