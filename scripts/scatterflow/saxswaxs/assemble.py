"""The last step of a saxswaxs reduction: everything that was made, put into one result file."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scatterflow.detectors.good_mask import GoodMask, read_mask
from scatterflow.detectors.unusable import image_sha256
from scatterflow.saxswaxs.applied import prepare_corrections
from scatterflow.saxswaxs.chain import RunData
from scatterflow.saxswaxs.companions import (
    open_companion,
    scalar_records,
    sorted_receipts,
    valid_frames,
)
from scatterflow.saxswaxs.container import open_container
from scatterflow.saxswaxs.merge import verify_receipts
from scatterflow.saxswaxs.monitors import check_durations
from scatterflow.saxswaxs.outdated import remove_after_result
from scatterflow.saxswaxs.result import (
    Description,
    DetectorResult,
    raw_files,
    write_result,
)
from scatterflow.saxswaxs.tasks import ResultTask, made_from, result_tasks
from scatterflow.saxswaxs.weights import read_weights
from scatterflow.sources.base import RunLocation
from scatterflow.sources.open import open_source

logger = logging.getLogger("scatterflow")


def assemble_result(
    container_path: str,
    receipt_paths: Sequence[str],
    weights: Mapping[str, str],
    masks: Mapping[str, str],
    *,
    location: dict[str, Any],
    description: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    valid: Mapping[str, Any],
    dead_times: Mapping[str, Any],
    corrections: Mapping[str, Any],
    companions: Sequence[Mapping[str, Any]] = (),
    result: str,
) -> None:
    """Verify the container against its receipts and write the result file.

    weights: file per key; masks: file per detector; location: fields of the run's `RunLocation` with
    scalars; description: run, reduction, sample, experiment, parameters; tasks: as planned; valid: the
    valid range, dead_times: dead time (or None) per detector; corrections: settings as they apply to this
    run, dark and background runs; companions: fields of the runs it is corrected with
    (`companions.open_companion`).
    Raises UserError naming the chunk, monitor or frame that is wrong.
    """
    where = f"run {description['run']}, reduction {description['reduction']}"
    container = open_container(container_path)
    receipts = sorted_receipts(receipt_paths)
    prepared = {key: read_weights(path) for key, path in weights.items()}
    read = {name: read_mask(path) for name, path in masks.items()}
    single, shown = result_tasks(tasks, prepared)
    darks = {name: image_sha256(mask, "dark") for name, mask in read.items()}
    verify_receipts(container, receipts, made_from(single, valid, darks, dead_times), where)

    source = open_source(RunLocation.from_fields(location))
    table = source.scalars()
    check_durations(corrections["settings"], table.attrs.get("units", {}), where)
    scalars = {"frame_number": np.arange(location["frames"], dtype=np.int64)}
    scalars.update({name: table[name].to_numpy() for name in table.columns})
    detectors = {
        name: _detector_result(
            mask,
            next(t for t in single if t.detector == name),
            {
                "valid": valid[name],
                "dead_time": dead_times[name],
                "dark_image_sha256": darks[name],
            },
        )
        for name, mask in read.items()
    }
    others = [
        open_companion(fields, single, valid, darks, dead_times, description["reduction"])
        for fields in companions
    ]
    data = RunData(
        run=description["run"],
        container=container,
        scalars=scalars,
        # A frame that one detector lacks may be there on another.
        valid=valid_frames(container, detectors),
        settings=corrections["settings"],
        dark=tuple(corrections["dark"]),
        background=tuple(corrections["background"]),
    )
    warnings: list[str] = []
    write_result(
        result,
        container,
        shown,
        detectors,
        Description(
            run=description["run"],
            reduction=description["reduction"],
            sample=description["sample"],
            experiment=description["experiment"],
            scalars=scalars,
            units=table.attrs.get("units", {}),
            metadata=source.metadata(),
            parameters=description["parameters"],
            receipts=receipts,
            scalar_files=scalar_records(source),
            companions={
                other.data.run: [*raw_files(other.receipts).values(), *other.scalar_files]
                for other in others
            },
        ),
        prepare_corrections(data, [other.data for other in others], shown, warnings),
        warnings,
    )
    for warning in dict.fromkeys(warnings):
        logger.warning("warning: %s", warning)
    remove_after_result(result)


def _detector_result(
    mask: GoodMask, task: ResultTask, calibration: Mapping[str, Any]
) -> DetectorResult:
    settings = task.weights.settings
    row, column = settings["beam_centre"]
    return DetectorResult(
        geometry=settings["geometry"],
        geometry_sha256=settings["geometry_sha256"],
        beam_centre=(row, column),
        pixel_mask=np.where(mask.good, np.uint32(0), mask.reasons),
        mask={
            "sha256": mask.sha256,
            "masked_fraction": mask.masked_fraction,
            "members": mask.members,
        },
        calibration=calibration,
    )
