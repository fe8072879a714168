"""The plan: every run, reduction, chunk and shared product, from configuration and run table alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from scatterflow.config.base import MERGED
from scatterflow.config.load import RunConfigurations
from scatterflow.config.model import Configuration
from scatterflow.config.runs import RunRow, check_references, read_run_table
from scatterflow.errors import UserError, suggestion
from scatterflow.files.checksums import value_digest
from scatterflow.plan.absolute import check_absolute
from scatterflow.plan.analysis import PlannedAnalysis, plan_analysis
from scatterflow.plan.checks import (
    check_chunks,
    check_exposures,
    check_names,
    check_source,
    check_task_names,
    nearly_calibrants,
)
from scatterflow.plan.chunks import (
    FrameLoad,
    chunk_ranges,
    frames_per_chunk,
    memory_estimate_mb,
    stored_frames,
)
from scatterflow.plan.companions import add_companions
from scatterflow.plan.exports import check_exports
from scatterflow.plan.maps import PlannedMap, plan_maps
from scatterflow.plan.merged import check_merged, merged_geometries, shown_tasks
from scatterflow.plan.pins import plan_pins
from scatterflow.plan.planned import Planned
from scatterflow.plan.refinement import check_refinement
from scatterflow.plan.shots import PlannedShots, plan_shots
from scatterflow.plan.xpcs import PlannedXpcs, plan_xpcs

# Until a frame has been seen its stored type is unknown; area detectors write 32-bit integers.
ASSUMED_BYTES_PER_PIXEL = 4
# signal, variance, lost normalisation: float64 each.
BYTES_PER_BIN = 24
# About two matrix entries a pixel (uint16, float32) and half a group (int32, int64), a float64 weight.
WEIGHTS_BYTES_PER_PIXEL = 28
# Sums over frames of a job (two float64, a count, and as much while they are merged), and of each thread.
SUM_BYTES_PER_PIXEL = 36
THREAD_BYTES_PER_PIXEL = 21
# Accumulators of each thread: four float64 for each of 16 frames.
THREAD_BYTES_PER_BIN = 512
# Where outliers are left out: the matrix and its weights in the order of the bins, and what each thread
# notes of a pixel.
OUTLIER_BYTES_PER_PIXEL = 40
OUTLIER_THREAD_BYTES_PER_PIXEL = 16
# Keys of shared products are names as well: two names, a digest of 12 and two dashes are within 64.
KEY_NAME_LENGTH = 25


@dataclass(frozen=True)
class IntegrationTask:
    """One integration of one detector: an array group of the container, a subentry of the result.

    weights: key of the prepared weights that it uses. merged: the detectors that a result shows as one.
    """

    detector: str
    integration: str
    kind: str
    bins: tuple[int, ...]
    weights: str
    merged: tuple[str, ...] = ()

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors that it shows."""
        return self.merged or (self.detector,)

    @property
    def name(self) -> str:
        """Name of the group in containers and results."""
        return f"{self.detector}_{self.integration}"


