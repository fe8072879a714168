"""Files that a planned reduction delivers."""

from __future__ import annotations

from scatterflow.config.calibrant_names import find_calibrant
from scatterflow.plan.build import PlannedReduction
from scatterflow.plan.refinement import refined_geometries


def result_path(planned: PlannedReduction) -> str:
    """The result file of one reduction of one run."""
    return f"results/{planned.row.run}/{planned.name}/result.nxs"


def calibrant_of(planned: PlannedReduction) -> str | None:
    """pyFAI's name of the calibrant that a run's sample is, or None."""
    return planned.reduction.calibrant.calibrant or find_calibrant(planned.row.sample)


def result_files(planned: PlannedReduction) -> list[str]:
    """Result file, plots and checks of one reduction of one run."""
    folder = f"results/{planned.row.run}/{planned.name}"
    plots = [f"{detector}_frames" for detector in planned.detectors]
    if planned.configuration.sources[planned.row.source].scalars:
        plots.append("monitors")
    checks = []
    checked = _checked_integration(planned)
    only = planned.reduction.calibrant.detectors
    for task in planned.tasks:
        if task.kind == "cake":
            plots.append(f"{task.name}_map")
            continue
        plots += [f"{task.name}_profiles", f"{task.name}_mean"]
        if task.integration == checked and task.detector in (only or planned.detectors):
            checks.append(f"{folder}/{task.name}_rings.tsv")
    figures = (f"{folder}/plots/{name}.png" for name in plots)
    return [result_path(planned), *figures, *checks, *refined_geometries(planned).values()]


def _checked_integration(planned: PlannedReduction) -> str | None:
    """The azimuthal integration whose rings are checked, None if the sample is no calibrant."""
    if not calibrant_of(planned):
        return None
    azimuthal = (task.integration for task in planned.tasks if task.kind == "azimuthal")
    return planned.reduction.calibrant.integration or next(azimuthal, None)


def chunk_name(start: int, stop: int) -> str:
    """Name of a chunk, `000000-000064`: frames start to stop - 1."""
    return f"{start:06d}-{stop:06d}"
