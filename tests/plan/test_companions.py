"""Runs that others are corrected with: planned without being asked for, and alike in what matters."""

from __future__ import annotations

import pytest

from scatterflow.config.runs import named_runs
from scatterflow.errors import UserError
from scatterflow.plan.companions import applied_corrections, companion_names
from scatterflow.plan.targets import result_files

FLUX = {"flux": {"monitor": "i0"}}
CHAIN = {**FLUX, "absorption": {"monitor": "i0"}, "background": {}, "thickness": {"cm": 0.1}}
SCALARS = {"i0": {"type": "column", "name": "I0"}, "t": {"type": "column", "name": "T"}}


@pytest.fixture
def corrections(configuration):
    """Sets the corrections of the reduction."""
    configuration["sources"]["both"]["scalars"] = SCALARS

    def set_corrections(**steps):
        configuration["reductions"]["swaxs"]["corrections"] = steps

    return set_corrections


SAMPLE = {"run": "1", "background": "2", "dark": ""}
EMPTY = {"run": "2", "reduction": "", "background": "", "dark": ""}
DARK = {"run": "3", "reduction": "", "background": "", "dark": ""}


def test_a_background_is_integrated_although_its_row_asks_for_nothing(corrections, plan_of):
    corrections(**CHAIN)
    plan = plan_of(SAMPLE, EMPTY)
    empty = plan.find("2", "swaxs")
    assert not empty.delivers
    assert result_files(empty) == []
    assert companion_names(plan, plan.find("1", "swaxs")) == ["2"]
    assert [task.weights for task in empty.tasks] == [
        task.weights for task in plan.find("1", "swaxs").tasks
    ]
    assert plan.notes == []


def test_a_background_that_is_reduced_itself_delivers(corrections, plan_of):
    corrections(**CHAIN)
    plan = plan_of(SAMPLE, EMPTY | {"reduction": "swaxs"})
    assert plan.find("2", "swaxs").delivers
    settings = applied_corrections(plan.find("2", "swaxs"))["settings"]
    assert settings["flux"] is not None
    left_out = ("dark", "absorption", "background", "thickness", "absolute")
    assert all(settings[step] is None for step in left_out)
    assert plan.notes == []  # a background of another run


def test_a_run_without_the_background_asked_for_is_told(corrections, plan_of):
    corrections(**CHAIN)
    (note,) = plan_of(SAMPLE | {"background": ""}).notes
    assert "run 1 names no background" in note
    corrections(**FLUX)
    (note,) = plan_of(SAMPLE, EMPTY).notes
    assert "run 1 names a background, but" in note


def test_all_that_a_standard_needs(corrections, plan_of):
    """The standard's own background and dark runs, and those of the background."""
    corrections(
        **CHAIN,
        dark={"scale": 1.0},
        absolute={"standard": "water", "run": "4", "integration": "azimuthal", "range": [1.0, 2.0]},
    )
    standard = {"run": "4", "reduction": "", "background": "5", "dark": "6"}
    plan = plan_of(
        SAMPLE | {"dark": "3"},
        EMPTY | {"dark": "3"},
        DARK,
        standard,
        {"run": "5", "reduction": "", "background": "", "dark": "6"},
        {"run": "6", "reduction": "", "background": "", "dark": ""},
    )
    assert set(companion_names(plan, plan.find("1", "swaxs"))) == {"2", "3", "4", "5", "6"}
    assert [run for run, _ in plan.reductions if plan.find(run, "swaxs").delivers] == ["1"]


def test_a_standard_that_is_no_run(corrections, plan_of):
    corrections(
        **CHAIN,
        absolute={"standard": "water", "run": "9", "integration": "azimuthal", "range": [1.0, 2.0]},
    )
    with pytest.raises(UserError, match="the standard '9' is no run"):
        plan_of(SAMPLE, EMPTY)


WATER = {"standard": "water", "run": "4", "integration": "azimuthal", "range": [1.0, 2.0]}


def test_a_standard_without_background_lacks_the_other_steps(configuration, corrections, plan_of):
    """Without one it is not corrected for absorption and thickness: C would hold both."""
    corrections(**CHAIN, absolute=WATER)
    standard = {"run": "4", "reduction": "", "background": "", "dark": ""}
    with pytest.raises(
        UserError, match="run 1 is corrected by `absorption`, run 4 is not"
    ) as caught:
        plan_of(SAMPLE, EMPTY, standard)
    assert "run 4, column background" in caught.value.where
    plan_of(SAMPLE, EMPTY, standard | {"background": "2"})
    key = "reductions.swaxs.corrections.background"
    configuration["overrides"] = [{"runs": "4", "set": {key: None}}]
    with pytest.raises(
        UserError, match="run 1 is corrected by `background`, run 4 is not"
    ) as caught:
        plan_of(SAMPLE, EMPTY, standard | {"background": "2"})
    assert f"key {key}, run 4" in caught.value.where


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"azimuthal.detectors": ["saxs"]}, "'radial' is done on detector 'waxs'"),
        ({"azimuthal.merge": True}, "is done on detector 'saxs'"),
        ({"azimuthal.intensity": "per_steradian"}, "per pixel and per steradian"),
    ],
)
def test_every_integration_needs_the_absolute_scale(
    configuration, corrections, plan_of, change, words
):
    corrections(**CHAIN, absolute=WATER)
    for key, value in change.items():
        title, field = key.split(".")
        configuration["reductions"]["swaxs"]["integrations"][title][field] = value
    with pytest.raises(UserError) as caught:
        plan_of(SAMPLE, EMPTY, SAMPLE | {"run": "4", "reduction": ""})
    assert words in str(caught.value)


