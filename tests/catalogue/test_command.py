"""Commands `index` and `search`, and what they print."""

from __future__ import annotations

import csv
import io
import json

import pytest

from scatterflow.__main__ import main
from scatterflow.catalogue.record_file import write_record
from scatterflow.catalogue.search_output import csv_text, table

from .example_records import example_record


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(12):
        record = example_record(number)
        write_record(tmp_path / "results" / record["id"] / "record.json", record)
    return tmp_path


def test_index_then_search(project, capsys) -> None:
    assert main(["index"]) == 0
    assert capsys.readouterr().out == "12 records: 12 added, 0 changed, 0 removed, 0 refused\n"
    assert main(["search", "lyso", "--technique", "xpcs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "result",
        "technique",
        "sample",
        "run",
        "start",
        "quality",
        "frames",
        "title",
    ]
    assert [line.split()[0] for line in lines[1:]] == [
        "run_0007/dynamics",
        "run_0001/dynamics",
        "2",
    ]


def test_search_as_json_gives_whole_records(project, capsys) -> None:
    main(["index"])
    capsys.readouterr()
    main(["search", "--sample", "LaB6", "--sample", "lysozyme", "--since", "2025-03-09", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found == [example_record(8), example_record(7)]


def test_search_counts_facets(project, capsys) -> None:
    main(["index"])
    capsys.readouterr()
    main(["search", "--facets", "--technique", "xpcs"])
    out = capsys.readouterr().out
    assert "technique:\n       4  saxswaxs\n       4  shots\n       4  xpcs\n" in out
    assert "detector:\n       4  speckles\n" in out


def test_without_results_or_index_it_says_what_to_do(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["search", "x"]) == 1
    assert "scatterflow index" in capsys.readouterr().err
    assert main(["index"]) == 1
    assert "no folder of results" in capsys.readouterr().err


def test_a_refused_record_is_printed_and_the_code_is_one(project, capsys) -> None:
    (project / "results" / example_record(0)["id"] / "record.json").write_text("{}")
    assert main(["index"]) == 1
    assert "refused: " in capsys.readouterr().out


def test_a_damaged_index_is_one_message(project, capsys) -> None:
    main(["index"])
    path = project / "results/catalogue/index.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    assert main(["search", "lyso"]) == 1
    assert "index --full" in capsys.readouterr().err
    assert main(["index", "--full"]) == 0
    assert main(["search", "lyso"]) == 0


# Attack 23: formulas and control characters.
@pytest.mark.parametrize(
    "sample",
    ["=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "  =1+1", "\r=1", "＝1+1", "\n@x"],
)
def test_no_spreadsheet_takes_a_cell_for_a_formula(sample) -> None:
    record = example_record(1, sample=sample)
    record["experiment"]["title"] = sample
    rows = list(csv.DictReader(io.StringIO(csv_text([record]))))
    for column in ("sample", "title"):
        assert rows[0][column].startswith("'")
        assert "\n" not in rows[0][column]
    assert rows[0]["result"] == record["id"]


def test_numbers_of_the_csv_are_numbers() -> None:
    record = example_record(1, q_range={"low": -0.5, "high": 2.0, "unit": "1/angstrom"})
    row = next(csv.DictReader(io.StringIO(csv_text([record]))))
    assert float(row["q low [1/angstrom]"]) == -0.5
    assert float(row["energy [keV]"]) == record["energy"]["value"]
    empty = next(csv.DictReader(io.StringIO(csv_text([example_record(12)]))))
    assert empty["energy [keV]"] == ""


def test_no_line_of_the_table_is_forged() -> None:
    record = example_record(1, sample="x\x1b[2J\nrun_9999/x  xpcs\u202e")
    text = table([record])
    assert len(text.splitlines()) == 3
    assert "\x1b" not in text
    assert "\u202e" not in text
