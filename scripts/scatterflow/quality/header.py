"""The geometry that a raw file states against the one that was used.

From NeXus and Eiger master files: `instrument/detector` or `instrument/NAME`, `beam`, `monochromator`, in m,
angstrom and keV. From APS 8-ID's metadata: what `xpcs.acquisition` has read.

Raw files are often wrong about their units, mm for m or eV for keV; a factor of 1000, or of 10^10 for a
wavelength, that would make the two agree is therefore taken for the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.quality.checks import Finding, Measure, at_most, percent, unknown
from scatterflow.units import HC_KEV_METRE

_DISTANCE = ("distance", "detector_distance")
_WAVELENGTH = (
    *("beam/incident_wavelength", "monochromator/wavelength"),
    *("detector/detectorSpecific/wavelength", "detector/incident_wavelength"),
)
_ENERGY = (
    *("beam/incident_energy", "monochromator/energy"),
    *("detector/detectorSpecific/photon_energy", "detector/photon_energy"),
)
_SAME = 0.3


@dataclass(frozen=True)
class Stated:
    """Energy (keV), distance (m) and beam centre (row, column) in pixels, None where not said."""

    energy_keV: float | None = None
    distance_m: float | None = None
    row: float | None = None
    column: float | None = None


def header_measures(pairs: Mapping[str, tuple[Stated, Stated]]) -> dict[str, Measure]:
    """Checks of (header, used) by detector; of several the worst counts."""
    return {
        "header_energy": lambda limit: _relative(
            pairs, lambda item: item.energy_keV, "photon energy", "keV", limit
        ),
        "header_distance": lambda limit: _relative(
            pairs, lambda item: item.distance_m, "distance", "m", limit
        ),
        "header_beam_centre": lambda limit: _centre(pairs, limit),
    }


def stated_by_nexus(metadata: Mapping[str, Any], detector: str, used: Stated) -> Stated:
    """What single values of a NeXus file say of a detector. metadata: path -> value; used: for the units."""
    own = f"instrument/{detector}/"
    prefixes = (own, "instrument/detector/", "instrument/detector_1/")

    def number(*names: str) -> float | None:
        for name in names:
            for path, value in metadata.items():
                if f"/{path}".endswith(f"/{name}") and _is_number(value):
                    return float(value)
        return None

    def of_detector(*names: str) -> float | None:
        return number(*(prefix + name for prefix in prefixes for name in names))

    wavelength = number(*_WAVELENGTH)
    energy = number(*_ENERGY)
    if energy is not None:
        energy = _in_unit(energy, used.energy_keV, (1.0, 1e-3))
    elif wavelength is not None and used.energy_keV:
        own_wavelength = HC_KEV_METRE / used.energy_keV
        energy = HC_KEV_METRE / _in_unit(wavelength, own_wavelength, (1e-10, 1.0, 1e-9))
    distance = of_detector(*_DISTANCE)
    if distance is not None:
        distance = _in_unit(distance, used.distance_m, (1.0, 1e-3))
    row, column = of_detector("beam_center_y"), of_detector("beam_center_x")
    if not row and not column:  # a header that nobody has filled in
        row = column = None
    return Stated(energy, distance, row, column)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


def _in_unit(value: float, expected: float | None, scales: tuple[float, ...]) -> float:
    """The value times the scale that brings it near what is expected, else as it stands."""
    for scale in scales:
        if expected and abs(value * scale / expected - 1) < _SAME:
            return value * scale
    return value


def _relative(
    pairs: Mapping[str, tuple[Stated, Stated]],
    of: Callable[[Stated], float | None],
    what: str,
    unit: str,
    limit: float,
) -> Finding:
    found = {}
    for name, both in pairs.items():
        stated, own = map(of, both)
        if stated and own:
            found[name] = stated, own
    if not found:
        return unknown(f"The raw file does not state the {what}.")
    difference = {name: abs(header / used - 1) for name, (header, used) in found.items()}
    name = max(difference, key=lambda key: difference[key])
    header, used = found[name]
    return at_most(
        difference[name],
        limit,
        f"The {what} of {name} is {header:.5g} {unit} in the raw file and {used:.5g} {unit} in the geometry"
        f" ({percent(difference[name])} apart).",
        detector=name,
        header=header,
        used=used,
    )


def _centre(pairs: Mapping[str, tuple[Stated, Stated]], limit: float) -> Finding:
    found = {}
    for name, (header, used) in pairs.items():
        centres = _centre_of(header), _centre_of(used)
        if centres[0] is not None and centres[1] is not None:
            found[name] = centres[0], centres[1]
    if not found:
        return unknown("The raw file does not state the beam centre.")
    apart = {name: float(np.linalg.norm(header - used)) for name, (header, used) in found.items()}
    name = max(apart, key=lambda key: apart[key])
    stated, own = found[name]
    return at_most(
        apart[name],
        limit,
        f"The beam centre of {name} (row, column) is ({stated[0]:.1f}, {stated[1]:.1f}) in the raw file "
        f"and ({own[0]:.1f}, {own[1]:.1f}) in the geometry.",
        detector=name,
        header=stated,
        used=own,
    )


def _centre_of(item: Stated) -> np.ndarray | None:
    """(row, column), None where not said."""
    if item.row is None or item.column is None:
        return None
    return np.array([item.row, item.column])
