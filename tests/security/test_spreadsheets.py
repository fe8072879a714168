"""Attack 23: cells that a spreadsheet would run, in every table that is written."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from scatterflow.files.spreadsheet import cell
from scatterflow.plan.discovery import extend_run_table
from scatterflow.quality.summary import csv_text
from scatterflow.saxswaxs.exports.curves import Scalar
from scatterflow.saxswaxs.exports.scalars import _cell, _heading

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", " =1", "\t=1", "＝1"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_text_is_text(formula: str) -> None:
    assert cell(formula).startswith("'")
    assert _cell(formula.encode()).startswith("'")
    assert _heading(Scalar(formula, np.zeros(1), "mm")).startswith("'")


def test_numbers_and_text_stay() -> None:
    assert [cell(value) for value in (-1.5, 3, None, True)] == [-1.5, 3, None, True]
    assert cell("water") == "water"
    assert _cell(np.float64(-1.5)) == "-1.5"
    assert _heading(Scalar("i0", np.zeros(1), "counts")) == "i0 [counts]"


def test_table_of_verdicts() -> None:
    check = {"name": "a", "verdict": "warn", "value": -1.5, "limit": [-1, 2], "unit": "=1"}
    quality = {"run": "r", "reduction": "x", "technique": "saxswaxs"}
    rows = list(
        csv.reader(io.StringIO(csv_text([quality | {"checks": [check | {"sentence": "=2"}]}])))
    )
    assert rows[1] == ["r", "x", "saxswaxs", "a", "warn", "-1.5", "-1 to 2", "'=1", "'=2"]


def test_a_file_named_like_a_formula_is_not_put_into_the_run_table(tmp_path: Path) -> None:
    row = {"run": "a", "source": "s", "raw": "=HYPERLINK(1).h5", "frames": 1}
    row |= {"named_by_path": False, "notes": []}
    table = tmp_path / "runs.tsv"
    added, _, notes = extend_run_table(table, [row, row | {"raw": "fine.h5", "run": "b"}])
    assert added == ["b"]
    assert "would be a formula" in notes[0]
    assert "HYPERLINK" not in table.read_text()
