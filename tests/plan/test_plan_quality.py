"""What the check of a result needs from the plan."""

from __future__ import annotations

from scatterflow.plan.quality import LONGEST_HISTORY, history_of, quality_files, quality_settings


def test_every_result_has_a_verdict(plan_of):
    plan = plan_of({"run": "a"}, {"run": "b"})
    assert quality_files(plan) == ["results/a/swaxs/quality.json", "results/b/swaxs/quality.json"]


def test_history_is_earlier_runs_of_the_same_sample(plan_of):
    rows = [
        {"run": f"r{number}", "sample": "water" if number != 2 else "air"} for number in range(5)
    ]
    plan = plan_of(*rows)
    assert history_of(plan, plan.find("r4", "swaxs")) == [
        f"results/r{number}/swaxs/result.nxs" for number in (0, 1, 3)
    ]
    assert history_of(plan, plan.find("r0", "swaxs")) == []
    assert history_of(plan, plan.find("r2", "swaxs")) == []


def test_a_run_that_is_added_changes_no_history(plan_of):
    rows = [{"run": f"r{number}", "sample": "water"} for number in range(LONGEST_HISTORY + 4)]
    whole, part = plan_of(*rows), plan_of(*rows[:-1])
    for run in whole.rows:
        if run in part.rows:
            assert history_of(whole, whole.find(run, "swaxs")) == history_of(
                part, part.find(run, "swaxs")
            )
    last = history_of(whole, whole.find(rows[-1]["run"], "swaxs"))
    assert len(last) == LONGEST_HISTORY
    assert last[-1] == f"results/r{LONGEST_HISTORY + 2}/swaxs/result.nxs"


def test_without_a_name_a_sample_has_no_history(plan_of):
    plan = plan_of({"run": "a", "sample": ""}, {"run": "b", "sample": ""})
    assert history_of(plan, plan.find("b", "swaxs")) == []


def test_limits_follow_the_overrides(plan_of, configuration):
    configuration["quality"] = {"saxswaxs": {"hot_pixels": {"limit": 0.1}}}
    configuration["overrides"] = [
        {"runs": "b", "set": {"quality.saxswaxs.hot_pixels.on_violation": "ignore"}}
    ]
    plan = plan_of({"run": "a"}, {"run": "b"})
    for run, violation in (("a", "warn"), ("b", "ignore")):
        found = quality_settings(plan.find(run, "swaxs"))
        assert found["technique"] == "saxswaxs"
        assert found["checks"]["hot_pixels"] == {"limit": 0.1, "on_violation": violation}
        assert "ageing" not in found["checks"]
