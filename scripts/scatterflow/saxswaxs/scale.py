"""The scale of intensities, one for azimuthal, cake and radial integrations.

An intensity is the counts of a pixel divided by its solid angle relative to that of a reference pixel:
one at the point of normal incidence (PONI), whose solid angle is pixel1 x pixel2 / distance^2 (pyFAI,
`Geometry.solidAngleArray`). So `per_pixel` gives the counts of that reference pixel; in an
integration that merges detectors, that of the first one for all of them. `per_steradian` divides by its
solid angle: pyFAI's `MultiGeometry`, and CHAP's azimuthal and cake integrations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

PER_STERADIAN = "per_steradian"
SCALE_ERROR = "relative_scale_error"
"""Attribute of standard errors: the part, relative to the intensity, that all bins and frames share."""
UNITS = {"per_pixel": "counts", PER_STERADIAN: "counts/sr"}


def unshared(errors: np.ndarray, values: np.ndarray, scale: float) -> np.ndarray:
    """Standard errors without that of the scale, which is relative to the values; of the same shape."""
    if scale == 0:
        return errors
    return np.sqrt(np.maximum(errors**2 - (scale * values) ** 2, 0.0))


def intensity_label(settings: Mapping[str, Any]) -> str:
    """What intensities are after these corrections, for axes."""
    if settings.get("absolute"):
        return "differential cross section (1/cm)"
    flux = settings.get("flux")
    label = "counts/s per pixel" if flux and flux["dwell_time"] else "counts per pixel"
    if flux:
        label += f", normalised to {flux['monitor']}"
    if settings.get("background") is not None:
        label += ", less background"
    if settings.get("thickness") is not None:
        label += ", per cm"
    return f"intensity ({label})"


def labelled(label: str, integration: Mapping[str, Any]) -> str:
    """A label of intensities per pixel, as it is on the integration's scale."""
    if integration["intensity"] == PER_STERADIAN:
        return label.replace("per pixel", "per steradian")
    return label


def pixel_solid_angle(integrator: AzimuthalIntegrator) -> float:
    """Solid angle of a pixel at the point of normal incidence, sr."""
    detector = integrator.detector
    return float(detector.pixel1 * detector.pixel2 / integrator.dist**2)


def weight_scale(
    integrator: AzimuthalIntegrator, reference: AzimuthalIntegrator, integration: Mapping[str, Any]
) -> float:
    """What the relative solid angles of a detector's pixels are multiplied by: sr, or a ratio.

    reference: the detector whose pixel the intensities refer to. Without correction for the solid angle
    counts are taken as they are: 1.
    """
    if not integration["solid_angle"]:
        return 1.0
    if integration["intensity"] == PER_STERADIAN:
        return pixel_solid_angle(integrator)
    return pixel_solid_angle(integrator) / pixel_solid_angle(reference)
