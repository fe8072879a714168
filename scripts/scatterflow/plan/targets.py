"""Files that a planned reduction delivers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scatterflow.config.calibrant_names import find_calibrant
from scatterflow.plan.build import Plan, PlannedReduction
from scatterflow.plan.companions import applied_corrections
from scatterflow.plan.exports import export_files
from scatterflow.plan.planned import Planned
from scatterflow.plan.refinement import refined_geometries
from scatterflow.plan.shots import PlannedShots
from scatterflow.plan.xpcs import PlannedXpcs


def delivered_files(planned: Planned) -> list[str]:
    """Everything that one reduction of one run delivers, whatever its technique."""
    if isinstance(planned, PlannedXpcs):
        return [*xpcs_files(planned), record_path(planned)]
    if isinstance(planned, PlannedShots):
        return [*shots_files(planned), record_path(planned)]
    assert isinstance(planned, PlannedReduction)
    return [*result_files(planned), record_path(planned)]


def result_path(planned: Planned) -> str:
    """The result file of one reduction of one run."""
    return f"results/{planned.row.run}/{planned.name}/result.nxs"


def quality_path(planned: Planned) -> str:
    """The verdict on a result."""
    return f"results/{planned.row.run}/{planned.name}/quality.json"


def record_path(planned: Planned) -> str:
    """The record of a result."""
    return f"results/{planned.row.run}/{planned.name}/record.json"


def delivered(plan: Plan) -> dict[tuple[str, str], Planned]:
    """All reductions of all techniques that have a result, by run and name, in the order of the run table."""
    found: list[Planned] = [item for item in plan.reductions.values() if item.delivers]
    found += [*plan.xpcs.values(), *plan.shots.values()]
    return {
        (item.row.run, item.name): item
        for item in sorted(found, key=lambda item: plan.order[item.row.run])
    }


def calibrant_of(planned: PlannedReduction) -> str | None:
    """pyFAI's name of the calibrant that a run's sample is, or None."""
    return planned.reduction.calibrant.calibrant or find_calibrant(planned.row.sample)


def result_files(planned: PlannedReduction) -> list[str]:
    """Result file, plots, checks and exports of one reduction of one run."""
    if not planned.delivers:
        return []
    folder = f"results/{planned.row.run}/{planned.name}"
    plots = [f"{detector}_frames" for detector in planned.detectors]
    if planned.source.scalars:
        plots.append("monitors")
    applied = applied_corrections(planned)["settings"]
    if applied["flux"] is not None:
        plots.append("transmission")
    checks = []
    checked = _checked_integration(planned)
    only = planned.reduction.calibrant.detectors
    for task in planned.shown:
        if task.kind == "cake":
            plots.append(f"{task.name}_map")
            continue
        plots += [f"{task.name}_profiles", f"{task.name}_mean"]
        if any(settings is not None for settings in applied.values()):
            plots.append(f"{task.name}_corrections")
        if task.integration == checked and set(task.detectors) <= set(only or planned.detectors):
            checks.append(f"{folder}/{task.name}_rings.tsv")
            plots.append(f"{task.name}_rings")
    analysis = []
    if planned.analysis:
        analysis.append(f"{folder}/analysis.nxs")
        plots += [f"{fit['name']}_fit" for fit in planned.analysis.fits]
        plots += [f"{task}_views" for task in planned.analysis.viewed_tasks()]
        if planned.analysis.figures:
            plots.append("figures")
    plots += [f"{detector}_geometry" for detector in refined_geometries(planned)]
    images = [f"{folder}/plots/{name}.png" for name in plots]
    refined = refined_geometries(planned).values()
    made = [*analysis, *images, *checks, *refined]
    return [result_path(planned), *made, quality_path(planned), *export_files(planned)]


def xpcs_files(planned: PlannedXpcs) -> list[str]:
    """Result files, plots and fits of one xpcs reduction of one run."""
    folder = f"results/{planned.row.run}/{planned.name}"
    reduction = planned.reduction
    files = [result_path(planned), f"{folder}/{planned.row.run}_results.hdf"]
    plots = ["qmap", "scattering", "stability", "g2"]
    if 0 < reduction.multitau.partial <= planned.range.frames:
        plots.append("partial_g2")
    if reduction.twotime is not None:
        plots.append("twotime")
    if reduction.speckle_statistics is not None:
        plots.append("speckle_statistics")
    if reduction.fits or reduction.speckle_statistics is not None:
        files.append(f"{folder}/analysis.nxs")
    plots += [f"g2_{name}" for name in reduction.fits]
    plots += [f"parameters_{name}" for name in reduction.fits]
    files.append(quality_path(planned))
    return files + [f"{folder}/plots/{name}.png" for name in plots]


def shots_files(planned: PlannedShots) -> list[str]:
    """Small data, result, plots, and what is registered, of one shots reduction of one run."""
    folder = f"results/{planned.row.run}/{planned.name}"
    files = [
        result_path(planned),
        f"{folder}/{planned.row.run}.h5",
        f"{folder}/plots/summary.tsv",
    ]
    registered = [
        f"resources/darks/{planned.darks[detector]}.registered.json"
        for detector, settings in planned.reduction.detectors.items()
        if settings.dark is not None and settings.dark.register_as is not None
    ]
    files += [f"{folder}/cube_{name}.nxs" for name in planned.reduction.cubes]
    if planned.reduction.calculations:
        files.append(f"{folder}/analysis.nxs")
    files.append(quality_path(planned))
    return [*files, *(f"{folder}/plots/{name}.png" for name in shots_plots(planned)), *registered]


SHOT_PLOTS = ("summary", "shot_monitors", "shot_correlations", "scan_steps", "damage", "on_off")
FUNCTION_PLOTS = {
    "spectrum": ("single_photon_spectrum",),
    "droplets": ("single_photon_spectrum", "photon_histograms"),
    "photon_map": ("photon_histograms",),
    "autocorrelation": ("speckle_size",),
    "azimuthal": ("azimuthal",),
}
"""Plots of a detector that functions of a kind ask for."""


def shots_plots(planned: PlannedShots) -> list[str]:
    """Names of the figures of one shots reduction of one run."""
    plots = list(SHOT_PLOTS)
    if planned.reduction.filters:
        plots.append("filters")
    for detector, settings in planned.reduction.detectors.items():
        own = ["dark"] if settings.dark is not None else []
        own += ["mean_images"] if settings.sums else []
        for kind in kinds_of_functions(settings.functions):
            own += FUNCTION_PLOTS.get(kind, ())
        plots += [f"{detector}_{name}" for name in dict.fromkeys(own)]
    return plots + [f"cube_{name}" for name in planned.reduction.cubes]


def kinds_of_functions(functions: Mapping[str, Any]) -> list[str]:
    """Kinds of functions, of those inside of others as well."""
    found = []
    for settings in functions.values():
        found += [settings.kind, *kinds_of_functions(settings.functions)]
    return found


def _checked_integration(planned: PlannedReduction) -> str | None:
    """The azimuthal integration whose rings are checked, None if the sample is no calibrant."""
    if not calibrant_of(planned):
        return None
    azimuthal = (task.integration for task in planned.shown if task.kind == "azimuthal")
    return planned.reduction.calibrant.integration or next(azimuthal, None)


def chunk_name(start: int, stop: int) -> str:
    """Name of a chunk, `000000-000064`: frames start to stop - 1."""
    return f"{start:06d}-{stop:06d}"
