"""The plan: what is shared, what is not, what is refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from scatterflow.config.base import NAME_PATTERN
from scatterflow.errors import UserError
from scatterflow.files.checksums import value_digest
from scatterflow.plan.build import build_plan

AZIMUTHAL = "reductions.swaxs.integrations.azimuthal"


def refusal(build) -> UserError:
    with pytest.raises(UserError) as caught:
        build()
    assert caught.value.where
    assert caught.value.how
    return caught.value


def tasks(planned):
    return {task.name: task for task in planned.tasks}


def test_a_run_has_a_task_for_each_integration_of_each_of_its_detectors(plan_of):
    plan = plan_of({"run": "a"}, {"run": "b", "source": "single", "frames": 7})
    assert set(plan.reductions) == {("a", "swaxs"), ("b", "swaxs")}
    both, single = plan.find("a", "swaxs"), plan.find("b", "swaxs")
    assert set(tasks(both)) == {"saxs_azimuthal", "waxs_azimuthal", "saxs_cake", "waxs_radial"}
    assert set(tasks(single)) == {"waxs_azimuthal", "waxs_radial"}
    assert both.detectors == ("saxs", "waxs")
    assert single.detectors == ("waxs",)
    assert {name: task.bins for name, task in tasks(both).items()} == {
        "saxs_azimuthal": (100,),
        "waxs_azimuthal": (100,),
        "saxs_cake": (36, 10),
        "waxs_radial": (90,),
    }
    assert [stop - start for start, stop in single.chunks] == [7]


def test_the_load_of_a_frame_counts_pixels_and_bins(plan_of):
    load = plan_of({}).find("1", "swaxs").load
    assert load.pixels == 2 * 600 + 2 * 100  # two integrations of each detector
    assert load.raw_bytes == 4 * 700
    assert load.result_bytes == 24 * (100 + 100 + 360 + 90)
    assert load.sum_bytes == 36 * 600  # of one detector after the other
    assert load.thread_bytes == 21 * 600 + 512 * (100 + 100 + 360 + 90)
    assert load.threads == 1


def test_runs_that_use_the_same_settings_share_masks_and_weights(plan_of):
    plan = plan_of({"run": "a"}, {"run": "b"}, {"run": "c", "source": "single"})
    assert len(plan.masks) == 2
    assert len(plan.weights) == 4
    a, b, c = (plan.find(run, "swaxs") for run in "abc")
    assert a.masks == b.masks
    assert c.masks["waxs"] == a.masks["waxs"]
    assert tasks(a)["waxs_radial"].weights == tasks(c)["waxs_radial"].weights


SHARING = [
    # override, whether the saxs mask / the saxs azimuthal weights / the waxs ones stay shared
    (
        {"detectors.saxs.masks": [{"type": "circle", "name": "c", "centre": "beam", "radius": 1}]},
        0,
        0,
        1,
    ),
    ({"detectors.saxs.most_masked": 0.5}, 0, 0, 1),
    ({"detectors.saxs.geometry": "other.poni"}, 0, 0, 1),
    ({"detectors.saxs.orientation": 2}, 0, 0, 1),
    ({"detectors.saxs.flat": "flat.npy"}, 0, 0, 1),
    ({"detectors.saxs.dark": "dark.npy"}, 0, 0, 1),
    ({"detectors.saxs.valid.maximum": 100}, 1, 1, 1),
    ({f"{AZIMUTHAL}.bins": 99}, 1, 0, 0),
    ({f"{AZIMUTHAL}.unit": "2th_deg"}, 1, 0, 0),
    ({f"{AZIMUTHAL}.polarisation": 0.9}, 1, 0, 0),
    ({f"{AZIMUTHAL}.error_model": "counting"}, 1, 1, 1),
    ({f"{AZIMUTHAL}.detectors": ["saxs", "waxs"]}, 1, 1, 1),
    ({"reductions.swaxs.axis": "i0"}, 1, 1, 1),
    ({"reductions.swaxs.corrections.flux": {"monitor": "i0"}}, 1, 1, 1),
    ({"chunks.frames": 3}, 1, 1, 1),
    ({"sources.both.missing": "nan"}, 1, 1, 1),
    ({f"{AZIMUTHAL}.bins": 100}, 1, 1, 1),  # says what holds anyway
]


@pytest.mark.parametrize(("changes", "mask", "saxs", "waxs"), SHARING)
def test_an_override_parts_just_what_it_changes(plan_of, configuration, changes, mask, saxs, waxs):
    configuration["overrides"] = [{"runs": "b", "set": changes}]
    plan = plan_of({"run": "a"}, {"run": "b"})
    a, b = plan.find("a", "swaxs"), plan.find("b", "swaxs")
    assert (a.masks["saxs"] == b.masks["saxs"]) == bool(mask)
    same = {name: task.weights == tasks(b)[name].weights for name, task in tasks(a).items()}
    assert (same["saxs_azimuthal"], same["waxs_azimuthal"]) == (bool(saxs), bool(waxs))
    assert same["waxs_radial"]
    for key in {item for run in (a, b) for item in run.masks.values()}:
        assert key in plan.masks


def test_products_carry_the_settings_of_their_own_run(plan_of, configuration):
    configuration["overrides"] = [{"runs": "b", "set": {"detectors.saxs.geometry": "b.poni"}}]
    plan = plan_of({"run": "a"}, {"run": "b"})
    key = tasks(plan.find("b", "swaxs"))["saxs_azimuthal"].weights
    settings = plan.weights[key]
    assert settings["detector"] == "saxs"
    assert settings["geometry"] == "b.poni"
    assert settings["integration"]["bins"] == 100
    assert "error_model" not in settings["integration"]
    assert plan.masks[settings["mask"]]["geometry"] == "b.poni"
    assert plan.masks[settings["mask"]]["detector"] == "saxs"


def test_parameters_of_rules_are_plain_values(plan_of, configuration):
    """They go through Snakemake's files, and must read there as they are here."""
    configuration["detectors"]["saxs"]["masks"] = [
        {"type": "polygon", "name": "p", "corners": [[0, 0], [1, 5], [4, 2]]}
    ]
    plan = plan_of({})
    planned = plan.find("1", "swaxs")
    for value in (*plan.masks.values(), *plan.weights.values(), planned.location(scalars=True)):
        assert json.loads(json.dumps(value))


