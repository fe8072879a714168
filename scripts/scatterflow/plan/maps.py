"""Maps of the plan: of the frames of one run, or of several runs together.

`results/R/X/map.nxs` is the map of run R by reduction X, `results/maps/NAME/map.nxs` that of several
runs; in wildcards a map of several runs has the run `maps` and the reduction NAME.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scatterflow.config.maps import JointMap, MapSettings
from scatterflow.config.selectors import parse_selector, selects
from scatterflow.errors import UserError, suggestion
from scatterflow.plan.companions import applied_corrections
from scatterflow.plan.scan_shape import check_shape

if TYPE_CHECKING:
    from scatterflow.config.model import Configuration
    from scatterflow.plan.build import IntegrationTask, PlannedReduction

JOINT = "maps"
"""Stands where the run stands in paths of maps of several runs."""
TOTAL = "total_signal"


@dataclass(frozen=True)
class PlannedMap:
    """One map: `folder` in results/, its settings, the reductions of runs that it is made of."""

    run: str
    name: str
    settings: MapSettings
    members: tuple[PlannedReduction, ...]

    @property
    def folder(self) -> str:
        """Where the map and its figures are."""
        return f"results/{self.run}/{self.name}"

    @property
    def title(self) -> str:
        """How people are told which map it is."""
        return self.name if self.run == JOINT else f"{self.run}/{self.name}"

    @property
    def needs_analysis(self) -> bool:
        """Whether a quantity comes from fits or figures of merit."""
        return any(
            not set(self.settings.quantities) <= result_quantities(member)
            for member in self.members
        )

    @property
    def tasks(self) -> list[str]:
        """Names of the integrations of detectors whose profiles are mapped."""
        wanted = self.settings.profiles
        return [task.name for task in self.members[0].shown if task.integration in wanted]

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings as `scatterflow.saxswaxs.grid.find_grid` takes them."""
        settings = self.settings.model_dump(
            include={"shape", "snake", "unfinished", "quantities", "duplicates", "unplaced"}
        )
        axes = [
            {"scalar": axis.scalar, "tolerance": axis.tolerance, "grid": axis.grid}
            for axis in self.settings.axes
        ]
        return {**settings, "axes": axes}

    @property
    def notes(self) -> list[str]:
        """What looks odd but may be meant."""
        own_scale = any(
            isinstance(block, dict) and block.get("reference") == "mean"
            for member in self.members
            # On the absolute scale the reference cancels.
            if not _corrections(member)["absolute"]
            for block in _corrections(member).values()
        )
        if len(self.members) == 1 or not own_scale:
            return []
        return [
            f"map {self.title}: each run is normalised to the mean reading of its own monitor; "
            "give the correction's `reference` as a number to compare intensities of several runs"
        ]

    @property
    def files(self) -> list[str]:
        """The map and its figures."""
        plots = [f"{self.folder}/plots/map.png"] if self.settings.quantities else []
        plots += [f"{self.folder}/plots/map/{name}.png" for name in self.settings.quantities]
        return [f"{self.folder}/map.nxs", *plots]


def plan_maps(
    configuration: Configuration, reductions: Mapping[tuple[str, str], PlannedReduction]
) -> dict[tuple[str, str], PlannedMap]:
    """All maps by (run, reduction), those of several runs by (`maps`, name).

    Raises UserError for axes, quantities and profiles that there are not, and for runs without the
    reduction.
    """
    maps = {}
    for (run, name), planned in reductions.items():
        if planned.reduction.map is not None:
            maps[run, name] = PlannedMap(run, name, planned.reduction.map, (planned,))
            _check(maps[run, name], f"key reductions.{name}.map")
    for name, joint in configuration.maps.items():
        members = _members(configuration, reductions, name, joint)
        maps[JOINT, name] = PlannedMap(JOINT, name, joint, members)
        _check(maps[JOINT, name], f"key maps.{name}")
    return maps


