"""Pins as jobs see them: a small file per mask that says which version is meant, and its content.

    resources/pins/<detector>/<name>.json    which version
    resources/pins/objects/<sha256>          contents, as in the registry

A pin holds kind, detector, name, version, uid, sha256 and what else is needed to use the mask. The
content lies beside it: a job needs no registry, and cannot see one that changes while it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.files.checksums import mask_sha256
from scatterflow.files.json import read_json
from scatterflow.plan.pins import FOLDER, pin_path
from scatterflow.registry import objects

_MEND = "run `scatterflow registry pin`"


def pinned_object(pin: dict[str, Any], folder: str = FOLDER) -> Path:
    """Where the content of a pin lies."""
    return Path(folder) / "objects" / pin["sha256"]


def pin_files(settings: dict[str, Any], folder: str = FOLDER) -> list[str]:
    """Pins that a detector's masks need. settings: `DetectorConfig.model_dump()` and its name."""
    return [
        pin_path(mask, settings["detector"], folder)
        for mask in settings["masks"]
        if mask["type"] == "registry"
    ]


def with_pinned_masks(
    settings: dict[str, Any], detector: str, folder: str = FOLDER
) -> dict[str, Any]:
    """The detector's settings with good pixels, reasons and identity in each mask of type `registry`.

    Raises UserError for a pin or content that is missing, damaged, or of another shape.
    """
    masks = [
        _loaded(mask, detector, tuple(settings["shape"]), folder)
        if mask["type"] == "registry"
        else mask
        for mask in settings["masks"]
    ]
    return {**settings, "masks": masks}


def _loaded(
    mask: dict[str, Any], detector: str, shape: tuple[int, ...], folder: str
) -> dict[str, Any]:
    path = pin_path(mask, detector, folder)
    place = f"detector {detector}, mask {mask['name']}, pin {path}"
    pin = read_json(path)
    content = read_pinned(pin, folder, place)
    good, reasons = objects.decode_good(content), objects.decode_reasons(content)
    if good.shape != shape:
        raise UserError(
            f"the mask is {good.shape[0]} x {good.shape[1]} pixels, the detector's frames "
            f"{shape[0]} x {shape[1]}",
            place,
            "correct the detector's shape, or name the mask of this detector",
        )
    identity = {key: pin[key] for key in ("detector", "version", "uid", "sha256")}
    return {
        **mask,
        "good": good,
        "reasons": reasons,
        "orientation": pin["orientation"],
        "energy_keV": (pin["energy_from_keV"], pin["energy_to_keV"]),
        # sha256 names the registry's object, reasons included; good_sha256 the good pixels alone.
        "identity": {**identity, "good_sha256": mask_sha256(good)},
    }


def read_pinned(pin: dict[str, Any], folder: str, place: str) -> bytes:
    """The content of a pin, verified."""
    try:
        stored = pinned_object(pin, folder).read_bytes()
    except FileNotFoundError:
        raise UserError(f"the content {pin['sha256']} is missing", place, _MEND) from None
    try:
        return objects.unpack(stored, pin["sha256"], place)
    except UserError as error:
        raise UserError(error.what, place, _MEND) from error
