"""The table of verdicts and the index of what there is."""

from __future__ import annotations

import csv
from pathlib import Path

from scatterflow.live.overviews import INDEX, PAGE, TABLE, renew_overviews
from scatterflow.plan.targets import quality_path, result_path
from scatterflow.quality.checks import Finding, document, judged, write_quality


def assessed(project, *runs: str) -> None:
    settings = {"hot_pixels": {"limit": 1.0, "on_violation": "fail"}}
    checks = judged(settings, {"hot_pixels": lambda _: Finding(0.5, "fine", "So it is.")})
    for run in runs:
        planned = project.plan().reductions[run, "x"]
        Path(result_path(planned)).parent.mkdir(parents=True)
        Path(result_path(planned)).touch()
        write_quality(quality_path(planned), document(run, "x", "saxswaxs", checks, None))


def test_nothing_is_made_of_nothing(project):
    project.write(("a", "tiffs", 4))
    assert renew_overviews(project.plan()) == ([], [])
    assert not Path("results").exists()


def test_what_there_is_stands_in_the_table_which_is_older_than_all_verdicts(project):
    project.write(("a", "tiffs", 4), ("b", "tiffs", 4), ("c", "tiffs", 4))
    assessed(project, "a", "b")
    Path("results/b/x/result.nxs").unlink()  # a verdict on a result that is being made anew
    assert renew_overviews(project.plan()) == ([PAGE, TABLE], [])
    with open(TABLE, encoding="utf-8") as lines:
        assert [line["run"] for line in csv.DictReader(lines)] == ["a"]
    verdict = Path("results/a/x/quality.json").stat().st_mtime
    assert all(Path(path).stat().st_mtime < verdict for path in (PAGE, TABLE))
    assert Path(INDEX).exists()


def test_what_cannot_be_made_is_told_and_stops_nothing(project):
    project.write(("a", "tiffs", 4))
    assessed(project, "a")
    Path("results/a/x/quality.json").write_text("{}")
    _, messages = renew_overviews(project.plan())
    assert len(messages) == 1
    assert messages[0].startswith(f"{PAGE} was not made: ")
    assert Path(INDEX).exists()