def _members(
    configuration: Configuration,
    reductions: Mapping[tuple[str, str], PlannedReduction],
    name: str,
    joint: JointMap,
) -> tuple[PlannedReduction, ...]:
    """The reductions of the runs that are selected, in the order of the run table."""
    where = f"key maps.{name}"
    if joint.reduction not in configuration.reductions:
        raise UserError(
            f"reduction {joint.reduction!r} is not configured",
            f"{where}.reduction",
            suggestion(joint.reduction, configuration.reductions),
        )
    wanted = parse_selector(joint.runs)
    runs = [run for run in dict.fromkeys(run for run, _ in reductions) if selects(wanted, run)]
    for item in wanted:
        if not any(selects([item], run) for run in runs):
            shown = item if isinstance(item, str) else f"{item[0]}-{item[1]}"
            raise UserError(
                f"no run is selected by {shown!r}",
                f"{where}.runs",
                suggestion(str(shown), dict.fromkeys(run for run, _ in reductions)),
            )
    without = [run for run in runs if (run, joint.reduction) not in reductions]
    if without:
        raise UserError(
            f"run {without[0]!r} of the map has no reduction {joint.reduction!r}",
            f"{where}, run table {configuration.runs}",
            f"add {joint.reduction!r} to its column reduction, or take the run out of `runs`",
        )
    return tuple(reductions[run, joint.reduction] for run in runs)


def _check(planned: PlannedMap, where: str) -> None:
    settings = planned.settings
    for member in planned.members:
        place = f"{where}, run {member.row.run}"
        scalars = set(member.source.scalars) | {"frame_number"}
        for axis in settings.axes:
            if axis.scalar not in scalars:
                raise UserError(
                    f"axis {axis.scalar!r} is no scalar of source {member.row.source!r}",
                    place,
                    suggestion(axis.scalar, scalars),
                )
        _check_quantities(planned, member, place)
        _check_profiles(planned, member, place)
    frames = sum(member.row.frames for member in planned.members)
    if settings.shape is not None:
        check_shape(settings.shape, frames, settings.unfinished, where)


def result_quantities(member: PlannedReduction) -> set[str]:
    """Quantities that a result file holds by itself."""
    scalars = member.source.scalars
    applied = applied_corrections(member)["settings"]
    corrected = {"transmission"} if applied["absorption"] else set()
    totals = {f"{task.name}_{TOTAL}" for task in member.shown}
    return {*scalars, *totals, *corrected, TOTAL, "frame_number"}


def _corrections(member: PlannedReduction) -> dict[str, Any]:
    return member.reduction.corrections.model_dump()


def analysis_quantities(member: PlannedReduction) -> set[str]:
    """Numbers per frame that the fits and figures of merit of this run deliver."""
    made = {item["name"] for item in (*member.analysis.fits, *member.analysis.figures)}
    parts = {**member.reduction.fits, **member.reduction.figures}
    return {value for name in made for value in parts[name].value_names(name)}


def _check_quantities(planned: PlannedMap, member: PlannedReduction, place: str) -> None:
    known = result_quantities(member) | analysis_quantities(member)
    tasks = {task.name for task in member.shown}
    for name in planned.settings.quantities:
        if name not in known:
            raise UserError(f"no quantity {name!r} to map", place, suggestion(name, known))
        if name in tasks:
            raise UserError(
                f"the quantity {name!r} has the name of an integration of a detector",
                place,
                "rename the scalar",
            )


def _check_profiles(planned: PlannedMap, member: PlannedReduction, place: str) -> None:
    integrations = member.reduction.integrations
    for name in planned.settings.profiles:
        if name not in integrations:
            raise UserError(
                f"profiles: {name!r} is no integration of reduction {member.name!r}",
                place,
                suggestion(name, integrations),
            )
    if _bins(planned, member) != _bins(planned, planned.members[0]):
        raise UserError(
            f"the integrations have other detectors or bins than in run "
            f"{planned.members[0].row.run}",
            place,
            "give all runs of a map the same integrations",
        )


def _bins(planned: PlannedMap, member: PlannedReduction) -> list[tuple[str, str, tuple[int, ...]]]:
    """Detectors, kinds and bins of the integrations whose profiles are mapped."""
    tasks: list[IntegrationTask] = member.shown
    return [
        (task.name, task.kind, task.bins)
        for task in tasks
        if task.integration in planned.settings.profiles
    ]
