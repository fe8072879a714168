"""Bins that several detectors share, so that their sums can be added.

Ranges that the configuration leaves open become those that all detectors cover together, by the
positions of their pixels: corners, or centres where pixels are not split. Masks play no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.saxswaxs.azimuth import FULL_CIRCLE, is_reversed, mirrored

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

LARGEST_WAVELENGTH_DIFFERENCE = 1e-4


def common_bins(
    integration: Mapping[str, Any], integrators: Mapping[str, AzimuthalIntegrator]
) -> dict[str, Any]:
    """The integration with ranges that are the same for all detectors.

    integration: as the configuration's model dumps it; integrators: by detector.
    Raises UserError if the wavelengths differ.
    """
    check_wavelengths(integrators)
    settings = dict(integration)
    if settings["radial_range"] is None:
        settings["radial_range"] = _union(
            _radial_range(item, settings) for item in integrators.values()
        )
    if settings["azimuth_range"] is None and settings["kind"] != "azimuthal":
        settings["azimuth_range"] = _in_direction(
            _union(_azimuth_range(item, settings) for item in integrators.values()), settings
        )
    return settings


def check_wavelengths(integrators: Mapping[str, AzimuthalIntegrator]) -> None:
    """Raise UserError if wavelengths differ by more than 1e-4: at one q would be another angle."""
    first, *others = integrators
    reference = integrators[first].wavelength
    for name in others:
        wavelength = integrators[name].wavelength
        if abs(wavelength / reference - 1) > LARGEST_WAVELENGTH_DIFFERENCE:
            raise UserError(
                f"the geometries of detectors that are merged have different wavelengths: "
                f"{reference * 1e10:.6g} angstrom ({first}), {wavelength * 1e10:.6g} angstrom ({name})",
                f"detectors.{first}.geometry, detectors.{name}.geometry",
                "correct the geometries, or integrate the detectors apart (merge: false)",
            )


def _union(ranges: Iterable[tuple[float, float]]) -> tuple[float, float]:
    low, high = zip(*ranges, strict=True)
    return min(low), max(high)


def _radial_range(
    integrator: AzimuthalIntegrator, settings: Mapping[str, Any]
) -> tuple[float, float]:
    values = _positions(integrator, settings, settings["unit"], 0)
    return float(values.min()), float(values.max())


def _azimuth_range(
    integrator: AzimuthalIntegrator, settings: Mapping[str, Any]
) -> tuple[float, float]:
    """In pyFAI's direction, degrees."""
    if settings["chi_discontinuity"] == 0:
        integrator.setChiDiscAtZero()
        lowest = 0.0
    else:
        integrator.setChiDiscAtPi()
        lowest = -FULL_CIRCLE / 2
    values = _positions(integrator, settings, "chi_deg", 1)
    # Corners of pixels across the discontinuity may lie beyond it.
    return (
        max(float(values.min()), lowest),
        min(float(values.max()), lowest + FULL_CIRCLE),
    )


def _positions(
    integrator: AzimuthalIntegrator, settings: Mapping[str, Any], unit: str, coordinate: int
) -> np.ndarray:
    """Radial (0) or azimuthal (1) position of all pixel corners, or centres, in the unit."""
    shape = integrator.detector.shape
    if settings["split"] == "no":
        return integrator.array_from_unit(shape, "center", unit, scale=True)
    if coordinate == 1:
        corners = integrator.array_from_unit(shape, "corner", settings["unit"], scale=False)
        return np.degrees(corners[..., 1])
    return integrator.array_from_unit(shape, "corner", unit, scale=True)[..., 0]


def _in_direction(limits: tuple[float, float], settings: Mapping[str, Any]) -> tuple[float, float]:
    if not is_reversed(settings):
        return limits
    low, high = mirrored(limits)
    turn = FULL_CIRCLE if settings["chi_discontinuity"] == 0 else 0.0
    return low + turn, high + turn