@dataclass(frozen=True)
class PlannedReduction(Planned):
    """One reduction of one run, with everything its rules need. delivers: False for a run that is only
    integrated, for others to be corrected with."""

    tasks: tuple[IntegrationTask, ...]
    masks: dict[str, str]
    chunk_frames: int
    load: FrameLoad
    analysis: PlannedAnalysis
    delivers: bool = True

    @cached_property
    def shown(self) -> list[IntegrationTask]:
        """The tasks as the result shows them: detectors that are merged as one."""
        return shown_tasks(self.tasks, self.reduction.integrations)

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """(start, stop) of every chunk."""
        return list(chunk_ranges(self.row.frames, self.chunk_frames))

    @property
    def memory_mb(self) -> int:
        """Memory of a chunk job, MB."""
        return memory_estimate_mb(self.load, self.chunk_frames)

    @property
    def assembly_minutes(self) -> int:
        """Time to allow for writing the result, minutes: twice the 0.3 us per bin and frame measured, and a
        start."""
        bins = self.load.result_bytes // BYTES_PER_BIN * self.row.frames
        return 30 + math.ceil(2 * 0.3e-6 * bins / 60)

    @property
    def analysis_minutes(self) -> int:
        """Time to allow for fits and figures of merit, minutes: four times the 2.5 ms per frame and part
        measured, and a start."""
        parts = len(self.analysis.fits) + len(self.analysis.figures)
        return 10 + math.ceil(4 * 2.5e-3 * parts * self.row.frames / 60)

    def stored_frames(self, task: IntegrationTask) -> int:
        """Frames per stored chunk of a task's arrays."""
        return stored_frames(
            self.chunk_frames, BYTES_PER_BIN // 3 * math.prod(task.bins), self.row.frames
        )

    def frame_settings(self, task: IntegrationTask) -> dict[str, Any]:
        """What is done with frames, besides the weights, and the detector that the result names it after."""
        integration = self.reduction.integrations[task.integration]
        shown_as = MERGED if integration.merge else task.detector
        return {**integration.model_dump(include={"error_model", "robust"}), "shown_as": shown_as}

    @property
    def parameters(self) -> dict[str, Any]:
        """What the result depends on: not how it is plotted or checked."""
        return self.reduction.model_dump(include={"technique", "integrations", "corrections"})

    @property
    def calibrations(self) -> dict[str, dict[str, Any]]:
        """Per detector how stored values become counts: valid range, dark image, dead time."""
        settings = self.configuration.detectors
        return {
            name: settings[name].model_dump(include={"valid", "dark", "dead_time"})
            for name in self.detectors
        }

    @property
    def needed_scalars(self) -> set[str]:
        """Scalars that a chunk job needs, for dead times."""
        times = (item["dead_time"] for item in self.calibrations.values())
        return {time["exposure"] for time in times if time and isinstance(time["exposure"], str)}


@dataclass
class Plan:
    """All reductions, and the products that they share, by key.

    masks, weights: parameters of each shared product; the key holds a digest of them.
    maps: by run and reduction, those of several runs by `maps` and their name.
    xpcs: reductions of technique `xpcs`, by run and reduction; qmaps: parameters of their q-maps.
    shots: those of technique `shots`; darks: parameters of what is made of their dark runs.
    pins: masks of the registry that are needed, by the file that says which version is used.
    notes: what looks odd but may be meant.
    once: what is worked out once for all runs that share it, by what it depends on.
    """

    configuration: Configuration
    rows: dict[str, RunRow]
    reductions: dict[tuple[str, str], PlannedReduction] = field(default_factory=dict)
    masks: dict[str, dict[str, Any]] = field(default_factory=dict)
    weights: dict[str, dict[str, Any]] = field(default_factory=dict)
    pins: dict[str, dict[str, Any]] = field(default_factory=dict)
    maps: dict[tuple[str, str], PlannedMap] = field(default_factory=dict)
    xpcs: dict[tuple[str, str], PlannedXpcs] = field(default_factory=dict)
    qmaps: dict[str, dict[str, Any]] = field(default_factory=dict)
    shots: dict[tuple[str, str], PlannedShots] = field(default_factory=dict)
    darks: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    once: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)

    @cached_property
    def order(self) -> dict[str, int]:
        """Place of each run in the run table, from 0."""
        return {run: place for place, run in enumerate(self.rows)}

    def find(self, run: str, reduction: str) -> PlannedReduction:
        """One planned reduction; raises UserError with the nearest name if there is none."""
        return self._find(self.reductions, run, reduction)

    def find_xpcs(self, run: str, reduction: str) -> PlannedXpcs:
        """One planned reduction of technique `xpcs`; raises UserError as `find`."""
        return self._find(self.xpcs, run, reduction)

    def find_shots(self, run: str, reduction: str) -> PlannedShots:
        """One planned reduction of technique `shots`; raises UserError as `find`."""
        return self._find(self.shots, run, reduction)

    def _find(self, planned: dict[tuple[str, str], Any], run: str, reduction: str) -> Any:
        try:
            return planned[run, reduction]
        except KeyError:
            runs = {name for name, _ in planned}
            if run not in runs:
                what, how = f"run {run!r} is not in the plan", suggestion(run, runs)
            else:
                names = {name for other, name in planned if other == run}
                what, how = (
                    f"run {run!r} has no reduction {reduction!r}",
                    suggestion(reduction, names),
                )
            raise UserError(what, f"run table {self.configuration.runs}", how) from None


