"""The map that CHAP's `independent_dimensions` span, as `maps:` of the configuration.

Grid values are found from the readings: CHAP names none, and uses neither `start`, `end` nor `step`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scatterflow.config.maps import RESERVED_AXES
from scatterflow.convert.chap_corrections import Chain
from scatterflow.convert.notes import Notes
from scatterflow.plan.discovery import valid_name


def convert_maps(
    title: str, chains: Sequence[Chain], axes: Sequence[str], runs: Sequence[str], notes: Notes
) -> dict[str, dict[str, Any]]:
    """One map over all runs for each reduction; none without runs or dimensions.

    axes: scalars that span the map; runs: of the sample, not of its background.
    """
    usable = [axis for axis in axes if axis not in RESERVED_AXES]
    for axis in sorted(set(axes) - set(usable)):
        notes.lose(
            "map independent_dimensions", f"{axis!r} has a meaning in map files: no axis of one"
        )
    if not usable or not runs:
        return {}
    notes.change(
        "map independent_dimensions",
        "frames are placed on the grid of their readings; the first dimension is taken for the slowest",
    )
    maps = {}
    for chain in chains:
        name = valid_name(title) if len(chains) == 1 else valid_name(f"{title[:40]}_{chain.name}")
        maps[name] = {
            "runs": ",".join(runs),
            "reduction": chain.name,
            "axes": [{"scalar": axis} for axis in usable],
            "quantities": ["total_signal"],
            "profiles": list(chain.integrations),
        }
    return maps
