"""Integrations that join several detectors: planned detector by detector, shown as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scatterflow.config.base import MERGED
from scatterflow.config.model import Configuration
from scatterflow.errors import UserError

if TYPE_CHECKING:
    from scatterflow.plan.build import IntegrationTask


def check_merged(detectors: Sequence[str], title: str, reduction: str, run: str) -> None:
    """Raise UserError unless there are several detectors to merge."""
    if len(detectors) < 2:
        found = f"only {detectors[0]!r}" if detectors else "none"
        raise UserError(
            f"integration {title!r} merges detectors, and of those the run's source has {found}",
            f"key reductions.{reduction}.integrations.{title}, run {run}",
            "leave merge out for this run (by `overrides`), or give it another reduction",
        )


def merged_geometries(
    configuration: Configuration, detectors: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """What the common bins of merged detectors are computed from: shape and geometry of each."""
    used = {"shape", "geometry", "orientation"}
    return {name: configuration.detectors[name].model_dump(include=used) for name in detectors}


def shown_tasks(
    tasks: Iterable[IntegrationTask], integrations: Mapping[str, Any]
) -> list[IntegrationTask]:
    """Tasks as the result shows them: those of a merged integration as one."""
    shown: dict[str, IntegrationTask] = {}
    for task in tasks:
        if not integrations[task.integration].merge:
            shown[task.name] = task
            continue
        first = shown.get(f"{MERGED}_{task.integration}")
        detectors = (*first.detectors, task.detector) if first else (task.detector,)
        merged = replace(first or task, detector=MERGED, merged=detectors)
        shown[merged.name] = merged
    return list(shown.values())
