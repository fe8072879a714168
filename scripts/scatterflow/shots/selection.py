"""Which shots of a run count for what, from scalars that are known before any frame is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.names import identifier
from scatterflow.shots.filters import apply_filters, variables_of
from scatterflow.shots.table import ShotTable
from scatterflow.shots.variables import GROUP, computed

Scalars = dict[str, np.ndarray]


def scalars_of(table: ShotTable, variables: Mapping[str, Any], where: str) -> Scalars:
    """Columns of a table by path, and the variables that can be computed from them, by name and path."""
    found = {name: values for name, values in table.columns.items() if values.ndim == 1}
    for name, (values, _) in computed(variables, found, f"{where}, variables").items():
        found[name] = found[f"{GROUP}/{name}"] = values
    return found


def passed_by_statistic(
    detectors: Mapping[str, Mapping[str, Any]],
    filters: Mapping[str, Any],
    scalars: Mapping[str, np.ndarray],
    shots: int,
    where: str,
) -> dict[str, dict[str, np.ndarray]]:
    """{detector: {statistic: (shots,) bool}} of the statistics that have filters.

    Raises UserError: a filter that needs a result of a function, one that no shot passes.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for detector, settings in detectors.items():
        for name, statistic in settings["statistics"].items():
            if not statistic.get("filters"):
                continue
            place = f"{where}, detectors.{detector}.statistics.{name}"
            chosen = {title: filters[title] for title in statistic["filters"]}
            for title, one in chosen.items():
                _refuse_results(one, detectors, scalars, f"{place}, filters.{title}")
            judged = apply_filters(chosen, scalars, shots, f"{place}, filters")
            judged.require_some(place)
            found.setdefault(detector, {})[name] = judged.passed
    return found


def _refuse_results(
    settings: Mapping[str, Any],
    detectors: Mapping[str, Any],
    scalars: Mapping[str, np.ndarray],
    where: str,
) -> None:
    """Refuse a filter that needs what only the reduction of the frames tells."""
    known = {identifier(name) for name in scalars}
    starts = tuple(f"{identifier(name)}_" for name in detectors)
    for name in sorted(variables_of(settings)):
        if identifier(name) not in known and identifier(name).startswith(starts):
            raise UserError(
                f"{name!r} is known only after the frames were summed",
                where,
                "statistics take filters of scalars; those of results are for cubes and calculations",
            )
