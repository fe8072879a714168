"""Geometries that the plan refines from calibrant runs: always new files, never the configured ones."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

from scatterflow.config.calibrant_names import find_calibrant
from scatterflow.errors import UserError

if TYPE_CHECKING:
    from scatterflow.plan.build import PlannedReduction


def refined_geometries(planned: PlannedReduction) -> dict[str, str]:
    """PONI file by detector, none unless the run is one of a calibrant and parameters are to be refined."""
    check = planned.reduction.calibrant
    if not check.refine or not (check.calibrant or find_calibrant(planned.row.sample)):
        return {}
    folder = f"results/{planned.row.run}/{planned.name}/geometry"
    wanted = check.detectors or planned.detectors
    return {name: f"{folder}/{name}.poni" for name in planned.detectors if name in wanted}


def check_refinement(planned: PlannedReduction) -> None:
    """Raise UserError where a geometry would be refined from a result that was made with itself."""
    for name, path in refined_geometries(planned).items():
        configured = planned.configuration.detectors[name].geometry
        if isinstance(configured, str) and os.path.normpath(configured) == path:
            raise UserError(
                f"the geometry {configured} is what run {planned.row.run} refines",
                f"key detectors.{name}.geometry",
                "copy the file, for example to config/geometry/, and name the copy",
            )
