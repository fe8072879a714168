"""A run against the earlier runs of the same sample.

History is what stands before a run in the run table, the same sample and reduction, at most `LONGEST` runs:
so a run that is added later changes no verdict. With fewer than `FEWEST` one cannot tell which is the odd
one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scatterflow.quality.checks import Finding, unknown, within

FEWEST = 3
LONGEST = 10


def too_short(number: int) -> Finding | None:
    """The finding where history is too short."""
    if number >= FEWEST:
        return None
    return unknown(
        f"{number} earlier run{'s' * (number != 1)} of the sample; {FEWEST} are needed to compare with."
    )


def against_history(
    what: str, own: float, others: Sequence[float], limit: Sequence[float]
) -> Finding:
    """The ratio of a number to the median of its history."""
    known = [value for value in others if np.isfinite(value) and value > 0]
    if (short := too_short(len(known))) is not None:
        return short
    if not np.isfinite(own):
        return unknown(f"The run has no {what}.")
    usual = float(np.median(known))
    ratio = own / usual
    return within(
        ratio,
        limit,
        f"The {what} is {ratio:.2f} times the median of {len(known)} earlier runs of the sample.",
        own=own,
        usual=usual,
        runs=len(known),
    )
