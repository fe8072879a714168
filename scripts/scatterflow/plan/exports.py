"""Files that a planned reduction exports for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scatterflow.errors import UserError
from scatterflow.units import Q_UNITS

if TYPE_CHECKING:
    from scatterflow.plan.build import IntegrationTask, PlannedReduction

# A file, or a group of some objects, for each frame: beyond this they are a burden on any file system.
MOST_EXPORTED_FRAMES = 10_000


def export_files(planned: PlannedReduction) -> list[str]:
    """Everything that is exported of one reduction of one run."""
    exports = planned.reduction.exports
    folder = f"results/{planned.row.run}/{planned.name}/export"
    files = []
    for task in planned.shown:
        if "nxcansas" in exports.curves and _is_against_q(planned, task):
            files.append(f"{folder}/{task.name}.h5")
        if "text" in exports.curves and task.kind != "cake":
            files.append(f"{folder}/{task.name}.dat")
            if exports.frames == "all":
                files.append(f"{folder}/{task.name}_frames")
    if exports.scalars == "csv":
        files.append(f"{folder}/scalars.csv")
    return files


def check_exports(planned: PlannedReduction) -> None:
    """Raise UserError for more frames than can be exported one by one."""
    if planned.reduction.exports.frames == "all" and planned.row.frames > MOST_EXPORTED_FRAMES:
        raise UserError(
            f"{planned.row.frames} frames are too many to be exported one by one",
            f"key reductions.{planned.name}.exports.frames, run {planned.row.run}",
            f"export the mean (all: at most {MOST_EXPORTED_FRAMES} frames); result.nxs holds all frames",
        )


def _is_against_q(planned: PlannedReduction, task: IntegrationTask) -> bool:
    settings = planned.reduction.integrations[task.integration]
    return task.kind == "azimuthal" and settings.unit in Q_UNITS
