"""What the catalogue is told of planned reductions."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml

from scatterflow.config.load import read_yaml
from scatterflow.plan.build import Plan, build_plan
from scatterflow.plan.catalogue import all_files, description, mask_keys, thumbnail_plot
from scatterflow.plan.targets import delivered, delivered_files, record_path

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo() -> dict:
    return read_yaml(str(REPOSITORY / "config/config.yaml"))


def plan_of(data: dict) -> Plan:
    return build_plan(copy.deepcopy(data))


@pytest.fixture(autouse=True)
def _in_repository(monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def test_every_result_of_the_run_table_has_a_record(demo) -> None:
    plan = plan_of(demo)
    records = {record_path(planned) for planned in delivered(plan).values()}
    expected = {
        f"results/{row.run}/{name}/record.json"
        for row in plan.rows.values()
        for name in row.reductions
    }
    assert records == expected


def test_thumbnail_and_map_are_files_of_the_result(demo) -> None:
    plan = plan_of(demo)
    for planned in delivered(plan).values():
        files = all_files(plan, planned)
        assert thumbnail_plot(planned) in files
        assert all(path.startswith(f"results/{planned.row.run}/{planned.name}/") for path in files)
        assert len(set(files)) == len(files)
        assert record_path(planned) in delivered_files(planned)
        assert record_path(planned) not in files
    assert "results/mesh/mapping/map.nxs" in all_files(plan, plan.reductions["mesh", "mapping"])


def test_the_description_is_plain_and_whole(demo) -> None:
    plan = plan_of(demo)
    colloid = description(plan, plan.xpcs["colloid_imm", "dynamics"])
    assert colloid["shapes"] == {"speckles": [128, 128]}
    assert colloid["qmap"].startswith("speckles-")
    assert colloid["chunks"] == [[0, 400], [400, 800], [800, 1000]]
    assert colloid["experiment"]["creators"] == ["The scatterflow developers"]
    scan = plan.reductions["scan", "swaxs"]
    assert description(plan, scan)["exposure"] == "seconds"
    assert {job.split("/")[0] for job in description(plan, scan)["shared"]} == {
        "build_mask",
        "prepare_integration",
    }
    assert set(mask_keys(scan)) == {"saxs", "waxs"}
    assert json.loads(json.dumps(colloid))["run_table"] == plan.rows["colloid_imm"].columns


def test_the_checksum_follows_what_the_result_depends_on(demo) -> None:
    def checksum(data: dict) -> str:
        plan = plan_of(data)
        return description(plan, plan.xpcs["colloid_imm", "dynamics"])["configuration_sha256"]

    before = checksum(demo)
    other = copy.deepcopy(demo)
    other["reductions"]["swaxs"]["integrations"]["azimuthal"]["bins"] = 7
    other["experiment"]["title"] = "another"
    assert checksum(other) == before
    other["detectors"]["speckles"]["masks"][0]["radius"] = 7
    assert checksum(other) != before


@pytest.mark.parametrize(
    "where", [("colloid_imm", "dynamics"), ("scan", "swaxs"), ("mesh", "mapping")]
)
def test_the_configuration_to_make_it_again_changes_nothing_until_it_is_changed(
    demo, where
) -> None:
    plan = plan_of(demo)
    planned = plan.xpcs.get(where) or plan.reductions[where]
    told = description(plan, planned)["reprocess"]
    assert told["command"] == f"snakemake --cores all results/{where[0]}/{where[1]}/record.json"
    again = copy.deepcopy(demo)
    again["overrides"] = [*demo["overrides"], *yaml.safe_load(told["configuration"])["overrides"]]
    same = plan_of(again)
    twin = same.xpcs.get(where) or same.reductions[where]
    unchanged = {"exclude": {"overrides"}}
    assert twin.configuration.model_dump(**unchanged) == planned.configuration.model_dump(
        **unchanged
    )
    assert description(same, twin) == description(plan, planned)
    # Another mask for this run, and for no other.
    (detector, *_) = planned.detectors
    for override in again["overrides"][len(demo["overrides"]) :]:
        override["set"][f"detectors.{detector}.masks"] = []
    changed = plan_of(again)
    assert mask_keys(changed.xpcs.get(where) or changed.reductions[where]) != mask_keys(planned)
    other = ("colloid_eiger", "dynamics")
    assert description(changed, changed.xpcs[other]) == description(plan, plan.xpcs[other])


# Attack 4: what is written as YAML is read as plain values.
def test_hostile_texts_stay_texts_in_yaml(demo) -> None:
    data = copy.deepcopy(demo)
    name = "!!python/object/apply:os.system ['touch x']"
    data["detectors"]["speckles"]["masks"][0]["name"] = "on"
    data["reductions"]["dynamics"]["fits"]["null"] = {"model": "single"}
    data["publication"] = {"keywords": [name, "- a: b", "&x *x"]}
    plan = plan_of(data)
    told = description(plan, plan.xpcs["colloid_imm", "dynamics"])["reprocess"]
    text = told["configuration"]
    (override,) = yaml.safe_load(text)["overrides"]
    assert override["set"]["detectors.speckles.masks"][0]["name"] == "on"
    assert "null" in override["set"]["reductions.dynamics.fits"]
    assert "!!" not in text
