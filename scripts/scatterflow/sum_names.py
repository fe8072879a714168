"""Names of sums over a detector's shots, each a recipe, as in `Sums/` of SLAC's small data files.

Words joined by `_`, the first is `calib`: calibrated frames, summed. In this order

    dropped       only shots without X-rays
    thresADU<n>   values below n count as 0, n in the unit of the frames: thresADU1, thresADU2.5
    nhits         values above 0 count as 1, all others as 0
    square        squares
    max           the largest value instead of the sum

so calib, calib_dropped, calib_dropped_square, calib_thresADU1, calib_max. The words may stand in any order,
the steps are these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from scatterflow.errors import UserError, suggestion

WORDS = ("dropped", "thresADU", "nhits", "square", "max")
_THRESHOLD = re.compile(r"thresADU(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Recipe:
    """What a sum's name asks for; threshold None: none."""

    dropped: bool
    threshold: float | None
    hits: bool
    square: bool
    largest: bool


def recipe(name: str) -> Recipe:
    """Recipe of a name. Raises UserError for words that are not known."""
    first, *words = name.split("_")
    place = f"sums: {name}"
    if first != "calib":
        raise UserError(
            f"a sum called {name!r}",
            place,
            "names begin with calib; images of assembled tiles are drawn from the sums of the tiles",
        )
    found = [_THRESHOLD.fullmatch(word) for word in words]
    threshold = [float(match[1]) for match in found if match]
    for word, match in zip(words, found, strict=True):
        if match is None and (word not in WORDS or word == "thresADU"):
            raise UserError(
                f"a sum called {name!r}",
                place,
                suggestion(word, WORDS) + "; of thresADU the number follows: thresADU1",
            )
    if len(threshold) > 1:
        raise UserError(f"two thresholds in {name!r}", place, "give one")
    return Recipe(
        "dropped" in words,
        threshold[0] if threshold else None,
        "nhits" in words,
        "square" in words,
        "max" in words,
    )
