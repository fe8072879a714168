"""Which masks of the registry a plan needs, and where their pins lie.

A pin is a small file for each name: `resources/pins/<detector>/<name>.json`. The version is in it and not
in its name, nor in the parameters of what is made from the mask: whatever changes the version rewrites the
pin, and a newer file is what every trigger of Snakemake sees, also on the way back to an old version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scatterflow.errors import UserError

FOLDER = "resources/pins"


def pin_path(mask: dict[str, Any], detector: str, folder: str = FOLDER) -> str:
    """The pin of a configured mask of type `registry`; detector: the one that it is configured for."""
    return f"{folder}/{mask['detector'] or detector}/{mask['name']}.json"


def plan_pins(
    pins: dict[str, dict[str, Any]],
    masks: Sequence[dict[str, Any]],
    detector: str,
    folder: str = FOLDER,
) -> list[dict[str, Any]]:
    """Add the pins of a detector's masks to those of the plan; returns the masks without versions.

    pins: {path: detector, name and version (None: the newest) in the registry}, added to. Raises UserError
    if the plan wants one name in two versions.
    """
    found = []
    for mask in masks:
        if mask["type"] != "registry":
            found.append(mask)
            continue
        path = pin_path(mask, detector, folder)
        wanted = {
            "detector": mask["detector"] or detector,
            "name": mask["name"],
            "version": mask["version"],
        }
        if pins.setdefault(path, wanted) != wanted:
            versions = (pins[path]["version"] or "the newest", mask["version"] or "the newest")
            raise UserError(
                f"two versions of one registered mask are wanted: {versions[0]} and {versions[1]}",
                f"key detectors.{detector}.masks, mask {mask['name']}",
                "register one of them under another name, and use that where it is meant",
            )
        found.append({key: value for key, value in mask.items() if key != "version"})
    return found