def test_keys_and_tasks_are_names_even_for_the_longest_names(plan_of, configuration):
    long = "d" * 40
    configuration["detectors"][long] = configuration["detectors"].pop("waxs")
    for source in configuration["sources"].values():
        source["frames"][long] = source["frames"].pop("waxs")
    integrations = configuration["reductions"]["swaxs"]["integrations"]
    integrations["radial"]["detectors"] = [long]
    integrations["i" * 23] = {"kind": "azimuthal"}
    plan = plan_of({})
    names = [*plan.masks, *plan.weights, *(task.name for task in plan.find("1", "swaxs").tasks)]
    assert f"{long}_{'i' * 23}" in names  # 64 characters
    for name in names:
        assert re.fullmatch(NAME_PATTERN, name), name


def test_names_too_long_together_are_refused(plan_of, configuration):
    configuration["reductions"]["swaxs"]["integrations"]["i" * 60] = {"kind": "azimuthal"}
    error = refusal(lambda: plan_of({}))
    assert "64 characters long together" in error.what
    assert "shorten them to 63" in error.how


@pytest.mark.parametrize(
    ("detectors", "integrations"),
    [
        (["a", "a_b"], ["c", "b_c"]),  # a_b + c = a + b_c
        (["a", "a_c"], ["c"]),  # the sums of frames of detector a_c lie beside task a_c
        (["a", "A_C"], ["c"]),
    ],
)
def test_tasks_that_would_have_one_name_are_refused(
    plan_of, configuration, detectors, integrations
):
    configuration["detectors"] = {name: configuration["detectors"]["saxs"] for name in detectors}
    configuration["sources"] = {
        "both": {"format": "images", "frames": {name: f"{name}.tif" for name in detectors}}
    }
    configuration["reductions"]["swaxs"]["integrations"] = {
        name: {"kind": "azimuthal"} for name in integrations
    }
    assert "would both be called" in refusal(lambda: plan_of({})).what


