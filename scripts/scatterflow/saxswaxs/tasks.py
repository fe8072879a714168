"""One integration of one detector, and the identities of what it is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scatterflow.files.checksums import value_digest
from scatterflow.saxswaxs.weights import Weights, read_weights


@dataclass(frozen=True)
class Task:
    """One integration of one detector: name in the container, prepared weights, error model; robust: how
    outliers are left out, as the configuration's model dumps it, or None."""

    name: str
    detector: str
    weights: Weights
    error_model: str
    robust: Mapping[str, Any] | None


@dataclass(frozen=True)
class ResultTask(Task):
    """A task as the result shows it. integration: its name; kind: azimuthal, cake or radial.

    merged: the tasks of the detectors that it joins (then it is named after none of them, and `weights`
    are the first one's: axes and settings are the same for all); empty: it stands for itself.
    """

    integration: str
    kind: str
    merged: tuple[ResultTask, ...] = ()

    @property
    def parts(self) -> tuple[ResultTask, ...]:
        """The tasks of single detectors that it is made of."""
        return self.merged or (self,)

    @property
    def bin_shape(self) -> tuple[int, ...]:
        """Bins along each axis, in the order of the arrays."""
        axes = (self.weights.azimuthal_axis, self.weights.radial_axis)
        return tuple(axis.size for axis in axes if axis is not None)


def result_tasks(
    tasks: Iterable[Mapping[str, Any]], weights: Mapping[str, Weights]
) -> tuple[list[ResultTask], list[ResultTask]]:
    """Tasks from rule parameters: detector by detector, and as the result shows them, where those that are
    `shown_as` something else than their own detector are joined."""
    single: list[ResultTask] = []
    shown: dict[str, ResultTask] = {}
    for item in tasks:
        task = ResultTask(
            name=item["name"],
            detector=item["detector"],
            weights=weights[item["weights"]],
            error_model=item["error_model"],
            robust=item["robust"],
            integration=item["integration"],
            kind=item["kind"],
        )
        single.append(task)
        detector = item["shown_as"]
        if detector != task.detector:
            name = f"{detector}_{task.integration}"
            first = shown.get(name, task)
            task = replace(first, name=name, detector=detector, merged=(*first.merged, task))
        shown[task.name] = task
    return single, list(shown.values())


def read_tasks(tasks: list[Mapping[str, Any]], weights: Mapping[str, str]) -> list[Task]:
    """Tasks from rule parameters; weights: path by key."""
    return [
        Task(
            name=item["name"],
            detector=item["detector"],
            weights=read_weights(weights[item["weights"]]),
            error_model=item["error_model"],
            robust=item["robust"],
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
        found[f"treatment of outliers of {task.name}"] = value_digest(task.robust)
    for name, limits in valid.items():
        found[f"valid range of {name}"] = value_digest(limits)
        found[f"dark image of {name}"] = darks[name] or "none"
        found[f"dead time of {name}"] = value_digest(dead_times[name])
    return found
