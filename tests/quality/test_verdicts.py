"""From findings and limits to verdicts, and to the document."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.config.quality import Quality
from scatterflow.errors import UserError
from scatterflow.quality.checks import (
    CHECKS,
    Finding,
    at_least,
    at_most,
    document,
    judge,
    judged,
    percent,
    read_quality,
    unknown,
    within,
    worst,
    write_quality,
)


@pytest.mark.parametrize("technique", ["saxswaxs", "xpcs", "shots"])
def test_every_check_of_the_configuration_has_a_title(technique):
    assert set(Quality().model_dump()[technique]) <= set(CHECKS)


@pytest.mark.parametrize(
    ("level", "violation", "verdict"),
    [
        ("fine", "fail", "pass"),
        ("doubtful", "fail", "warn"),
        ("bad", "fail", "fail"),
        ("bad", "warn", "warn"),
        ("unknown", "fail", "not_applicable"),
        ("bad", "ignore", "not_applicable"),
    ],
)
def test_verdicts_of_findings(level, violation, verdict):
    settings = {"limit": 1.0, "on_violation": violation}
    found = judge("hot_pixels", settings, lambda limit: Finding(2.0, level, "So it is."))
    assert found["verdict"] == verdict
    assert found["limit"] == 1.0
    assert found["title"] == "Hot pixels"


@settings(max_examples=50, deadline=None)
@given(st.floats(-5, 5), st.floats(-2, 2), st.floats(0.1, 2))
def test_limits(value, limit, width):
    assert (at_most(value, limit, "").level == "bad") == (value > limit)
    assert (at_least(value, limit, "").level == "bad") == (value < limit)
    inside = limit <= value <= limit + width
    assert (within(value, (limit, limit + width), "").level == "fine") == inside


@pytest.mark.parametrize("make", [at_most, at_least])
def test_what_is_no_number_is_unknown(make):
    assert make(float("nan"), 1.0, "").level == "unknown"
    assert within(float("inf"), (0, 1), "").level == "unknown"


def test_the_worst_verdict_counts():
    assert worst(["pass", "warn", "not_applicable"]) == "warn"
    assert worst(["warn", "fail", "pass"]) == "fail"
    assert worst(["not_applicable"]) == "pass"
    assert worst([]) == "pass"


def checked(**levels: str) -> list[dict]:
    settings = {name: {"on_violation": "fail", "limit": 1.0} for name in levels}
    return judged(
        settings,
        {
            name: lambda _, level=level: Finding(float("nan"), level, "x.", {"a": float("inf")})
            for name, level in levels.items()
        },
    )


def test_the_document_is_the_contract(tmp_path):
    checks = checked(hot_pixels="bad", structure="fine", ageing="bad")
    found = document("r1", "x", "xpcs", checks, None)
    assert [check["name"] for check in found["checks"]] == ["structure", "hot_pixels", "ageing"]
    assert found["verdict"] == "fail"
    assert found["stopped_by"] == ["hot_pixels", "ageing"]
    write_quality(tmp_path / "quality.json", found)
    text = (tmp_path / "quality.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    read = read_quality(tmp_path / "quality.json")
    assert read["schema"] == "scatterflow-quality-1"
    assert read["checks"][0]["value"] is None
    assert read["checks"][0]["details"] == {"a": None}
    assert set(read) == {
        *("schema", "run", "reduction", "technique", "verdict", "checks", "stopped_by"),
        *("assessed", "software"),
    }
    assert read["assessed"].endswith("+00:00")


def test_only_some_checks_stop_publication():
    checks = checked(hot_pixels="bad", ageing="bad")
    assert document("r1", "x", "xpcs", checks, ["ageing", "structure"])["stopped_by"] == ["ageing"]
    assert document("r1", "x", "xpcs", checks, [])["stopped_by"] == []


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "quality.json"
    path.write_text(json.dumps({"schema": "another"}))
    with pytest.raises(UserError, match="not a quality verdict"):
        read_quality(path)


def test_a_check_with_nothing_to_look_at():
    assert unknown("Nothing.").value is None


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.123, "12 %"), (0.012, "1.2 %"), (0.0003, "0.03 %"), (1e-9, "less than 0.01 %")],
)
def test_shares_as_people_read_them(share, text):
    assert percent(share) == text


def test_the_guide_names_every_check():
    guide = Path(__file__).resolve().parents[2] / "docs" / "quality.md"
    named = set(re.findall(r"`([a-z_0-9]+)`", guide.read_text(encoding="utf-8")))
    assert set(CHECKS) <= named