def test_a_factor_for_each_detector(configuration, corrections, plan_of):
    flux = {"flux": {"monitor": "i0", "reference": 1000.0}}
    factors = {"saxs": 1.0, "waxs": 2.0}
    corrections(**{**CHAIN, **flux}, absolute={"factor": factors})
    plan_of(SAMPLE, EMPTY)
    configuration["reductions"]["swaxs"]["integrations"]["azimuthal"]["merge"] = True
    with pytest.raises(UserError, match="no absolute factor for merged detectors"):
        plan_of(SAMPLE, EMPTY)
    factors["merged"] = 1.0
    plan_of(SAMPLE, EMPTY)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (
            {"reductions.swaxs.integrations.azimuthal.bins": 50},
            "reductions.swaxs.integrations.azimuthal.bins",
        ),
        ({"detectors.saxs.geometry.distance_m": 0.3}, "detectors.saxs.geometry.distance_m"),
        ({"detectors.saxs.most_masked": 0.5}, "detectors.saxs.most_masked"),
        ({"detectors.saxs.valid.maximum": 100}, "detectors.saxs.valid.maximum"),
        ({"reductions.swaxs.corrections.flux.minimum": 7}, "reductions.swaxs.corrections.flux"),
        (
            {"reductions.swaxs.integrations.azimuthal.error_model": "none"},
            "reductions.swaxs.integrations.azimuthal.error_model",
        ),
    ],
)
def test_a_background_that_was_integrated_otherwise(
    configuration, corrections, plan_of, change, key
):
    corrections(**CHAIN)
    configuration["overrides"] = [{"runs": "2", "set": change}]
    with pytest.raises(UserError) as caught:
        plan_of(SAMPLE, EMPTY)
    assert key in caught.value.where
    assert "run 2" in caught.value.what


def test_a_background_of_a_source_of_shots_is_told(configuration, corrections, plan_of):
    corrections(**CHAIN)
    configuration["sources"]["laser"] = {"format": "sacla"}
    with pytest.raises(UserError, match="gives shots, not frames") as caught:
        plan_of(SAMPLE, EMPTY | {"source": "laser"})
    assert "run 2" in caught.value.where


def test_thickness_may_differ(configuration, corrections, plan_of):
    corrections(**CHAIN)
    configuration["overrides"] = [
        {"runs": "2", "set": {"reductions.swaxs.corrections.thickness.cm": 0.2}}
    ]
    plan_of(SAMPLE, EMPTY)


def test_a_background_without_the_detector(corrections, plan_of):
    corrections(background={})
    with pytest.raises(UserError, match="run 2 has no integration 'azimuthal' of detector 'saxs'"):
        plan_of(SAMPLE, EMPTY | {"source": "single"})


def test_dark_counts_are_taken_off_all_or_none(corrections, plan_of):
    corrections(background={}, dark={"scale": 1.0})
    with pytest.raises(UserError, match="run 1 names a dark run, run 2 none") as caught:
        plan_of(SAMPLE | {"dark": "3"}, EMPTY, DARK)
    assert "column dark" in caught.value.where


def test_several_runs_in_a_cell(plan_of):
    plan = plan_of(SAMPLE | {"background": "2, 3,2"}, EMPTY, DARK)
    assert named_runs(plan.rows["1"], "background") == ("2", "3")
    with pytest.raises(UserError, match="background '9' is no other run"):
        plan_of(SAMPLE | {"background": "2,9"}, EMPTY)
    with pytest.raises(UserError, match="dark '1' is no other run"):
        plan_of(SAMPLE | {"dark": "1"}, EMPTY)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"absorption": {"monitor": "i0"}}, "needs `flux`"),
        ({**FLUX, "thickness": {"mu_per_cm": 1.0}}, "needs `absorption`"),
        ({**FLUX, "absolute": {"factor": 1.0}}, "needs `flux` and `thickness`"),
        (
            {**FLUX, "thickness": {"cm": 1.0}, "absolute": {"factor": 1.0}},
            "belongs to one reference r",
        ),
        ({"thickness": {}}, "either `cm` or `mu_per_cm`"),
        ({"thickness": {"cm": 1.0, "mu_per_cm": 1.0}}, "either `cm` or `mu_per_cm`"),
        ({"dark": {}}, "name the scalar"),
        ({"background": {"frames": "3-1"}}, "descends"),
        ({"background": {"frames": "a"}}, "no frame number or range"),
        (
            {**FLUX, "thickness": {"cm": 1.0}, "absolute": {"standard": "water"}},
            "give run and integration and range",
        ),
        ({**FLUX, "thickness": {"cm": 1.0}, "absolute": {}}, "either `factor` or `standard`"),
        (
            {
                **FLUX,
                "thickness": {"cm": 1.0},
                "absolute": {
                    "standard": "water",
                    "run": "2",
                    "integration": "cake",
                    "range": [1.0, 2.0],
                },
            },
            "not an azimuthal integration",
        ),
    ],
)
def test_corrections_that_do_not_go_together(corrections, plan_of, steps, words):
    corrections(**steps)
    with pytest.raises(UserError) as caught:
        plan_of(SAMPLE, EMPTY)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("steps", "key"),
    [
        ({"flux": {"monitor": "ic"}}, "flux.monitor"),
        ({"flux": {"monitor": "i0", "dwell_time": "s"}}, "flux.dwell_time"),
        ({**FLUX, "absorption": {"monitor": "i1"}}, "absorption.monitor"),
        ({"dark": {"exposure": "s"}}, "dark.exposure"),
    ],
)
def test_scalars_that_are_not_there(corrections, plan_of, steps, key):
    corrections(**steps)
    with pytest.raises(UserError, match="is no scalar of source") as caught:
        plan_of(SAMPLE, EMPTY)
    assert f"corrections.{key}" in caught.value.where
