"""The run table: what is read, what is refused and where."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.config.runs import check_references, read_run_table
from scatterflow.errors import UserError

HEADER = "run\treduction\tsource\traw\tframes\tsample\n"
HOSTILE_NAMES = [
    *("../x", "..", "a..b", ".", "", "/abs", "a/b", "a\\b", "~x", "-x", ".x", "x\0", "x\x1b[0m"),
    *(
        "x" * 65,
        "x" * 300,
        "{run}",
        "a,b",
        "a b",
        "ａ",
        "а1",
        "x\u200b",
        "x\u202e",
        "é",
        "٣",
        "x;y",
    ),
]


@pytest.fixture
def table(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "runs.tsv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def line(run="r1", reduction="swaxs", source="tiff", raw="raw/r1", frames="3", sample="") -> str:
    return "\t".join((run, reduction, source, raw, frames, sample)) + "\n"


def refusal(path) -> UserError:
    with pytest.raises(UserError) as caught:
        read_run_table(path)
    assert str(path) in caught.value.where
    assert caught.value.how
    return caught.value


def test_a_table_is_read_in_order(table):
    path = table(
        "# a comment\n\n"
        "frames\trun\tsource\traw\treduction\tsample\ttemperature_K\n"
        "600\tr2\teiger\tsilica/2_master.h5\tsaxs, fast\tsilica in water\t298\n"
        "# another one\n"
        "\t\t\t\n"
        "007\t0012\ttiff\tx\t\t\t\n"
    )
    first, second = read_run_table(path)
    assert (first.run, first.frames, first.source) == ("r2", 600, "eiger")
    assert first.reductions == ("saxs", "fast")
    assert first.raw == "silica/2_master.h5"
    assert first.sample == "silica in water"
    assert first.columns["temperature_K"] == "298"
    assert (second.run, second.frames, second.reductions, second.sample) == ("0012", 7, (), "")


@pytest.mark.parametrize(
    "text",
    [
        HEADER + line("a") + line("b"),
        "\ufeff" + HEADER + line("a") + line("b"),
        (HEADER + line("a") + line("b")).replace("\n", "\r\n"),
        (HEADER + line("a") + line("b")).replace("\n", "\r"),
        (HEADER + line("a") + line("b")).rstrip("\n\t"),
        (HEADER + line("a") + line("b")).replace("\t\n", "\n"),
        (HEADER + line("a") + line("b")).replace("\t", " \t "),
        HEADER + line('"a"') + line("b"),
        HEADER.replace("sample", '"sample"') + line("a") + line("b"),
    ],
)
def test_what_editors_and_spreadsheets_do_to_a_table_changes_nothing(table, text):
    rows = read_run_table(table(text))
    assert [(row.run, row.raw, row.frames, row.sample) for row in rows] == [
        ("a", "raw/r1", 3, ""),
        ("b", "raw/r1", 3, ""),
    ]


def test_a_sample_keeps_its_quotation_marks_and_characters(table):
    rows = read_run_table(table(HEADER + line(sample='12" wafer Å')))
    assert rows[0].sample == '12" wafer Å'


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_run_names_are_refused(table, name):
    error = refusal(table(HEADER + line("first") + line(name)))
    assert "line 3" in error.where
    assert len(str(error)) < 600
    assert "\x1b" not in str(error)


@pytest.mark.parametrize("name", [name for name in HOSTILE_NAMES if name not in ("", "a,b")])
def test_hostile_reduction_names_are_refused(table, name):
    assert "line 2" in refusal(table(HEADER + line(reduction=f"ok,{name}"))).where


@pytest.mark.parametrize("name", ["catalogue", "Catalogue", "report.html"])
def test_runs_cannot_take_the_place_of_what_stands_beside_them(table, name):
    assert "results/" in refusal(table(HEADER + line(name))).what


@pytest.mark.parametrize(
    "frames",
    [
        "",
        "0",
        "-1",
        "+5",
        "1.5",
        "1e3",
        "1_000",
        "1,000",
        "٣",
        "²",
        "three",
        "nan",
        "0x10",
        "9" * 5000,
        "100000001",
    ],
)
def test_wrong_numbers_of_frames_are_refused(table, frames):
    error = refusal(table(HEADER + line(frames=frames)))
    assert "frames" in error.what
    assert error.where.endswith("line 2, column frames")
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    "raw", ["", "/etc/passwd", "../x", "a/../b", "~root/x", "x\0", "a\x1bb", "x" * 501]
)
def test_raw_data_outside_the_raw_folder_is_refused(table, raw):
    assert "line 2" in refusal(table(HEADER + line(raw=raw))).where


@pytest.mark.parametrize("column", ["run", "reduction", "source", "raw", "frames"])
def test_a_missing_column_is_named(table, column):
    error = refusal(table(HEADER.replace(column, "other") + line()))
    assert f"no column '{column}'" in error.what
    assert "tabs" in error.how


def test_a_table_with_blanks_or_commas_for_tabs_says_what_separates_columns(table):
    for mark in (",", "  ", ";"):
        assert "tabs" in refusal(table((HEADER + line()).replace("\t", mark))).how


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("# nothing\n\n", "empty"),
        (HEADER.strip() + "\trun\n", "empty or doubled"),
        (HEADER.strip() + "\t\tx\n", "empty or doubled"),
        (HEADER + line().strip() + "\tx\ty\n", "7 cells in a table of 6 columns"),
        (HEADER + line("a") + line("a"), "'a' stands twice"),
        (HEADER + line("a") + line("b") + line("A"), "differing in case only"),
        (HEADER + line(reduction="x, y,x"), "names a reduction twice"),
        (HEADER + line('"a'), "cannot be read"),
        (HEADER + line(sample='"a" b'), "cannot be read"),
        (HEADER + line(sample="x" * 200_000), "cannot be read"),
        (HEADER + line(sample="a\x07b"), "control characters"),
        (HEADER.encode() + b"a\xff\n", "not UTF-8"),
        (HEADER.encode("utf-16"), "not UTF-8"),
    ],
)
def test_broken_tables_are_refused(table, text, message):
    assert message in refusal(table(text)).what


def test_a_line_separator_inside_a_cell_does_not_make_a_row(table):
    # str.splitlines would split here.
    error = refusal(table(HEADER + line(sample="a\x85b")))
    assert "control characters" in error.what


def test_a_table_that_cannot_be_opened_is_one_message(tmp_path):
    assert "does not exist" in refusal(tmp_path / "missing.tsv").what
    assert "folder" in refusal(tmp_path).what


def test_references_to_sources_and_reductions_are_checked(table):
    (row,) = read_run_table(table(HEADER + line(reduction="swaxs,fast")))
    check_references(row, {"tiff"}, {"swaxs", "fast"}, {"a", "b"}, "runs.tsv")
    with pytest.raises(UserError, match="source 'tiff' is not configured") as caught:
        check_references(row, {"tif"}, {"swaxs", "fast"}, {"a", "b"}, "runs.tsv")
    assert "did you mean 'tif'?" in caught.value.how
    assert caught.value.where == "runs.tsv, run r1, column source"
    with pytest.raises(UserError, match="reduction 'fast' is not configured"):
        check_references(row, {"tiff"}, {"swaxs"}, {"a", "b"}, "runs.tsv")


def test_a_background_must_be_another_run(table):
    columns = HEADER.rstrip("\n") + "\tbackground\n"
    for background, runs in (("r2", {"r1"}), ("r1", {"r1", "r2"})):
        (row,) = read_run_table(table(columns + line().rstrip("\n") + f"\t{background}\n"))
        with pytest.raises(UserError, match="no other run") as caught:
            check_references(row, {"tiff"}, {"swaxs"}, runs, "runs.tsv")
        assert "column background" in caught.value.where
    (row,) = read_run_table(table(columns + line().rstrip("\n") + "\tr2\n"))
    check_references(row, {"tiff"}, {"swaxs"}, {"r1", "r2"}, "runs.tsv")


CELLS = st.text(max_size=12) | st.sampled_from(["r1", "x/y", "3", "swaxs", '"', "#", "a\tb", "-"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELLS, max_size=7), max_size=4), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_table_is_read_or_refused_never_a_crash(tmp_path_factory, rows, end):
    path = tmp_path_factory.getbasetemp() / "fuzz.tsv"
    text = HEADER + end.join("\t".join(row) for row in rows)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = []
    with suppress(UserError):
        found = read_run_table(path)
    for row in found:
        assert row.frames > 0
        assert not set(row.run) & set("/\\\0\n {}")
        assert ".." not in row.raw.split("/")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_refused_or_read(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.tsv"
    path.write_bytes(content)
    with pytest.raises(UserError):
        read_run_table(path)