def build_plan(data: dict[str, Any], origin: str = "config/config.yaml") -> Plan:
    """The plan for a configuration given as a dict; raises UserError for anything that is wrong."""
    configurations = RunConfigurations(data, origin)
    base = configurations.base
    rows = read_run_table(base.runs)
    plan = Plan(configuration=base, rows={row.run: row for row in rows})
    names = set(base.sources), set(base.reductions), set(plan.rows)
    for row in rows:
        check_references(row, *names, base.runs)
    for row in rows:
        configuration = configurations.for_run(row)
        for name in row.reductions:
            technique = configuration.reductions[name].technique
            check_source(configuration, row, name)
            if technique == "shots":
                planned = plan_shots(plan, row, name, configuration, configurations.for_run)
                plan.shots[row.run, name] = planned
            elif technique == "xpcs":
                plan.xpcs[row.run, name] = plan_xpcs(plan, row, name, configuration)
            else:
                plan.reductions[row.run, name] = _plan_reduction(plan, row, name, configuration)
    plan.maps = plan_maps(base, plan.reductions)
    plan.notes += [note for found in plan.maps.values() for note in found.notes]
    add_companions(plan, partial(_plan_companion, plan, configurations))
    check_absolute(plan)
    plan.notes += configurations.unused_overrides() + nearly_calibrants(rows)
    plan.once.clear()  # the id of a configuration that is gone may be that of another
    return plan


def _plan_companion(
    plan: Plan, configurations: RunConfigurations, row: RunRow, name: str
) -> PlannedReduction:
    """A run that is only integrated, for others to be corrected with."""
    configuration = configurations.for_run(row)
    check_source(configuration, row, name)
    return replace(_plan_reduction(plan, row, name, configuration), delivers=False)


def _plan_reduction(
    plan: Plan, row: RunRow, name: str, configuration: Configuration
) -> PlannedReduction:
    tasks = _plan_tasks(plan, row, name, configuration)
    reduction: Any = configuration.reductions[name]
    source: Any = configuration.sources[row.source]
    shown = shown_tasks(tasks, reduction.integrations)
    check_task_names([*tasks, *(task for task in shown if task.merged)], source.frames, row, name)
    check_names(reduction, source.scalars, row, name)
    detectors = tuple(
        detector for detector in source.frames if any(t.detector == detector for t in tasks)
    )
    load = _frame_load(configuration, reduction.integrations, detectors, tasks)
    planned = PlannedReduction(
        row=row,
        name=name,
        configuration=configuration,
        detectors=detectors,
        tasks=tasks,
        masks={detector: plan_mask(plan, configuration, detector) for detector in detectors},
        chunk_frames=frames_per_chunk(
            row.frames,
            load,
            fixed=configuration.chunks.frames,
            minutes=configuration.chunks.minutes,
            memory_mb=configuration.chunks.memory_mb,
            pixel_rate=configuration.chunks.pixel_rate,
        ),
        load=load,
        analysis=plan_analysis(
            reduction,
            shown,
            source.scalars,
            f"reductions.{name}",
            row.run,
        ),
    )
    plan.notes += planned.analysis.notes
    check_exposures(planned)
    check_chunks(planned)
    check_refinement(planned)
    check_exports(planned)
    return planned


