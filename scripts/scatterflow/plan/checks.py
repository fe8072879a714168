"""What is wrong with a planned reduction, or looks odd, told before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from scatterflow.config.base import NAME_LENGTH
from scatterflow.config.calibrant_names import nearest_calibrant
from scatterflow.config.model import Configuration
from scatterflow.config.runs import RunRow
from scatterflow.config.sources import SourceConfig
from scatterflow.errors import UserError, suggestion

if TYPE_CHECKING:
    from scatterflow.plan.build import IntegrationTask, PlannedReduction

# Beyond this Snakemake takes minutes to look at the jobs of a single run.
MOST_CHUNKS = 100_000


def check_exposures(planned: PlannedReduction) -> None:
    """Exposures that dead times need must be scalars of this run's source."""
    scalars = planned.source.scalars
    for name in sorted(planned.needed_scalars - set(scalars)):
        raise UserError(
            f"{name!r} is no scalar of source {planned.row.source!r}",
            f"key detectors.NAME.dead_time.exposure, run {planned.row.run}",
            suggestion(name, scalars) if scalars else "add it to the source's `scalars`",
        )


def check_chunks(planned: PlannedReduction) -> None:
    """A job must fit into the allowed memory (unless the user fixed its frames), jobs into a plan."""
    where = f"run {planned.row.run}, reduction {planned.name}"
    chunks = planned.configuration.chunks
    if chunks.frames is None and planned.memory_mb > chunks.memory_mb:
        raise UserError(
            f"one frame alone needs {planned.memory_mb} MB, more than a chunk job may use",
            f"key chunks.memory_mb, {where}",
            f"set it to at least {planned.memory_mb}",
        )
    jobs = -(-planned.row.frames // planned.chunk_frames)
    if jobs > MOST_CHUNKS:
        raise UserError(
            f"{jobs} chunk jobs for one run, more than {MOST_CHUNKS}",
            f"key chunks, {where}",
            "raise chunks.frames, or chunks.minutes and chunks.memory_mb",
        )


def check_task_names(
    tasks: list[IntegrationTask], available: Iterable[str], row: RunRow, name: str
) -> None:
    """Names of tasks are made of two and stand beside those of detectors: all must differ."""
    seen = {detector.lower(): f"detector {detector!r}" for detector in available}
    for task in tasks:
        own = f"integration {task.integration!r} of detector {task.detector!r}"
        where = f"key reductions.{name}.integrations, run {row.run}"
        if len(task.name) > NAME_LENGTH:
            raise UserError(
                f"{own}: the names are {len(task.name) - 1} characters long together",
                where,
                f"shorten them to {NAME_LENGTH - 1}",
            )
        if task.name.lower() in seen:
            raise UserError(
                f"{own} and {seen[task.name.lower()]} would both be called {task.name!r}",
                where,
                "rename one of them",
            )
        seen[task.name.lower()] = own


def check_names(reduction: Any, scalars: dict[str, Any], row: RunRow, name: str) -> None:
    """Scalars that the reduction refers to must be there for this run's source."""
    wanted: dict[str, str | None] = {"axis": reduction.axis}
    wanted.update(
        {f"corrections.{key}": scalar for key, scalar in reduction.corrections.scalars().items()}
    )
    for key, scalar in wanted.items():
        if scalar is not None and scalar not in scalars:
            raise UserError(
                f"{scalar!r} is no scalar of source {row.source!r}",
                f"key reductions.{name}.{key}, run {row.run}",
                suggestion(scalar, scalars) if scalars else f"add sources.{row.source}.scalars",
            )


def check_source(configuration: Configuration, row: RunRow, name: str) -> None:
    """Raise UserError unless the run's source gives what the technique works on: frames, or shots."""
    technique = configuration.reductions[name].technique
    source = configuration.sources[row.source]
    frames = isinstance(source, SourceConfig)
    if frames == (technique == "shots"):
        kind = "frames, not shots" if frames else "shots, not frames"
        fitting = [
            title
            for title, other in configuration.sources.items()
            if isinstance(other, SourceConfig) != (technique == "shots")
        ]
        raise UserError(
            f"source {row.source!r} of format {source.format!r} gives {kind}, and reduction {name!r} is of "
            f"technique {technique!r}",
            f"run table {configuration.runs}, run {row.run}",
            f"sources for it: {', '.join(fitting) or 'none is configured'}",
        )


def nearly_calibrants(rows: list[RunRow]) -> list[str]:
    """Samples whose name is nearly that of a calibrant: their rings will not be checked."""
    notes = []
    for sample in dict.fromkeys(row.sample for row in rows):
        meant = nearest_calibrant(sample)
        if meant is not None:
            notes.append(
                f"sample {sample!r} is not checked as a calibrant; if it is one, did you mean {meant!r}?"
            )
    return notes
