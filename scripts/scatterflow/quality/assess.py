"""The verdict on a result: `quality.json`. Each technique has a module of checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scatterflow.quality import saxswaxs, shots, xpcs
from scatterflow.quality.checks import document, judged


def assess_result(
    result: str | Path,
    analysis: str | Path | None,
    settings: Mapping[str, Any],
    *,
    run: str,
    reduction: str,
    small_data: str | Path | None = None,
    rings: Sequence[str | Path] = (),
    history: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """The quality of a result, as `quality.json` holds it.

    settings: `technique`, `checks` (the configuration's of the technique, by name) and `stops_publication`.
    small_data: of technique `shots`. rings: verdicts of the calibrant checks. history: results of earlier
    runs of the sample, in order.
    Raises UserError for a file that cannot be read.
    """
    technique, checks = settings["technique"], settings["checks"]
    if technique == "saxswaxs":
        found = saxswaxs.measures(result, analysis, rings, history)
    elif technique == "shots":
        assert small_data is not None
        found = shots.measures(result, small_data, history)
    else:
        found = xpcs.measures(result, analysis, checks["photon_starvation"]["limit"], history)
    return document(run, reduction, technique, judged(checks, found), settings["stops_publication"])
