"""Scalar metadata of raw files, flat: {"a.b.c": {"value", "unit"}}, with limits of number, depth and size.

Raw files may say anything, and as much of it as they like; a record stays small. What is left out or
shortened is noted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

MOST_ENTRIES = 2000
DEEPEST = 8
LONGEST_NAME = 300
LONGEST_TEXT = 1000
SHOWN = 5

Entry = dict[str, Any]


def flat_metadata(
    metadata: Mapping[str, Any], units: Mapping[str, str], notes: list[str]
) -> dict[str, Entry]:
    """All single values (numbers, texts, truth values, null) by dotted name; lists are no single values.

    units: unit by the name in `metadata`, of the values of the highest level. notes: what was left out,
    shortened or not finite (then the value is None) is added.
    """
    found: dict[str, Entry] = {}
    faults: dict[str, list[str]] = {}
    for name, value, unit in _single_values(metadata, units, faults):
        if len(found) >= MOST_ENTRIES:
            faults.setdefault(f"beyond the first {MOST_ENTRIES}, left out", []).append(name)
            continue
        if name in found:
            faults.setdefault("of a name that stands twice, left out", []).append(name)
            continue
        found[name] = {"value": _bearable(name, value, faults), "unit": unit}
    notes += [f"metadata {fault}: {_some(names)}" for fault, names in faults.items()]
    return found


def printable(text: str) -> str:
    """The text without control characters (and halves of characters) but line ends and tabs."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def _single_values(
    metadata: Mapping[str, Any], units: Mapping[str, str], faults: dict[str, list[str]]
) -> Iterator[tuple[str, Any, str | None]]:
    """Name, value and unit, in the order of the metadata; paths of HDF5 become dotted names."""
    waiting: list[tuple[str, Any, str | None, int]] = [
        (str(key), value, units.get(str(key)) or None, 1) for key, value in metadata.items()
    ][::-1]
    while waiting:
        name, value, unit, depth = waiting.pop()
        shown = printable(name.strip("/").replace("/", "."))[:LONGEST_NAME]
        if isinstance(value, Mapping):
            if depth >= DEEPEST:
                faults.setdefault(f"deeper than {DEEPEST} levels, left out", []).append(shown)
                continue
            inner = [(f"{name}.{key}", item, None, depth + 1) for key, item in value.items()]
            waiting += inner[::-1]
        elif value is None or isinstance(value, bool | int | float | str):
            yield shown, value, printable(unit)[:100] if unit else None


def _bearable(name: str, value: Any, faults: dict[str, list[str]]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        faults.setdefault("not finite, unknown here", []).append(name)
        return None
    if isinstance(value, int) and abs(value) >= 2**63:
        faults.setdefault("too large for a number, kept as text", []).append(name)
        value = hex(value)
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            faults.setdefault("shortened", []).append(name)
            value = value[: LONGEST_TEXT - 3] + "..."
        return printable(value)
    return value


def _some(names: list[str]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
