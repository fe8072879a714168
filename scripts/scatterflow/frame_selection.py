"""Selections of frames as text: `all`, or numbers and ranges, counted from 0: `0-9,15`."""

from __future__ import annotations

import re

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
