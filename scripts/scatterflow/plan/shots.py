"""Planning of technique `shots`: chunks of shots, darks, masks, where the raw data is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from scatterflow.config.model import Configuration
from scatterflow.config.runs import RunRow
from scatterflow.config.sources import SourceConfig
from scatterflow.errors import UserError, suggestion
from scatterflow.files.checksums import value_digest
from scatterflow.plan.chunks import FrameLoad, chunk_ranges, frames_per_chunk, memory_estimate_mb
from scatterflow.plan.memory_shots import shot_load
from scatterflow.plan.planned import Planned

if TYPE_CHECKING:
    from scatterflow.plan.build import Plan

KEY_NAME_LENGTH = 25
# Keys of a source that say where scalars are, and nothing of frames.
SCALAR_KEYS = ("scalars", "scalar_data", "pulses")


@dataclass(frozen=True)
class PlannedShots(Planned):
    """One shots reduction of one run. masks, darks: keys of shared products by detector, of those that have
    one; chunk_shots: shots of a chunk job."""

    masks: dict[str, str]
    darks: dict[str, str]
    load: FrameLoad
    chunk_shots: int

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """(start, stop) of every chunk, in shots."""
        return list(chunk_ranges(self.row.frames, self.chunk_shots))

    @property
    def memory_mb(self) -> int:
        """Memory of a chunk job, MB."""
        return memory_estimate_mb(self.load, self.chunk_shots)

    @property
    def pixels(self) -> int:
        """Pixels of all detectors that are configured."""
        known = self.configuration.detectors
        return sum(math.prod(known[name].shape) for name in self.detectors if name in known)

    @property
    def merge_memory_mb(self) -> int:
        """Memory of the job that makes small data and result, MB: sums twice, and one chunk's results."""
        kept = self.load.sum_bytes * 2 + self.chunk_shots * self.load.kept_bytes
        return 600 + math.ceil(kept / 1e6)

    @property
    def table_memory_mb(self) -> int:
        """Memory of the job that tabulates the scalars of all shots, MB."""
        return 600 + math.ceil(self.row.frames * 4e-3)

    def location(self, *, scalars: bool) -> dict[str, Any]:
        """Where the raw data is, as plain values (`RunLocation`'s fields).

        scalars: with those of each shot, or frames only, so that a change of the one does not outdate
        the other.
        """
        return shot_location(self.configuration, self.row, self.detectors, scalars=scalars)

    def detector_settings(self, detector: str) -> dict[str, Any]:
        """What a chunk job does with a detector."""
        settings = self.reduction.detectors[detector]
        return {
            "functions": _plain(settings.functions),
            "sums": list(settings.sums),
            "statistics": _plain(settings.statistics),
            **self.calibration(detector),
        }

    def calibration(self, detector: str) -> dict[str, Any]:
        """How stored words of a detector become values, and where its pixels are."""
        settings = self.reduction.detectors[detector]
        known = self.configuration.detectors.get(detector)
        return {
            "calibration": settings.calibration.model_dump(exclude_none=True),
            "constants": settings.constants,
            "geometry": None if known is None else _geometry(known),
        }

    def cube(self, name: str) -> Any:
        """Settings of a cube; raises UserError for a name that is none."""
        if name not in self.reduction.cubes:
            raise UserError(
                f"no cube {name!r}",
                f"run {self.row.run}, key reductions.{self.name}.cubes",
                suggestion(name, self.reduction.cubes),
            )
        return self.reduction.cubes[name]

    @property
    def parameters(self) -> dict[str, Any]:
        """What result and small data depend on: not what is binned or calculated from them."""
        return self.reduction.model_dump(exclude={"cubes", "calculations"})


def shot_location(
    configuration: Configuration, row: RunRow, detectors: tuple[str, ...], *, scalars: bool
) -> dict[str, Any]:
    """Fields of the `RunLocation` of some detectors of a run of shots."""
    source: Any = configuration.sources[row.source]
    recipe = source.recipe()
    if source.detectors:
        recipe["detectors"] = {name: recipe["detectors"][name] for name in detectors}
    if not scalars:
        for key in SCALAR_KEYS:
            recipe.pop(key, None)
    known = configuration.detectors
    return {
        "run": row.run,
        "raw": row.raw,
        "root": configuration.raw,
        "frames": row.frames,
        "recipe": recipe,
        "shapes": {name: list(known[name].frame_shape) for name in detectors if name in known},
    }