def test_a_run_without_reduction_plans_nothing_but_is_there(plan_of):
    plan = plan_of({"run": "a", "reduction": ""})
    assert plan.reductions == {}
    assert plan.rows["a"].frames == 10


def test_several_reductions_of_a_run(plan_of, configuration):
    configuration["reductions"]["fast"] = {
        "technique": "saxswaxs",
        "integrations": {"azimuthal": {"kind": "azimuthal", "bins": 100}},
    }
    plan = plan_of({"reduction": "swaxs, fast"})
    assert set(plan.reductions) == {("1", "swaxs"), ("1", "fast")}
    fast, swaxs = plan.find("1", "fast"), plan.find("1", "swaxs")
    assert tasks(fast)["saxs_azimuthal"].weights == tasks(swaxs)["saxs_azimuthal"].weights


def test_what_the_plan_cannot_be_made_of_is_refused(plan_of, configuration):
    assert "source 'x'" in refusal(lambda: plan_of({"source": "x"})).what
    assert "did you mean 'swaxs'?" in refusal(lambda: plan_of({"reduction": "swax"})).how
    configuration["reductions"]["swaxs"]["axis"] = "I0"
    error = refusal(lambda: plan_of({}))
    assert "did you mean 'i0'?" in error.how
    assert "reductions.swaxs.axis" in error.where
    configuration["reductions"]["swaxs"] = {
        "technique": "saxswaxs",
        "integrations": {"a": {"kind": "azimuthal", "detectors": ["saxs"]}},
    }
    error = refusal(lambda: plan_of({"source": "single"}))
    assert "none of the detectors" in error.what


def test_a_missing_monitor_names_its_key_and_where_to_add_scalars(plan_of, configuration):
    configuration["reductions"]["swaxs"]["corrections"] = {"flux": {"monitor": "i0"}}
    plan_of({})
    error = refusal(lambda: plan_of({"source": "single"}))
    assert "corrections.flux.monitor" in error.where
    assert error.how == "add sources.single.scalars"


def test_finding_what_is_not_planned_suggests_what_is(plan_of):
    plan = plan_of({"run": "lab6"})
    assert "did you mean 'lab6'?" in refusal(lambda: plan.find("lab", "swaxs")).how
    assert "did you mean 'swaxs'?" in refusal(lambda: plan.find("lab6", "swax")).how


def test_fixed_chunks_and_chunks_of_single_runs(plan_of, configuration):
    configuration["chunks"] = {"frames": 4}
    configuration["overrides"] = [{"runs": "b", "set": {"chunks.frames": 9}}]
    plan = plan_of({"run": "a"}, {"run": "b"})
    assert plan.find("a", "swaxs").chunks == [(0, 4), (4, 8), (8, 10)]
    assert plan.find("b", "swaxs").chunks == [(0, 9), (9, 10)]


def test_a_frame_that_fits_no_job_is_refused_unless_the_user_fixes_its_frames(
    plan_of, configuration
):
    configuration["detectors"]["saxs"]["shape"] = [20_000, 20_000]
    error = refusal(lambda: plan_of({}))
    assert "more than a chunk job may use" in error.what
    needed = int(re.search(r"\d+", error.how)[0])
    configuration["chunks"] = {"memory_mb": needed}
    assert plan_of({}).find("1", "swaxs").memory_mb <= needed
    configuration["chunks"] = {"frames": 1}
    assert plan_of({}).find("1", "swaxs").memory_mb == needed


