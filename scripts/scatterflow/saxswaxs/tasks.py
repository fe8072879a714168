"""One integration of one detector, and the identities of what it is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scatterflow.files.checksums import value_digest
from scatterflow.saxswaxs.weights import Weights, read_weights


@dataclass(frozen=True)
class Task:
    """One integration of one detector: name in the container, prepared weights, error model."""

    name: str
    detector: str
    weights: Weights
    error_model: str


@dataclass(frozen=True)
class ResultTask(Task):
    """A task as the result shows it. integration: its name; kind: azimuthal, cake or radial."""

    integration: str
    kind: str


def read_tasks(tasks: list[Mapping[str, Any]], weights: Mapping[str, str]) -> list[Task]:
    """Tasks from rule parameters; weights: path by key."""
    return [
        Task(
            name=item["name"],
            detector=item["detector"],
            weights=read_weights(weights[item["weights"]]),
            error_model=item["error_model"],
        )
        for item in tasks
    ]


def made_from(
    tasks: Iterable[Task],
    valid: Mapping[str, Mapping[str, Any]],
    darks: Mapping[str, str | None],
    dead_times: Mapping[str, Mapping[str, Any] | None],
) -> dict[str, str]:
    """Identities of what a chunk is made from besides its raw files: a job that outlived its workflow, and
    wrote after a newer one, is told by them.

    valid: range per detector; darks: checksum of the dark image, dead_times: settings, per
    detector.
    """
    found: dict[str, str] = {}
    for task in tasks:
        found[f"weights of {task.name}"] = task.weights.identity
        found[f"error model of {task.name}"] = task.error_model
    for name, limits in valid.items():
        found[f"valid range of {name}"] = value_digest(limits)
        found[f"dark image of {name}"] = darks[name] or "none"
        found[f"dead time of {name}"] = value_digest(dead_times[name])
    return found
