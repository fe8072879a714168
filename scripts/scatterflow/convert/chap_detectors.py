"""CHAP's `azimuthal_integrators` and `detectors` as our detectors.

    azimuthal_integrators:
    - {id: PIL9, poni_file: geometry.poni, mask_file: mask.edf}
    - {id: PIL5, params: {dist: 1.0, poni1: 0.01, poni2: 0.02, pixel1: 172e-6, ..., wavelength: 1e-10}}

`params` are the arguments of pyFAI's AzimuthalIntegrator; they are written into a PONI file (pyFAI's
format 2: https://pyfai.readthedocs.io, "PONI file"). In CHAP a mask file replaces the gaps that pyFAI
knows of a detector; without one the gaps are masked. So they are here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scatterflow.config.base import check_name
from scatterflow.config.model import RESERVED_DETECTORS
from scatterflow.convert.chap_files import ChapConfiguration
from scatterflow.convert.notes import Notes
from scatterflow.detectors.poni import GENERIC_DETECTOR, read_poni
from scatterflow.errors import UserError, shortened
from scatterflow.plan.discovery import valid_name

POSITIONS = ("poni1", "poni2", "rot1", "rot2", "rot3")
# pyFAI's own formats of masks; of all others only the user knows what nonzero means: here CHAP does.
FIXED_POLARITY = (".edf", ".msk")
KNOWN = {"id", "name", "poni_file", "params", "mask_file"}


def detector_names(chap: ChapConfiguration, notes: Notes) -> dict[str, str]:
    """Our name of each detector, by its id."""
    names: dict[str, str] = {}
    for item in chap.pyfai.get("azimuthal_integrators") or []:
        identity = str(item.get("id") or item.get("name") or "")
        if not identity:
            raise UserError("a detector has no id", "key azimuthal_integrators", "give it one")
        try:
            name = check_name(identity)
        except ValueError:
            name = valid_name(identity)
        if name.lower() in RESERVED_DETECTORS:
            name += "_detector"
        if name != identity:
            notes.change(f"azimuthal_integrators {identity}", f"is called {name!r}")
        names[identity] = name
    if not names:
        raise UserError("there is no detector", "key azimuthal_integrators", "give at least one")
    return names


def convert_detectors(
    chap: ChapConfiguration, names: dict[str, str], geometry_folder: Path, notes: Notes
) -> tuple[dict[str, dict[str, Any]], dict[Path, str]]:
    """Detectors by name, and texts of the PONI files to be written, by path.

    Raises UserError for a detector without geometry or whose shape nothing tells.
    """
    detectors: dict[str, dict[str, Any]] = {}
    files: dict[Path, str] = {}
    shapes = {str(item.get("id") or item.get("name")): item.get("shape") for item in chap.detectors}
    for item in chap.pyfai["azimuthal_integrators"]:
        identity = str(item.get("id") or item.get("name"))
        key = f"azimuthal_integrators {identity}"
        for other in sorted(set(item) - KNOWN):
            notes.lose(f"{key}.{other}", "not known")
        if (item.get("poni_file") is None) == (item.get("params") is None):
            raise UserError(
                "a detector needs either poni_file or params", f"key {key}", "give one of both"
            )
        if item.get("poni_file") is not None:
            path = chap.find(str(item["poni_file"]))
            entries = read_poni(path, f"{path}, key {key}.poni_file")
        else:
            path = geometry_folder / f"{names[identity]}.poni"
            files[path] = poni_text(item["params"], _wavelength(chap), f"key {key}.params")
            entries = _entries(item["params"])
        mask = chap.find(str(item["mask_file"])) if item.get("mask_file") else None
        detectors[names[identity]] = {
            "shape": _shape(shapes.get(identity), entries, key),
            "geometry": shown_path(path),
            "masks": _masks(mask, entries, key, notes),
        }
    return detectors, files


def shown_path(path: Path) -> str:
    """A path as it is best written: relative below the current folder, else absolute."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def poni_text(params: dict[str, Any], wavelength: float | None, where: str) -> str:
    """The text of a PONI file (format 2) of the arguments of pyFAI's AzimuthalIntegrator."""
    if not isinstance(params, dict) or "dist" not in params:
        raise UserError(f"params are no geometry: {shortened(params)}", where, "give at least dist")
    wavelength = params.get("wavelength") or wavelength
    if wavelength is None:
        raise UserError("there is no wavelength", where, "add wavelength, m, to the params")
    entries = _entries(params)
    if entries["detector"] == GENERIC_DETECTOR and not {"pixel1", "pixel2"} <= set(params):
        raise UserError(
            "there is no pixel size",
            where,
            "add pixel1 and pixel2, m, or a detector that pyFAI knows",
        )
    numbers = {key: _number(params.get(key) or 0.0, f"{where}.{key}") for key in POSITIONS}
    lines = [
        "# Written from the params of a CHAP configuration",
        "poni_version: 2",
        f"Detector: {entries['detector']}",
        f"Detector_config: {json.dumps(entries['detector_config'])}",
        f"Distance: {_number(params['dist'], f'{where}.dist')!r}",
        *(f"{key.capitalize()}: {value!r}" for key, value in numbers.items()),
        f"Wavelength: {_number(wavelength, f'{where}.wavelength')!r}",
    ]
    return "\n".join(lines) + "\n"


