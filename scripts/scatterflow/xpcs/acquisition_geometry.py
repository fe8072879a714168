"""The geometry that acquisition metadata describe, in pyFAI's terms: a start for a calibration.

Without tilt, so the direct beam meets the detector at the point of normal incidence; pyFAI counts
from the corner of the first pixel, the metadata from its centre: half a pixel more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.units import HC_KEV_METRE
from scatterflow.xpcs.acquisition import Acquisition


def geometry_parameters(acquisition: Acquisition, where: str) -> dict[str, float]:
    """The geometry as a `geometry:` block of the configuration: pyFAI's parameters, no tilt.

    Raises UserError if something is not known. where: the file, for messages.
    """
    needed: dict[str, Any] = {
        "distance": acquisition.distance_m,
        "energy": acquisition.energy_kev,
        "row of the beam centre": acquisition.beam_centre_row,
        "column of the beam centre": acquisition.beam_centre_column,
        "pixel size": acquisition.pixel_size_m,
    }
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise UserError(
            f"the metadata do not tell the {', the '.join(missing)}",
            where,
            "write the geometry by hand, or calibrate",
        )
    distance, energy, row, column, (pixel1, pixel2) = needed.values()
    return {
        "distance_m": distance,
        "poni1_m": (row + 0.5) * pixel1,
        "poni2_m": (column + 0.5) * pixel2,
        "wavelength_m": HC_KEV_METRE / energy,
        "pixel1_m": pixel1,
        "pixel2_m": pixel2,
    }


def poni_text(acquisition: Acquisition, where: str) -> str:
    """The geometry as the text of a PONI file (version 2.1). Raises UserError as above."""
    numbers = geometry_parameters(acquisition, where)
    config = {
        "pixel1": numbers["pixel1_m"],
        "pixel2": numbers["pixel2_m"],
        "max_shape": None,
        "orientation": 3,
    }
    lines = [
        f"# From the metadata of {Path(where).name}, by scatterflow",
        "poni_version: 2.1",
        "Detector: Detector",
        f"Detector_config: {json.dumps(config)}",
        f"Distance: {numbers['distance_m']!r}",
        f"Poni1: {numbers['poni1_m']!r}",
        f"Poni2: {numbers['poni2_m']!r}",
        *(f"Rot{axis}: 0.0" for axis in (1, 2, 3)),
        f"Wavelength: {numbers['wavelength_m']!r}",
    ]
    return "\n".join(lines) + "\n"
