"""The detectors of a run opened for a job, from what its rule knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scatterflow.detectors.good_mask import read_mask
from scatterflow.files.checksums import file_sha256
from scatterflow.files.hdf5 import reading
from scatterflow.files.nexus import read_note
from scatterflow.shots.calibrated import CalibratedDetector, calibrated_detector
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shots import open_shots


def open_detectors(
    location: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    masks: Mapping[str, str],
    darks: Mapping[str, str],
) -> list[CalibratedDetector]:
    """Detectors of a run, made ready.

    location: fields of its `RunLocation`. settings: `calibration`, `constants`, `geometry` of each. masks,
    darks: files, of those detectors that have one. Raises UserError as `calibrated_detector`.
    """
    place = RunLocation.from_fields(dict(location))
    source = open_shots(place)
    return [
        calibrated_detector(
            source,
            name,
            own,
            mask=masks.get(name),
            dark=darks.get(name),
            run=place.run,
            skip_missing=place.recipe.get("missing") == "nan",
        )
        for name, own in settings.items()
    ]


def identities(masks: Mapping[str, str], darks: Mapping[str, str]) -> dict[str, Any]:
    """What a result says of the masks and darks that it was made with, by detector."""
    found: dict[str, Any] = {"masks": {}, "darks": {}}
    for name, path in masks.items():
        mask = read_mask(path)
        found["masks"][name] = {"sha256": mask.sha256, "members": mask.members}
    for name, path in darks.items():
        with reading(path) as file:
            notes = file["provenance"]
            found["darks"][name] = {
                "sha256": file_sha256(path),
                **read_note(notes["run"]),
                "raw_files": read_note(notes["raw_files"]),
            }
    return found
