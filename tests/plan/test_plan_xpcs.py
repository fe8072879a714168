"""Planned reductions of technique xpcs: what a run can give, jobs, what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from scatterflow.errors import UserError
from scatterflow.plan.report import plan_costs
from scatterflow.plan.targets import xpcs_files

FRAMES = 24


@pytest.fixture
def reduction(configuration) -> dict:
    """The one reduction of the configuration, of a run that is correlated."""
    configuration["chunks"] = {"frames": 10, "pixel_blocks": 3}
    configuration["reductions"] = {
        "dynamics": {
            "technique": "xpcs",
            "frame_time_s": 1e-3,
            "qmap": {"coordinates": [{"name": "q", "dynamic": {"bins": 2}}]},
        }
    }
    return configuration["reductions"]["dynamics"]


@pytest.fixture
def plan(plan_of):
    return lambda: plan_of({"reduction": "dynamics", "source": "single", "frames": FRAMES})


@pytest.mark.parametrize(
    ("settings", "message", "key"),
    [
        ({"multitau": {"most_delay": 24}}, "no delay of 24 frames", "multitau.most_delay"),
        ({"multitau": {"partial": 25}}, "cannot be cut into 25 windows", "multitau.partial"),
        ({"speckle_statistics": {"exposures": [1, 5], "segments": 5}}, "5 frames", "statistics"),
        ({"frames": {"average": 13}}, "one frame", "dynamics.frames"),
        ({"frames": {"begin": 30}}, "begin 30 lies outside the run", "dynamics.frames"),
        ({"frames": {"begin": 20, "end": -10}}, "frames 20 to 14 of 24", "dynamics.frames"),
        ({"frames": {"bad": "24"}}, "raw frame 24 is listed as bad", "frames.bad"),
        (
            {"preprocessing": {"dark_frames": [20, 25]}},
            "dark frames 20 to 24 are not",
            "dark_frames",
        ),
    ],
)
def test_what_a_run_is_too_short_for_is_refused(reduction, plan, settings, message, key):
    reduction.update(settings)
    with pytest.raises(UserError, match=message) as raised:
        print(plan().find_xpcs("1", "dynamics").bad_frames)
    assert "run 1" in raised.value.where
    assert key in raised.value.where


def test_begin_above_end_is_refused_without_knowing_the_run(reduction, plan):
    reduction["frames"] = {"begin": 10, "end": 6}
    with pytest.raises(UserError, match=r"begin \(10\) must be below end \(6\)"):
        plan()


def test_what_just_fits_is_planned(reduction, plan):
    reduction["multitau"] = {"most_delay": 23, "partial": 24}
    reduction["speckle_statistics"] = {"exposures": [1, 4], "segments": 6}
    assert plan().find_xpcs("1", "dynamics").range.frames == FRAMES


@pytest.mark.parametrize(
    ("frames", "number"), [({}, 0), ({"begin": 3}, 3), ({"stride": 2, "bad": "0"}, 2)]
)
def test_dark_frames_are_not_correlated(reduction, plan, frames, number):
    reduction.update(frames=frames, preprocessing={"dark_frames": [0, 4]})
    with pytest.raises(UserError, match=f"raw frame {number} is one of the dark frames"):
        plan()
    for others in ({"begin": 4}, {"bad": "0-3"}, {"end": 24, "begin": -20}):
        reduction["frames"] = others
        plan()


def test_a_short_run_goes_without_windows_of_time(reduction, plan):
    figure = "results/1/dynamics/plots/partial_g2.png"
    assert figure in xpcs_files(plan().find_xpcs("1", "dynamics"))
    reduction["frames"] = {"average": 4}  # 6 frames, fewer than the usual windows
    assert figure not in xpcs_files(plan().find_xpcs("1", "dynamics"))


def test_deleted_sorted_chunks_count_as_made(reduction, plan, tmp_path):
    def sorting():
        (cost,) = [cost for cost in plan_costs(plan(), tmp_path) if cost.rule == "sort_chunk"]
        return cost.jobs, cost.done

    assert sorting() == (3, 0)
    result = tmp_path / Path("results/1/dynamics/result.nxs")
    result.parent.mkdir(parents=True)
    result.touch()
    assert sorting() == (3, 3)
