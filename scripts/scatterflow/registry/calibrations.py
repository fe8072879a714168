"""Geometries, darks, flats, gains and q-maps: registered and read like masks, with versions and checksums.

A geometry is a PONI file, kept byte for byte. The others are named arrays of numbers; a dark, flat or gain is
one array, `data`, of (rows, columns) or (stages, rows, columns).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.detectors.poni import read_poni
from scatterflow.errors import UserError
from scatterflow.registry import objects, records
from scatterflow.registry.opening import open_registry
from scatterflow.registry.records import Record
from scatterflow.registry.versions import RegistryLike, get_record, register

IMAGES = ("dark", "flat", "gain")
ARRAYS = (*IMAGES, "qmap")


def register_arrays(
    kind: str, detector: str, name: str, arrays: dict[str, np.ndarray], **options: Any
) -> Record:
    """Register a dark, flat, gain or q-map: named arrays of numbers (`data` for a single image).

    An image must have the shape of the detector's frames; NaN says that a pixel has no value. options: as
    of `register`. Raises UserError for other kinds and arrays, infinite values, and images without a value.
    """
    where = f"{kind} {detector}/{name}"
    _check_holds_arrays(kind, where)
    try:
        content = objects.encode_arrays(arrays)
    except ValueError as error:
        raise UserError(str(error), where, "give arrays of numbers") from None
    if not arrays or any(np.size(array) == 0 for array in arrays.values()):
        raise UserError("an array is empty, or there is none", where, "give arrays of numbers")
    shape = None
    if kind in IMAGES:
        shape = _check_image(arrays, where)
        store = open_registry(options.get("registry"))
        records.named(kind, detector, name, str(store))
        store.state_shape(detector, shape[-2:])
    return register(kind, detector, name, content, shape=shape, **options)


def _check_holds_arrays(kind: str, where: str) -> None:
    if kind not in ARRAYS:
        raise UserError(f"{kind!r} does not hold arrays", where, f"{', '.join(ARRAYS)} do")


def _check_image(arrays: dict[str, np.ndarray], where: str) -> tuple[int, ...]:
    shape = tuple(np.shape(arrays.get("data", ())))
    if len(shape) not in (2, 3) or set(arrays) != {"data"}:
        raise UserError(
            "it is one array, `data`, of (rows, columns) or (stages, rows, columns)", where
        )
    pixels = np.asarray(arrays["data"])
    if np.isinf(pixels).any() or np.isnan(pixels).all():
        raise UserError(
            "the image holds infinite values, or no value at all",
            where,
            "give finite numbers, NaN where a pixel has no value",
        )
    return shape


def register_geometry(detector: str, name: str, poni: str | Path, **options: Any) -> Record:
    """Register a PONI file, byte for byte. options: as of `register`. Raises UserError for what is none."""
    read_poni(poni, f"file {poni}")
    try:
        text = Path(poni).read_bytes().decode()
    except (OSError, ValueError) as error:
        raise UserError(f"the PONI file cannot be read ({error})", str(poni), "check it") from None
    options.setdefault("source", {"file": str(poni), "format": "poni"})
    return register("geometry", detector, name, objects.encode_text(text), **options)


def get_arrays(
    kind: str,
    detector: str,
    name: str,
    version: int | None = None,
    *,
    at: str | datetime | None = None,
    energy_keV: float | None = None,
    registry: RegistryLike = None,
) -> dict[str, np.ndarray]:
    """The arrays of a dark, flat, gain or q-map, verified and read-only.

    version, at, energy_keV: as of `get_record`, which tells uid and checksum.
    """
    store = open_registry(registry)
    _check_holds_arrays(kind, f"{kind} {detector}/{name}")
    record = get_record(kind, detector, name, version, at=at, energy_keV=energy_keV, registry=store)
    return objects.decode_arrays(store.read(record))


def get_geometry(
    detector: str,
    name: str,
    version: int | None = None,
    *,
    at: str | datetime | None = None,
    energy_keV: float | None = None,
    registry: RegistryLike = None,
) -> str:
    """The text of a registered PONI file, verified; version, at, energy_keV: as of `get_record`."""
    store = open_registry(registry)
    record = get_record(
        "geometry", detector, name, version, at=at, energy_keV=energy_keV, registry=store
    )
    return objects.decode_text(store.read(record))
