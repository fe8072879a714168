"""Runs that a run is corrected with: its dark, background and standard, integrated with the same weights.

Their containers are verified against their receipts as the run's own; results of theirs are not needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.files.json import read_json
from scatterflow.files.provenance import raw_file_record
from scatterflow.saxswaxs.chain import RunData
from scatterflow.saxswaxs.container import open_container
from scatterflow.saxswaxs.merge import frame_validity, verify_receipts
from scatterflow.saxswaxs.monitors import check_durations
from scatterflow.saxswaxs.tasks import ResultTask, made_from
from scatterflow.sources.base import RunLocation, Source
from scatterflow.sources.open import open_source


@dataclass(frozen=True)
class Companion:
    """Such a run: data; receipts of its chunks, in order; scalar_files: records of its raw files."""

    data: RunData
    receipts: list[dict[str, Any]]
    scalar_files: list[dict[str, Any]]


def open_companion(
    fields: Mapping[str, Any],
    tasks: Sequence[ResultTask],
    valid: Mapping[str, Any],
    darks: Mapping[str, str | None],
    dead_times: Mapping[str, Any],
    reduction: str,
) -> Companion:
    """A companion run, verified.

    fields: run, container, receipts (paths), location with scalars, error_models by task name,
    corrections (settings, dark, background); tasks, valid, darks, dead_times: those of the run
    that is corrected, which this one shares. Raises UserError naming run and chunk for what is not as it was
    integrated.
    """
    where = f"run {fields['run']}, reduction {reduction}"
    container = open_container(fields["container"])
    receipts = sorted_receipts(fields["receipts"])
    identities = made_from(tasks, valid, darks, dead_times)
    for name, model in fields["error_models"].items():
        identities[f"error model of {name}"] = model
    verify_receipts(container, receipts, identities, where)
    source = open_source(RunLocation.from_fields(fields["location"]))
    corrections, table = fields["corrections"], source.scalars()
    check_durations(corrections["settings"], table.attrs.get("units", {}), where)
    return Companion(
        RunData(
            run=fields["run"],
            container=container,
            scalars={str(name): column.to_numpy() for name, column in table.items()},
            valid=valid_frames(container, (task.detector for task in tasks)),
            settings=corrections["settings"],
            dark=tuple(corrections["dark"]),
            background=tuple(corrections["background"]),
        ),
        receipts,
        scalar_records(source),
    )


def sorted_receipts(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Receipts in the order of their frames."""
    return sorted((read_json(path) for path in paths), key=lambda item: item["start"])


def valid_frames(container: Any, detectors: Iterable[str]) -> np.ndarray:
    """Frames that at least one of the detectors has, (frames,) bool."""
    return np.any([frame_validity(container, name) for name in dict.fromkeys(detectors)], axis=0)


def scalar_records(source: Source) -> list[dict[str, Any]]:
    """Records of the raw files that hold scalars and metadata."""
    files = dict.fromkeys([*source.scalar_files(), *source.shared_files()])
    return [raw_file_record(path) for path in files]


def with_files(
    companions: Sequence[Mapping[str, Any]], containers: Sequence[str], receipts: Sequence[str]
) -> list[dict[str, Any]]:
    """The fields of each companion run with its container and its receipts, of which it has `chunks`."""
    left = iter(receipts)
    return [
        {
            **fields,
            "container": container,
            "receipts": [next(left) for _ in range(fields["chunks"])],
        }
        for fields, container in zip(companions, containers, strict=True)
    ]
