"""Choosing runs: each case by hand, ranges against Python's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scatterflow.config.selectors import matches_where, parse_selector, selects


def chosen(selection: str | int, *runs: str) -> list[str]:
    items = parse_selector(selection)
    return [run for run in runs if selects(items, run)]


def test_items_are_taken_apart():
    assert parse_selector("20-35, 40 ,lab6*") == [(20, 35), "40", "lab6*"]
    assert parse_selector(7) == ["7"]
    assert parse_selector("scan-12-b") == ["scan-12-b"]  # a name, not a range


@pytest.mark.parametrize("text", ["", ",", "1,", ",1", "1,,2", " ", "3-2", "0010-0009"])
def test_empty_items_and_descending_ranges_are_refused(text):
    with pytest.raises(ValueError, match=r"empty item|descends"):
        parse_selector(text)


def test_a_number_means_the_run_of_that_number_however_padded():
    runs = ("12", "0012", "012", "112", "12a", "run12", "1.2")
    assert chosen("12", *runs) == ["12", "0012", "012"]
    assert chosen("0012", *runs) == ["12", "0012", "012"]
    assert chosen("012-012", *runs) == ["12", "0012", "012"]


def test_patterns_mind_case_and_match_whole_names():
    runs = ("lab6_1", "LaB6_1", "xlab6", "lab6", "12", "lab[6]")
    assert chosen("lab6*", *runs) == ["lab6_1", "lab6"]
    assert chosen("*[12]", *runs) == ["lab6_1", "LaB6_1", "12"]
    assert chosen("?2", *runs) == ["12"]


def test_a_name_of_digits_and_dash_is_a_range_and_digits_beyond_ascii_are_a_name():
    assert chosen("3-5", "4", "3-5") == ["4"]
    assert chosen("٣", "3", "٣") == ["٣"]
    assert chosen("9" * 5000, "9") == []


@given(st.integers(0, 500), st.integers(0, 60), st.integers(0, 600), st.integers(1, 6))
def test_ranges_are_inclusive(first, length, number, width):
    items = parse_selector(f"{first}-{first + length}")
    assert selects(items, f"{number:0{width}d}") == (number in range(first, first + length + 1))


@given(
    st.text(alphabet="0123456789-,*?[]abZ_.! ", max_size=20),
    st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True),
)
def test_any_selection_is_parsed_or_refused(text, run):
    try:
        items = parse_selector(text)
    except ValueError:
        return
    assert isinstance(selects(items, run), bool)


@pytest.mark.parametrize(
    ("wanted", "cell", "same"),
    [
        ("water", "water", True),
        ("water", "Water", False),
        ("300", "300.0", False),
        (300, "300", True),
        (300, "300.0", True),
        (300.5, "3.005e2", True),
        (300, "", False),
        (300, "300 K", False),
        (0, "-0", True),
        (float("inf"), "nan", False),
        (True, "yes", True),
        (True, "True", True),
        (True, "1", False),
        (False, "no", True),
        (False, "", False),
        (10**400, "1", False),
    ],
)
def test_cells_are_compared_as_what_is_wanted(wanted, cell, same):
    assert matches_where({"column": wanted}, {"column": cell}) is same


def test_all_columns_must_agree_and_all_must_exist():
    row = {"sample": "water", "t": "3"}
    assert matches_where({"sample": "water", "t": 3}, row)
    assert not matches_where({"sample": "water", "t": 4}, row)
    assert matches_where({}, row)
    with pytest.raises(KeyError, match="missing"):
        matches_where({"t": 4, "missing": 1}, row)
