"""Fits and figures bound to the profiles of a run."""

from __future__ import annotations

from typing import Any

import pytest

from scatterflow.errors import UserError
from scatterflow.plan.targets import result_files

FIT = {
    "integration": "azimuthal",
    "detector": "saxs",
    "range": [0.1, 0.2],
    "components": [{"model": "gaussian"}, {"model": "gaussian"}],
}
WAXS = {"type": "maximum", "integration": "azimuthal", "detector": "waxs"}


@pytest.fixture
def analysed(configuration, plan_of) -> Any:
    """Plans one run with these fits and figures; its source has both detectors, or only `waxs`."""

    def plan(fits: dict | None = None, figures: dict | None = None, source: str = "both"):
        reduction = configuration["reductions"]["swaxs"]
        reduction["fits"], reduction["figures"] = fits or {}, figures or {}
        made = plan_of({"run": "a", "source": source})
        return made, made.find("a", "swaxs")

    return plan


def test_settings_are_plain_values_with_the_profile_and_all_names(analysed):
    _, planned = analysed({"p": FIT}, {"top": WAXS})
    (fit,) = planned.analysis.fits
    assert fit["name"] == "p"
    assert fit["task"] == "saxs_azimuthal"
    assert [item["name"] for item in fit["components"]] == ["gaussian_1", "gaussian_2"]
    assert planned.analysis.figures[0]["task"] == "waxs_azimuthal"
    assert planned.analysis.parameters["fits"] == [fit]


def test_an_integration_on_one_detector_needs_none_named(analysed):
    _, planned = analysed(figures={"top": {"type": "maximum", "integration": "radial"}})
    assert planned.analysis.figures[0]["task"] == "waxs_radial"
    with pytest.raises(UserError) as caught:
        analysed(figures={"top": {"type": "maximum", "integration": "azimuthal"}})
    assert "done on several detectors" in caught.value.what
    assert caught.value.how == "name one: saxs, waxs"


@pytest.mark.parametrize("named", [None, ["saxs", "waxs"]])
def test_merged_detectors_have_one_profile(analysed, configuration, named):
    """A detector of its own cannot be asked for: it was left out with a note that the source lacks it."""
    azimuthal = configuration["reductions"]["swaxs"]["integrations"]["azimuthal"]
    azimuthal.update({"merge": True, "detectors": named})
    top = {"type": "maximum", "integration": "azimuthal"}
    for detector in ({}, {"detector": "merged"}):
        _, planned = analysed(figures={"top": {**top, **detector}})
        assert planned.analysis.figures[0]["task"] == "merged_azimuthal"
    with pytest.raises(UserError, match="joins its detectors: leave it out"):
        analysed(figures={"top": {**top, "detector": "saxs"}})


def test_what_a_run_lacks_is_left_out_with_a_note(analysed):
    figures = {
        "top": WAXS,
        "ratio": {"type": "expression", "expression": "p_gaussian_1_area / top"},
        "twice": {"type": "expression", "expression": "2 * ratio"},
        "root": {"type": "expression", "expression": "sqrt(top)"},
    }
    plan, planned = analysed({"p": FIT}, figures, "single")
    assert planned.analysis.fits == ()
    assert [item["name"] for item in planned.analysis.figures] == ["top", "root"]
    told = "\n".join(plan.notes)
    for name in ("fits.p", "figures.ratio", "figures.twice"):
        assert f"reductions.swaxs.{name} is left out" in told
    assert "figures.root" not in told


def test_expressions_stand_after_what_they_use(analysed):
    figures = {
        "final": {"type": "expression", "expression": "middle + i0"},
        "middle": {"type": "expression", "expression": "top / frame_number"},
        "top": WAXS,
    }
    _, planned = analysed(figures=figures)
    assert [item["name"] for item in planned.analysis.figures] == ["top", "middle", "final"]


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (
            {"a": {"type": "expression", "expression": "tip + 1"}, "top": WAXS},
            "did you mean 'top'?",
        ),
        ({"a": {"type": "expression", "expression": "1 +"}}, "bad expression '1 +'"),
        (
            {
                "a": {"type": "expression", "expression": "b + 1"},
                "b": {"type": "expression", "expression": "a + 1"},
            },
            "uses its own value",
        ),
        ({"i0": WAXS}, "the run has a scalar 'i0' as well"),
    ],
)
def test_mistakes_are_told_before_anything_runs(analysed, figures, words):
    with pytest.raises(UserError) as caught:
        analysed(figures=figures)
    assert words in str(caught.value)
    assert "reductions.swaxs.figures." in caught.value.where


def test_targets_of_an_analysis(analysed):
    _, plain = analysed()
    _, planned = analysed({"p": FIT}, {"top": WAXS})
    more = set(result_files(planned)) - set(result_files(plain))
    folder = "results/a/swaxs"
    assert more == {
        f"{folder}/analysis.nxs",
        f"{folder}/plots/p_fit.png",
        f"{folder}/plots/figures.png",
    }


def test_small_angle_analyses_have_views_of_their_profile(analysed):
    guinier = {"type": "guinier", "integration": "azimuthal", "detector": "saxs", "range": [0.1, 1]}
    _, planned = analysed(figures={"size": guinier, "again": guinier, "top": WAXS})
    assert planned.analysis.viewed_tasks() == ["saxs_azimuthal"]
    assert "results/a/swaxs/plots/saxs_azimuthal_views.png" in result_files(planned)


def test_the_result_does_not_depend_on_fits(analysed):
    _, plain = analysed()
    _, planned = analysed({"p": FIT}, {"top": WAXS})
    assert plain.parameters == planned.parameters
