"""PONI files: pyFAI's text format of a calibrated geometry.

One `key: value` per line, `#` starts a comment, the last value of a key counts. Version 1 states
the pixel size (`PixelSize1`, `PixelSize2`), versions 2 to 3 a detector and its configuration as
JSON (`Detector_config`), 2.1 the orientation inside it. Source: pyFAI, `pyFAI.io.ponifile`. pyFAI
itself takes a file with nothing in it for a geometry at 1 m; here everything is checked.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError

POSITIONS = ("distance", "poni1", "poni2", "rot1", "rot2", "rot3", "wavelength")
GENERIC_DETECTOR = "Detector"

_LARGEST_BYTES = 1_000_000
_NEWEST_VERSION = 3.0


def read_poni(path: str | Path, place: str) -> dict[str, Any]:
    """Entries of a PONI file: keys in lower case, positions as finite floats (m, rad), `detector`
    and `detector_config` (a dict) always present.

    place: for messages. Raises UserError for a file that is missing, no PONI, incomplete, too new.
    """
    raw: dict[str, Any] = {}
    for line in _text(Path(path), place).splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.lstrip().startswith("#"):
            raw[key.strip().lower()] = value.strip()
    if "distance" not in raw and "dist" in raw:
        raw["distance"] = raw.pop("dist")
    missing = [key for key in POSITIONS if key not in raw]
    if len(missing) > len(POSITIONS) // 2:
        raise _no_poni(f"it lacks {', '.join(missing)}", place)
    if missing:
        raise UserError(
            f"the PONI file lacks {', '.join(missing)}",
            place,
            "save the calibration again with all of them (wavelength in metres)",
        )
    version = finite_number(raw.get("poni_version", 1), "poni_version", place)
    if version > _NEWEST_VERSION:
        raise UserError(
            f"PONI version {version:g} is newer than {_NEWEST_VERSION:g}, the newest known one",
            place,
            "save it with an older pyFAI, or give the geometry as explicit parameters",
        )
    entries = raw | {key: finite_number(raw[key], key, place) for key in POSITIONS}
    entries["poni_version"] = max(version, 2.0) if "detector_config" in raw else version
    entries["detector"] = raw.get("detector", GENERIC_DETECTOR)
    entries["detector_config"] = _detector_config(raw.get("detector_config", "{}"), place)
    return entries


def is_file(path: str | Path) -> bool:
    """Whether a name, possibly an impossible one, is that of a file."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _text(path: Path, place: str) -> str:
    if not is_file(path):
        raise UserError("the geometry file does not exist", place, "check `geometry:`")
    if path.stat().st_size > _LARGEST_BYTES:
        raise _no_poni("it is far too large", place)
    content = path.read_bytes()
    if b"\0" in content:
        raise _no_poni("it is a binary file", place)
    return content.decode("utf-8-sig", errors="replace")


def _no_poni(why: str, place: str) -> UserError:
    return UserError(
        f"this is not a PONI file: {why}",
        place,
        "give the .poni file that pyFAI-calib2 saved, or explicit parameters",
    )


def finite_number(value: Any, key: str, place: str) -> float:
    """`value` as a float; raises UserError if it is no number, NaN or infinite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(
            f"{key} is {str(value)[:40]!r}, not a finite number", place, "mend the file"
        )
    return number


def _detector_config(text: str, place: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"Detector_config is no JSON ({error})", place, "mend the file") from error
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise UserError("Detector_config is no JSON object", place, "mend the file")
    return {key.lower(): value for key, value in config.items()}
