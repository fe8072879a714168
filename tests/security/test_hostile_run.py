"""Attacks 1, 2, 14, 23 through the whole workflow: names and texts of a run that others chose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Project, make_project

RAW = "two;touch PWNED #$(touch PWNED)`touch PWNED`'\".h5"
BRACES = "odd{wildcards.run}{input}.h5"
SAMPLE = "=cmd|' /C calc'!A0 <script>alert(1)</script> {wildcards.run} $(touch PWNED) \\frac$"


@pytest.mark.end_to_end
def test_names_and_texts_stay_names_and_texts(tmp_path: Path) -> None:
    project: Project = make_project(tmp_path / "project")
    project.path("raw/two.h5").rename(project.path("raw") / RAW)
    row = project.rows[1] | {"raw": RAW, "sample": SAMPLE, "<b>note": "`touch PWNED`"}
    row["raw"] = '"' + RAW.replace('"', '""') + '"'
    row["sample"] = '"' + SAMPLE.replace('"', '""') + '"'
    # Snakemake would take this one for a pattern, and stop: it is left out, and all else goes on.
    (project.path("raw") / BRACES).symlink_to(RAW)
    project.rows[:] = [row, row | {"run": "odd", "raw": BRACES}]
    project.write()
    project.described = True
    project.run("results/two/x/record.json")
    text = project.snakemake("--dry-run", "all").text
    assert "odd/x is left out: the name of" in text
    assert "refuse_run" in text
    record = json.loads(project.path("results/two/x/record.json").read_text())
    assert record["sample"] == SAMPLE
    assert not [path for path in tmp_path.rglob("*PWNED*") if path.name != RAW]
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"project"}


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("run", "../escape"),
        ("run", "/tmp/escape"),
        ("run", "a/b"),
        ("run", "-rf"),
        ("run", ".hidden"),
        ("run", "a{b}"),
        ("run", "a,b"),
        ("run", "a\u0430"),  # a Cyrillic letter that looks like a Latin one
        ("run", "x" * 300),
        ("run", "catalogue"),
        ("raw", "../two.h5"),
        ("raw", "/etc/passwd"),
        ("raw", "~/two.h5"),
        ("raw", "a\x1b[31m.h5"),
        ("reduction", "../x"),
        ("frames", "1e9"),
        ("frames", "-1"),
        ("frames", "9" * 5000),
        ("sample", "a\x1b]0;title\x07"),
    ],
)
def test_cells_that_are_refused(tmp_path: Path, column: str, cell: str) -> None:
    from scatterflow.config.runs import read_run_table
    from scatterflow.errors import UserError

    row = {"run": "r", "reduction": "x", "source": "s", "raw": "r.h5", "frames": "6", "sample": ""}
    row[column] = cell
    path = tmp_path / "runs.tsv"
    path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    with pytest.raises(UserError, match=r"runs\.tsv, line 2") as caught:
        read_run_table(path)
    assert str(caught.value).isprintable() or "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 600