def test_more_jobs_than_can_be_planned_are_refused(plan_of, configuration):
    configuration["chunks"] = {"frames": 1}
    error = refusal(lambda: plan_of({"frames": 100_001}))
    assert "100001 chunk jobs" in error.what


def test_stored_chunks_lie_within_jobs(plan_of, configuration):
    configuration["chunks"] = {"frames": 6}
    planned = plan_of({"frames": 20}).find("1", "swaxs")
    for task in planned.tasks:
        stored = planned.stored_frames(task)
        assert all(start % stored == 0 for start, _ in planned.chunks)


def test_the_plan_does_not_depend_on_files(plan_of, tmp_path, monkeypatch):
    before = plan_of({"run": "a"}, {"run": "b", "frames": 5000})
    folder = tmp_path / "raw" / "r"
    folder.mkdir(parents=True)
    (folder / "saxs_000.tif").write_bytes(b"anything")
    (tmp_path / "work" / "a" / "swaxs" / "chunks").mkdir(parents=True)
    receipt = {"pixels": 1e12, "seconds": 1.0}
    (tmp_path / "work/a/swaxs/chunks/000000-000010.json").write_text(json.dumps(receipt))
    monkeypatch.chdir(tmp_path)
    after = plan_of({"run": "a"}, {"run": "b", "frames": 5000})
    assert before.masks == after.masks
    assert before.weights == after.weights
    assert {key: item.chunks for key, item in before.reductions.items()} == {
        key: item.chunks for key, item in after.reductions.items()
    }


def test_where_the_raw_data_is_travels_without_the_scalars_to_chunk_jobs(plan_of):
    planned = plan_of({"source": "both", "raw": "x/y"}).find("1", "swaxs")
    chunk, result = planned.location(scalars=False), planned.location(scalars=True)
    assert "scalars" in result["recipe"]
    assert not {"scalars", "table", "par_file"} & set(chunk["recipe"])
    assert chunk["raw"] == "x/y"
    assert chunk["shapes"] == {"saxs": [20, 30], "waxs": [10, 10]}
    assert chunk["frames"] == 10


def test_only_the_detectors_in_use_are_read(plan_of, configuration):
    for integration in configuration["reductions"]["swaxs"]["integrations"].values():
        integration["detectors"] = ["waxs"]
    planned = plan_of({}).find("1", "swaxs")
    location = planned.location(scalars=False)
    assert list(location["recipe"]["frames"]) == ["waxs"]
    assert list(location["shapes"]) == ["waxs"]
    assert list(planned.masks) == ["waxs"]


def test_what_runs_share_is_worked_out_once(plan_of, configuration, monkeypatch):
    """Every job of a cluster plans all runs anew."""
    from scatterflow.plan import build

    configuration["overrides"] = [{"runs": "100-199", "set": {f"{AZIMUTHAL}.bins": 7}}]
    digests: list[Any] = []
    monkeypatch.setattr(
        build, "value_digest", lambda value: digests.append(value) or value_digest(value)
    )
    plan = plan_of(*({"run": f"{number:04d}", "raw": f"r{number}"} for number in range(500)))
    assert len(plan.reductions) == 500
    assert len(plan.weights) < len(digests) <= 2 * (len(plan.weights) + len(plan.masks))


def test_a_hostile_run_never_reaches_the_plan(plan_of):
    for name in ("../x", "/abs", "{run}", "a b"):
        assert "cannot be a name" in refusal(lambda name=name: plan_of({"run": name})).what
    assert not Path("../x").exists()


def test_an_error_in_the_table_is_not_hidden_by_the_configuration(configuration, tmp_path):
    error = refusal(lambda: build_plan(configuration, "config.yaml"))
    assert "run table does not exist" in error.what
    assert os.fspath(tmp_path) in error.where
