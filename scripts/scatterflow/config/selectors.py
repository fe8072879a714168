"""Choosing runs by name, number range or pattern, and by columns of the run table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

_RANGE = re.compile(r"([0-9]{1,64})-([0-9]{1,64})\Z")
_NUMBER = re.compile(r"[0-9]{1,64}\Z")


def parse_selector(text: str | int) -> list[str | tuple[int, int]]:
    """`20-35,40,lab6*` as a list of number ranges (inclusive) and names or patterns.

    Raises ValueError for an empty item or a range that descends.
    """
    items: list[str | tuple[int, int]] = []
    for item in str(text).split(","):
        item = item.strip()
        if not item:
            raise ValueError(f"empty item in the run selection {text!r}")
        match = _RANGE.match(item)
        if match is None:
            items.append(item)
            continue
        first, last = int(match[1]), int(match[2])
        if first > last:
            raise ValueError(f"the range {item!r} in the run selection descends")
        items.append((first, last))
    return items


def selects(items: list[str | tuple[int, int]], run: str) -> bool:
    """Whether a run is chosen. A plain number also matches a zero-padded name."""
    number = int(run) if _NUMBER.match(run) else None
    for item in items:
        if isinstance(item, tuple):
            if number is not None and item[0] <= number <= item[1]:
                return True
        elif number is not None and _NUMBER.match(item):
            if int(item) == number:
                return True
        elif fnmatchcase(run, item):
            return True
    return False


def matches_where(where: Mapping[str, Any], row: Mapping[str, str]) -> bool:
    """Whether a row of the run table has all the values of `where` (numbers compared as numbers).

    Raises KeyError with the name of a column that the table does not have.
    """
    cells = {column: row[column] for column in where}
    return all(_equal(value, cells[column]) for column, value in where.items())


def _equal(wanted: Any, cell: str) -> bool:
    if isinstance(wanted, bool):
        # YAML reads yes, no, on and off as truth values; the table holds the word.
        return cell.lower() in (("true", "yes", "on") if wanted else ("false", "no", "off"))
    if isinstance(wanted, int | float):
        try:
            return float(cell) == wanted
        except ValueError:
            return False
    return cell == wanted
