"""The absolute factor C from a standard: its measured mean profile against its known curve.

The measurement m_j of each bin is k times the reference R_j, k = 1 / C:

    k = sum(m R / sigma^2) / sum(R^2 / sigma^2)        chi^2 = sum((m - k R)^2 / sigma^2)

This is the mean of the ratios m / R weighted by (R / sigma)^2. Its variance: that of the fit, enlarged by
the reduced chi^2 where that is above 1 (scatter), that of the quantities which all bins share (thickness,
monitors), and the reference's own, which is taken as common to all q.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.saxswaxs.corrections import MeanResult
from scatterflow.saxswaxs.monitors import violation
from scatterflow.saxswaxs.standard_curves import Curve

# A standard whose shape differs by more than noise and this share is another substance, or misaligned.
LARGEST_DEVIATION = 0.05
FEWEST_BINS = 3


@dataclass(frozen=True)
class AbsoluteFactor:
    """C and its relative variance; parameters: how it was found."""

    value: float
    relative_variance: float
    parameters: dict[str, Any]


def scattering_vector(values: np.ndarray, unit: str, wavelength_m: float) -> np.ndarray:
    """Radial values as q, 1/angstrom; raises UserError for a unit that is neither q nor 2theta."""
    if unit == "q_A^-1":
        return values
    if unit == "q_nm^-1":
        return values / 10
    if unit in ("2th_deg", "2th_rad"):
        angle = np.deg2rad(values) if unit == "2th_deg" else values
        return 4 * np.pi * np.sin(angle / 2) / (wavelength_m * 1e10)
    raise UserError(
        f"a standard cannot be compared in the unit {unit!r}",
        "key corrections.absolute.integration",
        "choose an azimuthal integration in q or 2theta",
    )


def given_factor(settings: Mapping[str, Any], detector: str, where: str) -> AbsoluteFactor:
    """C as the configuration gives it for a detector; raises UserError if it gives none."""
    factor = settings["factor"]
    if isinstance(factor, Mapping):
        if detector not in factor:
            raise UserError(
                f"no absolute factor for detector {detector!r}",
                f"key corrections.absolute.factor, {where}",
                f"give one for each detector; there are some for {', '.join(factor)}",
            )
        factor = factor[detector]
    uncertainty = settings["uncertainty"]
    return AbsoluteFactor(
        float(factor), uncertainty**2, {"factor": float(factor), "uncertainty": uncertainty}
    )


def fitted_factor(
    radial: np.ndarray,
    q: np.ndarray,
    measured: MeanResult,
    curve: Curve,
    settings: Mapping[str, Any],
    where: str,
    warnings: list[str],
) -> AbsoluteFactor:
    """C from the corrected mean profile of a standard.

    radial: (bins,) in the unit of `settings["range"]`; q: the same in 1/angstrom. Raises UserError if the
    range holds too few bins or is not that of the curve, or, as `on_violation` says, for another shape.
    """
    low, high = settings["range"]
    chosen = (radial >= low) & (radial <= high) & np.isfinite(measured.intensity)
    key = f"key corrections.absolute.range, {where}"
    if chosen.sum() < FEWEST_BINS:
        raise UserError(
            f"the range {low:g} to {high:g} holds {chosen.sum()} bins with a value",
            key,
            "choose a range that this detector covers; other detectors need a reduction of their own or "
            "`absolute.factor`",
        )
    if q[chosen].min() < curve.lowest or q[chosen].max() > curve.highest:
        raise UserError(
            f"{curve.name} is known from {curve.lowest:g} to {curve.highest:g} 1/angstrom, the range "
            f"reaches from {q[chosen].min():.4g} to {q[chosen].max():.4g}",
            key,
            "choose a range within",
        )
    reference = curve.values(q[chosen])
    found = measured.intensity[chosen]
    own, common = _variances(measured, chosen)
    usable = np.isfinite(own).all() and (own > 0).all()
    weights = reference / own if usable else reference
    gain = weights / np.sum(weights * reference)
    scale = float(np.sum(gain * found))
    if not scale > 0:
        raise UserError(
            f"the standard's mean intensity in the range is {scale:.3g} times its reference: not above 0",
            key,
            "check the run of the standard and its background",
        )
    residual = found - scale * reference
    freedom = found.size - 1
    chi_squared = float(np.sum(residual**2 / own) / freedom) if usable else np.nan
    fit = float(np.sum(gain**2 * own)) * max(1.0, chi_squared) if usable else 0.0
    if not usable:
        fit = float(np.sum(gain**2) * np.sum(residual**2) / freedom)
    shared = sum(float(np.sum(gain * coefficient)) ** 2 * v for coefficient, v in common)
    reference_error = float(np.sum(gain * reference * curve.uncertainty(q[chosen])))
    noise = float(np.mean(own)) if usable else 0.0
    deviation = np.sqrt(max(float(np.mean(residual**2)) - noise, 0.0)) / float(
        scale * np.mean(reference)
    )
    if deviation > LARGEST_DEVIATION and not chi_squared <= 2:
        violation(
            settings["on_violation"],
            warnings,
            f"the measured curve has not the shape of {curve.name}: it deviates by "
            f"{100 * deviation:.0f} % (reduced chi^2 {chi_squared:.3g})",
            where,
            "check the standard's run, its background and the range",
        )
    relative = (fit + shared) / scale**2 + reference_error**2
    return AbsoluteFactor(
        1 / scale,
        relative,
        {
            "factor": 1 / scale,
            "uncertainty": float(np.sqrt(relative)),
            "standard": curve.name,
            "bins": int(found.size),
            "reduced_chi_squared": chi_squared,
            "relative_deviation": float(deviation),
            "reference_uncertainty": reference_error,
        },
    )


def _variances(
    measured: MeanResult, chosen: np.ndarray
) -> tuple[np.ndarray, list[tuple[np.ndarray, float]]]:
    """Variance of each bin on its own, and (coefficients, variance) of what all bins share."""
    own = measured.independent[chosen].copy()
    common = []
    for coefficient, variance in measured.shared.values():
        if np.ndim(variance):
            own += coefficient[chosen] ** 2 * np.asarray(variance)[chosen]
        else:
            common.append((coefficient[chosen], float(variance)))
    return own, common
