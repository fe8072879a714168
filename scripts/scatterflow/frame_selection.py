"""Numbers of frames or scans as text, in ranges: `0-9,15`; of frames also `all`, counted from 0."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ITEM = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?\Z")


def check_frames(text: str) -> str:
    """The selection, if it is one; raises ValueError."""
    selected_frames(text)
    return text


def selected_frames(text: str) -> list[tuple[int, int]] | None:
    """(first, last) of each item, None for `all`; raises ValueError."""
    if text == "all":
        return None
    items = []
    for item in text.split(","):
        match = _ITEM.match(item.strip())
        if match is None:
            raise ValueError(f"{item!r} is no frame number or range: write `all` or `0-9,15`")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"the range {item!r} descends")
        items.append((first, last))
    return items


def ranges_text(numbers: Iterable[int]) -> str:
    """Whole numbers as text: 1, 2, 3, 7 are `1-3,7`; empty for none."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ",".join("-".join(map(str, part)) for part in parts)
