"""Searching: words, facets and times, against a plain loop over the records."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.catalogue.facet_values import FACETS, facet_values
from scatterflow.catalogue.index import build_index, open_index
from scatterflow.catalogue.index_search import facets, search
from scatterflow.catalogue.record_file import write_record
from scatterflow.errors import UserError

from .example_records import CREATORS, SAMPLES, example_record

RECORDS = [example_record(number) for number in range(40)]
HOSTILE = example_record(50, sample="<script>alert(1)</script> \"x' OR 1 -- silica_10-3 AND NOT")


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> sqlite3.Connection:
    results: Path = tmp_path_factory.mktemp("search") / "results"
    for record in (*RECORDS, HOSTILE):
        write_record(results / record["id"] / "record.json", record)
    build_index(results, results / "catalogue/index.sqlite")
    return open_index(results / "catalogue/index.sqlite")


def ids(found: list[dict]) -> list[str]:
    return [record["id"] for record in found]


def expected(text: str = "", filters: dict | None = None) -> list[str]:
    """By a plain loop: all words are the beginning of one of the sample's or creators' words."""
    found = []
    for record in RECORDS:
        values: dict[str, set[str]] = {}
        for facet, value in facet_values(record):
            values.setdefault(facet, set()).add(value)
        chosen = all(
            values.get(facet, set()) & set(some) for facet, some in (filters or {}).items()
        )
        words = f"{record['sample'] or ''} {' '.join(values['creator'])}".lower().split()
        if chosen and all(any(w.startswith(part) for w in words) for part in text.lower().split()):
            found.append((record["times"]["run_start"], record["id"]))
    return [identity for _, identity in sorted(found, reverse=True)]


@pytest.mark.parametrize(
    "text", ["lysozyme", "LYSO", "gold nanor", "franklin silica", "größe", "Curie"]
)
def test_words(index, text) -> None:
    found = [identity for identity in ids(search(index, text)) if identity != HOSTILE["id"]]
    assert found == expected(text)
    assert found


@pytest.mark.parametrize("text", ["Größe", "große", "GROẞE".lower(), "Gro\u0308ße"])
def test_case_accents_and_the_way_letters_are_composed_do_not_matter(index, text) -> None:
    assert ids(search(index, text)) == expected("größe")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "technique": st.lists(
                st.sampled_from(["saxswaxs", "xpcs", "shots", "none"]), min_size=1
            ),
            "sample": st.lists(st.sampled_from([s for s in SAMPLES if s]), min_size=1),
            "creator": st.lists(st.sampled_from(CREATORS), min_size=1),
            "quality": st.lists(st.sampled_from(["pass", "warn", "fail"]), min_size=1),
            "month": st.lists(st.sampled_from(["2025-03", "2025-04", "2024-01"]), min_size=1),
            "detector": st.lists(st.sampled_from(["saxs", "waxs", "speckles"]), min_size=1),
        },
    ),
    st.sampled_from(["", "silica", "marie"]),
)
@settings(max_examples=40, deadline=None)
def test_facets_choose_and_count_as_a_plain_loop_does(index, filters, text) -> None:
    found = [
        identity for identity in ids(search(index, text, filters)) if identity != HOSTILE["id"]
    ]
    assert found == expected(text, filters)
    for facet, counted in facets(index, text, filters).items():
        others = {key: values for key, values in filters.items() if key != facet}
        for value, number in counted:
            with_it = set(expected(text, {**others, facet: [value]}))
            there = any((facet, value) == each for each in facet_values(HOSTILE))
            assert number - len(with_it) in ((0, 1) if there else (0,)), (facet, value)


def test_times(index) -> None:
    starts = [record["times"]["run_start"] for record in (*RECORDS, HOSTILE)]

    def between(low: str, high: str) -> int:
        return sum(low <= start[: len(low)] and start[: len(high)] <= high for start in starts)

    for low, high in (("2025", "2025"), ("2025-03", "2025-03"), ("2025-03-02", "2025-04-01")):
        found = search(index, "", {"since": [low], "until": [high]})
        assert len(found) == between(low, high)
        assert found
    assert search(index, "", {"until": ["2024-12-31"]}) == []


@pytest.mark.parametrize(
    "date", ["yesterday", "2026-1-1", "2026-01-01T00:00", "' OR 1", "2026\n", ""]
)
def test_what_is_no_date_is_refused(index, date) -> None:
    with pytest.raises(UserError, match="no date"):
        search(index, "", {"since": [date]})


def test_an_unknown_facet_names_the_nearest(index) -> None:
    with pytest.raises(UserError) as caught:
        search(index, "", {"sampel": ["x"]})
    assert "'sample'" in caught.value.how


# Attack 13: syntax of SQL and FTS5 in the search box.
@pytest.mark.parametrize(
    "text",
    [
        "'",
        '"',
        "x' OR 1",
        "beam-stop",
        "a AND",
        "NEAR(",
        "*",
        "^a",
        "a:b",
        "text:silica",
        "{",
        "(((",
        "\x00",
    ],
)
def test_syntax_is_text(index, text) -> None:
    search(index, text)
    facets(index, text)
    search(index, "", {"sample": [text], "creator": [text]})


def test_hostile_samples_are_found_as_they_are(index) -> None:
    for text in ("<script>alert(1)</script>", "x' OR 1", "silica_10-3", '"x', "AND NOT"):
        assert HOSTILE["id"] in ids(search(index, text))
    found = search(index, "", {"sample": [HOSTILE["sample"]]})
    assert ids(found) == [HOSTILE["id"]]


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_looked_for(index, text) -> None:
    search(index, text, {"sample": [text]})


def test_texts_and_filters_are_limited(index) -> None:
    with pytest.raises(UserError, match="characters"):
        search(index, "x " * 1000)
    with pytest.raises(UserError, match="values"):
        search(index, "", {"sample": [str(i) for i in range(1000)]})


def test_every_facet_of_the_list_has_values(index) -> None:
    counted = facets(index)
    assert counted.keys() == FACETS.keys()
    assert all(counted.values())
    months = [value for value, _ in counted["month"]]
    assert months == sorted(months)