def plan_shots(
    plan: Plan,
    row: RunRow,
    name: str,
    configuration: Configuration,
    for_run: Callable[[RunRow], Configuration],
) -> PlannedShots:
    """The planned reduction, its masks and darks noted in the plan; raises UserError."""
    from scatterflow.plan.build import plan_mask

    reduction: Any = configuration.reductions[name]
    where = f"run {row.run}, key reductions.{name}"
    _check_detectors(reduction, configuration, row, where)
    detectors = tuple(reduction.detectors)
    known = [detector for detector in detectors if detector in configuration.detectors]
    _check_geometry(reduction, configuration, where)
    load = shot_load(configuration, reduction, detectors)
    chunks = configuration.chunks
    return PlannedShots(
        row=row,
        name=name,
        configuration=configuration,
        detectors=detectors,
        masks={detector: plan_mask(plan, configuration, detector) for detector in known},
        darks={
            detector: _plan_dark(
                plan, row, detector, settings, for_run, f"{where}.detectors.{detector}.dark"
            )
            for detector, settings in reduction.detectors.items()
            if settings.dark is not None
        },
        load=load,
        chunk_shots=frames_per_chunk(
            row.frames,
            load,
            fixed=chunks.frames,
            minutes=chunks.minutes,
            memory_mb=chunks.memory_mb,
            pixel_rate=chunks.pixel_rate,
        ),
    )


def _check_detectors(reduction: Any, configuration: Configuration, row: RunRow, where: str) -> None:
    """Refuse detectors that the source does not have."""
    available = configuration.sources[row.source].detectors  # type: ignore[union-attr]
    for detector in reduction.detectors:
        if available and detector not in available:
            raise UserError(
                f"source {row.source!r} has no detector {detector!r}",
                f"{where}.detectors",
                suggestion(detector, available),
            )


def _check_geometry(reduction: Any, configuration: Configuration, where: str) -> None:
    """Refuse azimuthal averages of a detector without geometry."""
    for detector, settings in reduction.detectors.items():
        known = configuration.detectors.get(detector)
        if known is not None and known.geometry is not None:
            continue
        for title in _of_kind(settings.functions, "azimuthal"):
            raise UserError(
                f"azimuthal averages of detector {detector!r}, whose geometry is not known",
                f"{where}.detectors.{detector}.functions.{title}",
                f"give detectors.{detector}.geometry",
            )


def _of_kind(functions: dict[str, Any], kind: str) -> list[str]:
    """Functions of a kind, nested ones included, as `name.functions.name`."""
    found = []
    for name, settings in functions.items():
        found += [name] if settings.kind == kind else []
        found += [f"{name}.functions.{inner}" for inner in _of_kind(settings.functions, kind)]
    return found


def _plan_dark(
    plan: Plan,
    row: RunRow,
    detector: str,
    settings: Any,
    for_run: Callable[[RunRow], Configuration],
    where: str,
) -> str:
    dark = settings.dark
    if dark.run not in plan.rows or dark.run == row.run:
        raise UserError(
            f"dark run {dark.run!r} is no other run of the run table",
            f"{where}.run",
            suggestion(dark.run, set(plan.rows) - {row.run}),
        )
    dark_row = plan.rows[dark.run]
    configuration = for_run(dark_row)
    source = configuration.sources[dark_row.source]
    if isinstance(source, SourceConfig):
        raise UserError(
            f"dark run {dark.run!r} is no run of shots",
            f"{where}.run",
            "name one of the same source",
        )
    if source.detectors and detector not in source.detectors:
        raise UserError(
            f"dark run {dark.run!r} has no detector {detector!r}",
            f"{where}.run",
            suggestion(detector, source.detectors),
        )
    bits = settings.calibration.gain_bits
    parameters = {
        "detector": detector,
        "location": shot_location(configuration, dark_row, (detector,), scalars=False),
        "settings": {
            **dark.model_dump(exclude={"run", "register_as"}, exclude_none=True),
            **({} if bits is None else {"gain_bits": bits.model_dump()}),
        },
        "register_as": dark.register_as,
    }
    key = f"{detector[:KEY_NAME_LENGTH]}-{value_digest(parameters)}"
    plan.darks[key] = {**parameters, "row": dark_row, "configuration": configuration}
    return key


def _geometry(known: Any) -> dict[str, Any]:
    """What the positions of a detector's pixels are made from."""
    settings: dict[str, Any] = known.model_dump(
        include={"shape", "tiles", "geometry", "orientation"}
    )
    return settings


def _plain(named: dict[str, Any]) -> dict[str, Any]:
    """Models by name as plain values, what is not given left out."""
    return {name: settings.model_dump(exclude_none=True) for name, settings in named.items()}
