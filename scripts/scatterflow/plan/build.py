"""The plan: every run, reduction, chunk and shared product, from configuration and run table alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scatterflow.config.load import RunConfigurations
from scatterflow.config.model import Configuration
from scatterflow.config.runs import RunRow, check_references, read_run_table
from scatterflow.errors import UserError, suggestion
from scatterflow.files.checksums import value_digest
from scatterflow.plan.chunks import (
    FrameLoad,
    chunk_ranges,
    frames_per_chunk,
    memory_estimate_mb,
    stored_frames,
)

# Until a frame has been seen its stored type is unknown; area detectors write 32-bit integers.
ASSUMED_BYTES_PER_PIXEL = 4
# signal, variance, normalisation: float64 each.
BYTES_PER_BIN = 24


@dataclass(frozen=True)
class IntegrationTask:
    """One integration of one detector: an array group of the container, a subentry of the result.

    weights: key of the prepared weights that it uses.
    """

    detector: str
    integration: str
    kind: str
    bins: tuple[int, ...]
    weights: str

    @property
    def name(self) -> str:
        """Name of the group in containers and results."""
        return f"{self.detector}_{self.integration}"


@dataclass(frozen=True)
class PlannedReduction:
    """One reduction of one run, with everything its rules need."""

    row: RunRow
    name: str
    configuration: Configuration
    detectors: tuple[str, ...]
    tasks: tuple[IntegrationTask, ...]
    masks: dict[str, str]
    chunk_frames: int
    load: FrameLoad

    @property
    def reduction(self) -> Any:
        """The reduction's configuration, overrides applied."""
        return self.configuration.reductions[self.name]

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """(start, stop) of every chunk."""
        return list(chunk_ranges(self.row.frames, self.chunk_frames))

    @property
    def memory_mb(self) -> int:
        """Memory of a chunk job, MB."""
        # float32 coefficient and int32 index for about two bins a pixel, float64 normalisation once.
        weights = sum(24 * self._pixels(task.detector) for task in self.tasks)
        return memory_estimate_mb(self.load, self.chunk_frames, weights)

    def stored_frames(self, task: IntegrationTask) -> int:
        """Frames per stored chunk of a task's arrays."""
        return stored_frames(self.chunk_frames, BYTES_PER_BIN // 3 * _product(task.bins))

    def location(self, *, scalars: bool) -> dict[str, Any]:
        """Where the raw data is, as plain values (`RunLocation`'s fields).

        scalars: with the per-frame scalars (for the result), or frames only (for a chunk job), so
        that a change of the one does not outdate the other.
        """
        recipe = self.configuration.sources[self.row.source].model_dump()
        recipe["frames"] = {name: recipe["frames"][name] for name in self.detectors}
        if not scalars:
            for key in ("scalars", "table", "par_file"):
                del recipe[key]
        return {
            "run": self.row.run,
            "raw": self.row.raw,
            "root": self.configuration.raw,
            "frames": self.row.frames,
            "recipe": recipe,
            "shapes": {
                name: list(self.configuration.detectors[name].shape) for name in self.detectors
            },
        }

    def _pixels(self, detector: str) -> int:
        return _product(self.configuration.detectors[detector].shape)


@dataclass
class Plan:
    """All reductions, and the products that they share, by key.

    masks, weights: parameters of each shared product; the key holds a digest of them.
    """

    configuration: Configuration
    rows: dict[str, RunRow]
    reductions: dict[tuple[str, str], PlannedReduction] = field(default_factory=dict)
    masks: dict[str, dict[str, Any]] = field(default_factory=dict)
    weights: dict[str, dict[str, Any]] = field(default_factory=dict)

    def find(self, run: str, reduction: str) -> PlannedReduction:
        """One planned reduction; raises UserError with the nearest name if there is none."""
        try:
            return self.reductions[run, reduction]
        except KeyError:
            runs = {name for name, _ in self.reductions}
            if run not in runs:
                what, how = f"run {run!r} is not in the plan", suggestion(run, runs)
            else:
                names = {name for other, name in self.reductions if other == run}
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
    for row in rows:
        configuration = configurations.for_run(row)
        check_references(row, set(base.sources), set(base.reductions), base.runs)
        for name in row.reductions:
            plan.reductions[row.run, name] = _plan_reduction(plan, row, name, configuration)
    return plan


def _plan_reduction(
    plan: Plan, row: RunRow, name: str, configuration: Configuration
) -> PlannedReduction:
    reduction = configuration.reductions[name]
    available = configuration.sources[row.source].frames
    tasks = []
    for title, integration in reduction.integrations.items():
        for detector in integration.detectors or available:
            if detector in available:
                tasks.append(_plan_task(plan, configuration, detector, title, integration))
    if not tasks:
        raise UserError(
            f"reduction {name!r} integrates none of the detectors that source {row.source!r} has",
            f"run table {configuration.runs}, run {row.run}",
            f"detectors of the source: {', '.join(available)}",
        )
    _check_names(reduction, configuration.sources[row.source].scalars, row, name)
    detectors = tuple(
        detector for detector in available if any(t.detector == detector for t in tasks)
    )
    load = _frame_load(configuration, detectors, tasks)
    chunks = configuration.chunks
    return PlannedReduction(
        row=row,
        name=name,
        configuration=configuration,
        detectors=detectors,
        tasks=tuple(tasks),
        masks={detector: _plan_mask(plan, configuration, detector) for detector in detectors},
        chunk_frames=frames_per_chunk(
            row.frames,
            load,
            fixed=chunks.frames,
            minutes=chunks.minutes,
            memory_mb=chunks.memory_mb,
            pixel_rate=chunks.pixel_rate,
        ),
        load=load,
    )


def _plan_mask(plan: Plan, configuration: Configuration, detector: str) -> str:
    used = ("shape", "geometry", "orientation", "masks", "most_masked", "dark", "flat")
    parameters = configuration.detectors[detector].model_dump(include=set(used))
    key = f"{detector}-{value_digest(parameters)}"
    plan.masks[key] = {"detector": detector, **parameters}
    return key


def _plan_task(
    plan: Plan, configuration: Configuration, detector: str, title: str, integration: Any
) -> IntegrationTask:
    settings = integration.model_dump(exclude={"detectors"})
    used = {"shape", "geometry", "orientation", "flat"}
    parameters = {
        "detector": detector,
        "mask": _plan_mask(plan, configuration, detector),
        **configuration.detectors[detector].model_dump(include=used),
        # The error model acts on frames, not on weights.
        "integration": {key: value for key, value in settings.items() if key != "error_model"},
    }
    key = f"{detector}-{title}-{value_digest(parameters)}"
    plan.weights[key] = parameters
    if integration.kind == "cake":
        bins: tuple[int, ...] = (integration.azimuthal_bins, integration.radial_bins)
    else:
        bins = (integration.bins,)
    return IntegrationTask(detector, title, integration.kind, bins, key)


def _frame_load(
    configuration: Configuration, detectors: tuple[str, ...], tasks: list[IntegrationTask]
) -> FrameLoad:
    pixels = {name: _product(configuration.detectors[name].shape) for name in detectors}
    return FrameLoad(
        pixels=sum(pixels[task.detector] for task in tasks),
        raw_bytes=ASSUMED_BYTES_PER_PIXEL * sum(pixels.values()),
        result_bytes=sum(BYTES_PER_BIN * _product(task.bins) for task in tasks),
        sum_bytes=12 * sum(pixels.values()),
    )


def _check_names(reduction: Any, scalars: dict[str, Any], row: RunRow, name: str) -> None:
    """Scalars that the reduction refers to must be there for this run's source."""
    wanted = {"axis": reduction.axis}
    if reduction.corrections.monitor is not None:
        wanted["corrections.monitor.monitor"] = reduction.corrections.monitor.monitor
    for key, scalar in wanted.items():
        if scalar is not None and scalar not in scalars:
            raise UserError(
                f"{scalar!r} is no scalar of source {row.source!r}",
                f"key reductions.{name}.{key}, run {row.run}",
                suggestion(scalar, scalars) if scalars else f"add sources.{row.source}.scalars",
            )


def _product(numbers: tuple[int, ...]) -> int:
    result = 1
    for number in numbers:
        result *= number
    return result
