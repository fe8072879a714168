"""The plan report: counted by hand."""

from __future__ import annotations

import json

import pytest

from scatterflow.plan.report import plan_costs, report_text


@pytest.fixture
def costs(plan_of, configuration, tmp_path):
    """Costs by rule of two runs, the second in three chunks."""
    configuration["chunks"] = {"frames": 4, "pixel_rate": 1.0, "threads": 2}

    def compute():
        plan = plan_of(
            {"run": "a", "source": "single", "frames": 4}, {"run": "b", "sample": "LaB6"}
        )
        return {cost.rule: cost for cost in plan_costs(plan, tmp_path)}

    return compute


def test_jobs_are_counted(costs):
    assert {rule: cost.jobs for rule, cost in costs().items()} == {
        "build_mask": 2,
        "prepare_integration": 4,
        "setup_container": 2,
        "integrate_chunk": 4,
        "assemble_result": 2,
        "plot_frames": 3,
        "plot_profiles": 5,
        "plot_mean_profile": 5,
        "plot_cake": 1,
        "plot_monitors": 1,  # the other source has no scalars
        "check_calibrant": 2,
        "assess_quality": 2,
        "summarise_quality": 1,
        "describe_result": 2,
        "build_catalogue": 1,
    }


def test_bytes_are_those_of_frames_and_results(costs):
    found = costs()
    raw = 4 * (4 * 100 + 10 * 700)
    sums = 24 * (4 * (100 + 90) + 10 * (100 + 100 + 360 + 90))
    assert found["integrate_chunk"].read_bytes == raw
    assert found["integrate_chunk"].written_bytes == sums / 2
    assert found["assemble_result"].read_bytes == sums / 2
    assert found["assemble_result"].written_bytes == pytest.approx(sums / 3)


def test_assumed_core_hours_follow_the_pixels_and_the_cores(costs):
    pixels = 4 * 200 + 10 * 1400
    # One million pixels a second on each of two cores; 1.5 s of start-up per job on both.
    seconds = pixels / 2e6 * 2 + 4 * 1.5 * 2
    assert costs()["integrate_chunk"].core_hours == pytest.approx(seconds / 3600)


def test_measured_rates_replace_assumptions(costs, tmp_path):
    benchmarks = tmp_path / "logs" / "benchmarks"
    for rule, seconds, memory in (("build_mask", 36, 150), ("integrate_chunk", 1.0, 5000)):
        (benchmarks / rule).mkdir(parents=True)
        (benchmarks / rule / "x.tsv").write_text(f"s\tmax_rss\n{seconds}\t{memory}\n")
    chunks = tmp_path / "work" / "a" / "swaxs" / "chunks"
    chunks.mkdir(parents=True)
    (chunks / "000000-000004.json").write_text(json.dumps({"pixels": 1000, "seconds": 2.0}))
    found = costs()
    assert found["build_mask"].core_hours == pytest.approx(2 * 36 / 3600)
    assert found["build_mask"].memory_mb == 150
    assert found["build_mask"].rate.jobs == 1
    # 500 pixels a second with both cores; jobs of a second start in less.
    seconds = ((4 * 200 + 10 * 1400) / 500 + 4 * 1.0) * 2
    assert found["integrate_chunk"].core_hours == pytest.approx(seconds / 3600)
    assert found["integrate_chunk"].memory_mb == 5000


def test_memory_is_never_below_what_jobs_ask_for(costs):
    assert costs()["integrate_chunk"].memory_mb >= 400


def test_what_is_there_already_is_counted(costs, tmp_path):
    assert all(cost.done == 0 for cost in costs().values())
    for path in ("results/a/swaxs/result.nxs", "work/b/swaxs/chunks/000004-000008.json"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("")
    found = costs()
    assert found["assemble_result"].done == 1
    assert found["integrate_chunk"].done == 1
    assert sum(cost.done for cost in found.values()) == 2


def test_the_report_has_a_line_for_each_rule_and_the_sum(costs):
    found = list(costs().values())
    lines = report_text(found).splitlines()
    assert len(lines) == 1 + len(found) + 2
    assert lines[1].split()[:3] == ["build_mask", "2", "0"]
    assert lines[1].endswith("assumption")
    total = next(line for line in lines if line.startswith("all "))
    assert total.split()[1] == str(sum(cost.jobs for cost in found))


def test_an_empty_plan_costs_nothing(plan_of):
    plan = plan_of({"reduction": ""})
    assert plan_costs(plan) == []
    assert "all" in report_text([])


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "-"),
        (1, "1 B"),
        (999, "999 B"),
        (999.6, "1 kB"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (999_600, "1 MB"),
        (5e9, "5 GB"),
        (1.5e12, "1.5 TB"),
        (2e15, "2 PB"),
    ],
)
def test_sizes_read_as_people_write_them(count, text):
    from scatterflow.plan.report import _size

    assert _size(count) == text
