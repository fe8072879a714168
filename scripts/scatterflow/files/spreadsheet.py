"""Cells of tables that spreadsheets open: text from raw files and run tables, and nothing that runs.

A cell that begins with = + - @ is a formula for a spreadsheet, and may start programs; behind an apostrophe
it is text (OWASP, "CSV injection").
"""

from __future__ import annotations

from typing import Any

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if value is None or isinstance(value, int | float):
        return value
    text = printable(value)
    return f"'{text}" if is_formula(text) else text


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a text for a formula."""
    # Blanks in front do not stop a formula everywhere.
    return text.lstrip().startswith(_FORMULA)


def printable(value: Any) -> str:
    """A value as text, with blanks for control characters: terminals obey them."""
    return "".join(c if c.isprintable() else " " for c in str(value))