def plan_mask(plan: Plan, configuration: Configuration, detector: str) -> str:
    """Key of a detector's composite mask, its parameters noted in the plan."""
    shared = ("mask", id(configuration), detector)
    if shared in plan.once:
        return plan.once[shared]
    used = ("shape", "geometry", "orientation", "masks", "most_masked", "dark", "flat")
    settings = configuration.detectors[detector].model_dump(include=set(used))
    settings["masks"] = plan_pins(plan.pins, settings["masks"], detector)
    parameters = {"detector": detector, **settings}
    key = f"{detector[:KEY_NAME_LENGTH]}-{value_digest(parameters)}"
    plan.masks[key] = parameters
    plan.once[shared] = key
    return key


def _plan_tasks(
    plan: Plan, row: RunRow, name: str, configuration: Configuration
) -> tuple[IntegrationTask, ...]:
    """The integrations of each detector, their weights noted in the plan."""
    shared = ("tasks", id(configuration), row.source, name)
    if shared in plan.once:
        return plan.once[shared]
    source: Any = configuration.sources[row.source]
    reduction: Any = configuration.reductions[name]
    tasks = []
    for title, integration in reduction.integrations.items():
        together = [
            item for item in integration.detectors or source.frames if item in source.frames
        ]
        if integration.merge:
            check_merged(together, title, name, row.run)
        for detector in together:
            tasks.append(_plan_task(plan, configuration, detector, title, integration, together))
    if not tasks:
        raise UserError(
            f"reduction {name!r} integrates none of the detectors that source {row.source!r} has",
            f"run table {configuration.runs}, run {row.run}",
            f"detectors of the source: {', '.join(source.frames)}",
        )
    plan.once[shared] = tuple(tasks)
    return plan.once[shared]


def _plan_task(
    plan: Plan,
    configuration: Configuration,
    detector: str,
    title: str,
    integration: Any,
    together: list[str],
) -> IntegrationTask:
    """together: the detectors of the integration."""
    # The error model and what is rejected act on frames, not on weights.
    settings = integration.model_dump(exclude={"detectors", "merge", "error_model", "robust"})
    used = {"shape", "geometry", "orientation", "flat"}
    parameters = {
        "detector": detector,
        "mask": plan_mask(plan, configuration, detector),
        **configuration.detectors[detector].model_dump(include=used),
        "merged": merged_geometries(configuration, together) if integration.merge else None,
        "integration": settings,
    }
    names = f"{detector[:KEY_NAME_LENGTH]}-{title[:KEY_NAME_LENGTH]}"
    key = f"{names}-{value_digest(parameters)}"
    plan.weights[key] = parameters
    if integration.kind == "cake":
        bins: tuple[int, ...] = (integration.azimuthal_bins, integration.radial_bins)
    else:
        bins = (integration.bins,)
    return IntegrationTask(detector, title, integration.kind, bins, key)


def _frame_load(
    configuration: Configuration,
    integrations: dict[str, Any],
    detectors: tuple[str, ...],
    tasks: Sequence[IntegrationTask],
) -> FrameLoad:
    pixels = {name: math.prod(configuration.detectors[name].shape) for name in detectors}
    robust = [pixels[task.detector] for task in tasks if integrations[task.integration].robust]
    return FrameLoad(
        pixels=sum(pixels[task.detector] for task in tasks),
        raw_bytes=ASSUMED_BYTES_PER_PIXEL * sum(pixels.values()),
        result_bytes=sum(BYTES_PER_BIN * math.prod(task.bins) for task in tasks),
        sum_bytes=SUM_BYTES_PER_PIXEL * max(pixels.values()),
        thread_bytes=THREAD_BYTES_PER_PIXEL * max(pixels.values())
        + OUTLIER_THREAD_BYTES_PER_PIXEL * max(robust, default=0)
        + THREAD_BYTES_PER_BIN * sum(math.prod(task.bins) for task in tasks),
        threads=configuration.chunks.threads,
        weights_bytes=WEIGHTS_BYTES_PER_PIXEL * sum(pixels[task.detector] for task in tasks)
        + OUTLIER_BYTES_PER_PIXEL * max(robust, default=0),
    )