def _entries(params: dict[str, Any]) -> dict[str, Any]:
    """Detector and its configuration, as `read_poni` has them."""
    config = {
        key: float(params[key]) for key in ("pixel1", "pixel2") if params.get(key) is not None
    }
    return {"detector": str(params.get("detector") or GENERIC_DETECTOR), "detector_config": config}


def _number(value: Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"{shortened(value)} is no number", where, "correct it") from None


def _wavelength(chap: ChapConfiguration) -> float | None:
    """The wavelength that the integrations give, m."""
    for item in chap.pyfai.get("integrations") or []:
        value = (item.get("multi_geometry") or {}).get("wavelength")
        if value is not None:
            return float(value)
    return None


def _shape(given: Any, entries: dict[str, Any], key: str) -> list[int]:
    """(rows, columns): as given, of the PONI file, or of the detector that pyFAI knows."""
    shape = given or entries["detector_config"].get("max_shape") or _known_shape(entries)
    if shape is None or len(shape) != 2:
        raise UserError(
            "nothing says how many pixels the detector has",
            f"key {key}",
            "give its shape: --detectors FILE with `detectors: [{id: ..., shape: [rows, columns]}]`",
        )
    return [int(size) for size in shape]


def _known_shape(entries: dict[str, Any]) -> tuple[int, int] | None:
    if entries["detector"] == GENERIC_DETECTOR:
        return None
    from pyFAI.detectors import ALL_DETECTORS

    known = ALL_DETECTORS.get(entries["detector"].lower().replace(" ", "_"))
    return getattr(known, "MAX_SHAPE", None)


def _has_gaps(entries: dict[str, Any]) -> bool:
    if entries["detector"] == GENERIC_DETECTOR:
        return False
    from pyFAI.detectors import ALL_DETECTORS, detector_factory

    if entries["detector"].lower() not in ALL_DETECTORS:
        return False
    mask = detector_factory(entries["detector"]).mask
    return mask is not None and bool(mask.any())


def _masks(
    mask: Path | None, entries: dict[str, Any], key: str, notes: Notes
) -> list[dict[str, Any]]:
    if mask is None:
        return [{"type": "gaps"}] if _has_gaps(entries) else []
    item = {"type": "file", "name": "mask", "path": shown_path(mask)}
    if mask.suffix.lower() not in FIXED_POLARITY:
        item["true_means"] = "masked"
    if _has_gaps(entries):
        notes.change(
            f"{key}.mask_file",
            "as in CHAP, it replaces the gaps between modules; add `{type: gaps}` to mask them too",
        )
    return [item]
