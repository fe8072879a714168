"""Searching the index: free text, facets, times.

A word of the text is found wherever a word of a record begins with it; all of them must be found. Words
are quoted for FTS5 and everything else is bound as a parameter: no text of a user is ever part of a query.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from scatterflow.catalogue.facet_values import FACETS
from scatterflow.errors import UserError, shortened, suggestion

Filters = Mapping[str, Sequence[str]]
TIMES = ("since", "until")
_DAY = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?\Z")
_LONGEST_TEXT = 1000
_MOST_VALUES = 100


def search(
    index: sqlite3.Connection, text: str = "", filters: Filters | None = None
) -> list[dict[str, Any]]:
    """Records that hold all words of the text and fit the filters, the newest run first.

    filters: facet -> values, one of which must be that of the record (`FACETS`); `since` and `until`: one
    date each (2026, 2026-01, 2026-01-15), both days included.
    Raises UserError for a facet that there is not, and for what is no date.
    """
    where, bound = _conditions(text, filters or {})
    rows = index.execute(f"SELECT json FROM records {where} ORDER BY time DESC, id", bound)
    return [json.loads(found) for (found,) in rows]


def facets(
    index: sqlite3.Connection, text: str = "", filters: Filters | None = None
) -> dict[str, list[tuple[str, int]]]:
    """The values of each facet, with the number of records, the most frequent first (months in order).

    Counted are records that fit the text and the filters of the other facets: choosing a further value of the
    same facet adds to what was found.
    """
    filters = filters or {}
    counted = {}
    for facet in FACETS:
        others = {key: values for key, values in filters.items() if key != facet}
        where, bound = _conditions(text, others)
        order = "value" if facet == "month" else "count(*) DESC, value"
        counted[facet] = list(
            index.execute(
                "SELECT value, count(*) FROM facets WHERE facet = ? AND id IN "
                f"(SELECT id FROM records {where}) GROUP BY value ORDER BY {order}",
                (facet, *bound),
            )
        )
    return counted


def _conditions(text: str, filters: Filters) -> tuple[str, list[str]]:
    """A WHERE clause of fixed text, and the values to bind."""
    clauses, bound = [], []
    words = _words(text)
    if words:
        clauses.append("number IN (SELECT rowid FROM words WHERE words MATCH ?)")
        bound.append(" AND ".join(words))
    for key, values in filters.items():
        if key in TIMES:
            clauses.append("time >= ?" if key == "since" else "time <= ?")
            bound.append(_limit(key, values))
            continue
        if key not in FACETS:
            raise UserError(
                f"there is no facet {shortened(key)}", "the search", suggestion(key, FACETS)
            )
        if len(values) > _MOST_VALUES:
            raise UserError(f"{len(values)} values of {key}", "the search", "give fewer")
        marks = ", ".join("?" * len(values))
        clauses.append(f"id IN (SELECT id FROM facets WHERE facet = ? AND value IN ({marks}))")
        bound += [key, *values]
    return ("WHERE " + " AND ".join(clauses) if clauses else ""), bound


def _words(text: str) -> list[str]:
    """The words as FTS5 strings, each the beginning of a word; punctuation alone is nothing to look for."""
    if len(text) > _LONGEST_TEXT:
        raise UserError(
            f"a text of {len(text)} characters", "the search", f"give at most {_LONGEST_TEXT}"
        )
    # What FTS5 would part them at; a NUL would end the query.
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text))
    return [f'"{word}" *' for word in words]


def _limit(key: str, values: Sequence[str]) -> str:
    """A date as the beginning, or the end, of the times that are meant."""
    if len(values) != 1 or not _DAY.match(values[0]):
        raise UserError(
            f"{shortened(list(values))} is no date", f"--{key}", "write 2026, 2026-01 or 2026-01-15"
        )
    return values[0] if key == "since" else values[0] + "\U0010ffff"
