"""Plain dictionaries of settings: what is unknown, missing or not above 0 is told as the user's mistake."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scatterflow.errors import UserError, suggestion


def refuse_unknown(given: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    """Raises UserError for a name that is not known."""
    for name in given:
        if name not in known:
            raise UserError(f"there is no {name!r}", place, suggestion(str(name), known))


def needed(settings: Mapping[str, Any], name: str, place: str) -> Any:
    """The value of a setting. Raises UserError where there is none."""
    if settings.get(name) is None:
        raise UserError(f"{name} is missing", place, f"give {name}")
    return settings[name]


def above_zero(settings: Mapping[str, Any], name: str, place: str) -> float:
    """A number above 0. Raises UserError for anything else."""
    value = float(needed(settings, name, place))
    if not (value > 0 and math.isfinite(value)):
        raise UserError(f"{name} is {value}", f"{place}: {name}", "give a number above 0")
    return value
