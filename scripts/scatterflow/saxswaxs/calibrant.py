"""Calibrant check: measured ring positions against the d-spacings that pyFAI lists.

Each ring (`ring_positions`) is fitted by a Gaussian on a straight line (`ring_fit`). Offsets are given as
(q found - q expected) / q expected, whatever the unit of the profile, so that they compare with the
relative error of the distance (at small angles) and of the wavelength.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.atomic import write_text
from scatterflow.files.json import write_json
from scatterflow.saxswaxs.ring_fit import FEWEST_BINS, fit_ring
from scatterflow.saxswaxs.ring_positions import (
    calibrant_d_spacings,
    relative_offset,
    ring_positions,
    ring_window,
)

LEAST_COVERAGE = 0.5
"""Fraction of the window's bins that must be finite on each side of the ring."""
LEAST_SIGNIFICANCE = 5.0
"""A ring counts if its height is this many times the height's standard error."""
LEAST_CONTRAST = 0.05
"""A ring counts if it stands this far out of the background, relative to it: no ripples."""
TABLE_COLUMNS = (
    "ring",
    "d_spacing_A",
    "expected",
    "found",
    "found_error",
    "relative_offset",
    "relative_error",
    "width",
    "height",
    "background",
    "significance",
    "used",
    "why",
)


@dataclass(frozen=True)
class Ring:
    """One ring of a calibrant.

    number: 1 for the ring of the largest d-spacing.
    d_spacing: lattice spacing, angstrom.
    expected, found, found_error: position in the profile's unit; NaN where nothing was found.
    relative_offset, relative_error: (q found - q expected) / q expected and its standard error.
    width: full width at half maximum, in the profile's unit.
    height, background: fitted height above the background, and that, in the unit of the intensity.
    significance: height over its standard error.
    used: whether it counts for the verdict; why: the reason if not.
    """

    number: int
    d_spacing: float
    expected: float
    found: float = np.nan
    found_error: float = np.nan
    relative_offset: float = np.nan
    relative_error: float = np.nan
    width: float = np.nan
    height: float = np.nan
    background: float = np.nan
    significance: float = np.nan
    used: bool = False
    why: str = ""


@dataclass(frozen=True)
class RingCheck:
    """Result of a calibrant check.

    calibrant: pyFAI's name. unit: pyFAI unit of the profile.
    rings: every ring of the calibrant within the profile's range.
    rms: root mean square of the relative offsets of the rings used (NaN if none).
    tolerance: largest rms that passes.
    verdict: `pass`, `warn` or `fail`; sentence: the reason, for people.
    """

    calibrant: str
    unit: str
    rings: tuple[Ring, ...]
    rms: float
    tolerance: float
    verdict: str
    sentence: str


def check_rings(
    radial: np.ndarray,
    intensity: np.ndarray,
    sigma: np.ndarray | None,
    unit: str,
    calibrant: str,
    wavelength_m: float | None = None,
    tolerance: float = 1e-3,
) -> RingCheck:
    """Compare the rings of a radial profile with those of a calibrant.

    radial: (bins,) bin centres, increasing, in `unit`.
    intensity: (bins,), NaN where a bin has no pixel. sigma: (bins,) standard errors, or None.
    unit: pyFAI's name: q_A^-1, q_nm^-1, 2th_deg or 2th_rad. wavelength_m: needed for 2theta only.
    tolerance: largest rms of the relative offsets that passes.

    Raises UserError for another unit, an unknown calibrant, or 2theta without wavelength;
    ValueError for arrays that do not fit together.
    """
    radial = np.asarray(radial, dtype=np.float64)
    intensity = np.asarray(intensity, dtype=np.float64)
    sigma = None if sigma is None else np.asarray(sigma, dtype=np.float64)
    if radial.ndim != 1 or intensity.shape != radial.shape or radial.size < 2:
        raise ValueError(f"profile of shape {intensity.shape} on an axis of shape {radial.shape}")
    if sigma is not None and sigma.shape != radial.shape:
        raise ValueError(f"errors of shape {sigma.shape} for a profile of shape {radial.shape}")
    if not np.all(np.diff(radial) > 0):
        raise ValueError("the radial axis must increase")
    if not tolerance > 0:
        raise UserError("the tolerance must be greater than 0", "calibrant check, tolerance")

    spacings = calibrant_d_spacings(calibrant)
    expected = ring_positions(spacings, unit, wavelength_m)
    rings = tuple(
        _check_ring(number, spacings, expected, radial, intensity, sigma, unit)
        for number in range(1, len(spacings) + 1)
        if radial[0] <= expected[number - 1] <= radial[-1]
    )
    offsets = np.array([ring.relative_offset for ring in rings if ring.used])
    rms = float(np.sqrt(np.mean(offsets**2))) if offsets.size else float("nan")
    verdict, sentence = _judge(calibrant, rings, rms, tolerance)
    return RingCheck(calibrant, unit, rings, rms, tolerance, verdict, sentence)


def _check_ring(
    number: int,
    spacings: np.ndarray,
    expected: np.ndarray,
    radial: np.ndarray,
    intensity: np.ndarray,
    sigma: np.ndarray | None,
    unit: str,
) -> Ring:
    position = expected[number - 1]
    unfitted = Ring(number, float(spacings[number - 1]), float(position))
    distance, half = ring_window(expected, number - 1)
    window = np.abs(radial - position) <= half
    if why := _too_few_bins(radial, intensity, position, half, window):
        return replace(unfitted, why=why)

    good = window & np.isfinite(intensity)
    errors = None if sigma is None else sigma[good]
    peak = fit_ring(radial[good], intensity[good], errors, position)
    if peak is None:
        return replace(unfitted, why="no ring: the fit did not converge")
    ring = replace(
        unfitted,
        found=peak.centre,
        found_error=peak.centre_error,
        width=peak.width,
        height=peak.height,
        background=peak.background,
        significance=peak.height / peak.height_error,
    )
    if why := _no_ring(ring, distance, half, float(np.median(np.diff(radial[window])))):
        return replace(ring, why=why)
    return replace(
        ring,
        relative_offset=relative_offset(ring.found, ring.expected, unit),
        relative_error=relative_offset(ring.found + ring.found_error, ring.found, unit),
        used=True,
    )


def _too_few_bins(
    radial: np.ndarray, intensity: np.ndarray, position: float, half: float, window: np.ndarray
) -> str:
    """Why a window cannot be fitted, or ''."""
    if window.sum() < FEWEST_BINS:
        return "the next ring is too close for the bin width"
    if (
        position - LEAST_COVERAGE * half < radial[0]
        or position + LEAST_COVERAGE * half > radial[-1]
    ):
        return "too near the end of the profile"
    finite = np.isfinite(intensity)
    for side in (window & (radial <= position), window & (radial >= position)):
        if finite[side].sum() < LEAST_COVERAGE * side.sum():
            return "no data (masked)"
    if (window & finite).sum() < FEWEST_BINS:
        return "no data (masked)"
    return ""


def _no_ring(ring: Ring, distance: float, half: float, bin_width: float) -> str:
    """Why a fitted peak does not count, or ''."""
    if not ring.height > 0 or not ring.significance >= LEAST_SIGNIFICANCE:
        return f"too weak: {max(ring.significance, 0.0):.1f} standard errors above the background"
    if ring.height < LEAST_CONTRAST * ring.background:
        return f"too weak: {ring.height / ring.background:.1%} of the background"
    if ring.width < bin_width:
        return "narrower than a bin: a spike, not a ring"
    if abs(ring.found - ring.expected) > 0.9 * half:
        return "at the edge of its window: another peak, or far off"
    if ring.width > half:
        overlaps = distance / 2 <= half
        return "overlaps the next ring" if overlaps else "too broad: background, not a ring"
    return ""


def _judge(
    calibrant: str, rings: tuple[Ring, ...], rms: float, tolerance: float
) -> tuple[str, str]:
    """Verdict and the sentence that explains it."""
    used = [ring for ring in rings if ring.used]
    if not rings:
        return "warn", f"No ring of {calibrant} lies within the profile: nothing was checked."
    measurable = [ring for ring in rings if ring.used or not _without_data(ring)]
    if not measurable:
        return "warn", f"No ring of {calibrant} has enough data around it: nothing was checked."
    if not used:
        return "fail", (
            f"No ring of {calibrant} was found where {len(measurable)} could be: check the name of "
            "the sample, the geometry and the orientation of the image."
        )
    offsets = np.array([ring.relative_offset for ring in used])
    errors = np.array([ring.relative_error for ring in used])
    one = " (1 ring only: weak evidence)" if len(used) == 1 else ""
    measured = (
        f"{len(used)} of {len(rings)} rings of {calibrant} found{one}, rms offset {_short(rms)} "
        f"(tolerance {_short(tolerance)}{_uncertainty(errors, rms, tolerance)})"
    )
    if rms > tolerance:
        if np.all(np.abs(offsets) < 3 * errors):
            return "warn", f"{measured}: larger than allowed, but the rings are too noisy to tell."
        return "fail", f"{measured}: {_likely_cause(offsets, errors)}"
    worst = used[int(np.argmax(np.abs(offsets)))]
    if abs(worst.relative_offset) > tolerance:
        off = _short(worst.relative_offset, "+")
        return "warn", f"{measured}, but ring {worst.number} is off by {off}."
    if errors.min() > tolerance:
        return "warn", f"{measured}: no ring is measured well enough to tell."
    if len(used) < len(measurable) / 2:
        return "warn", f"{measured}, but more than half of the rings were not usable."
    return "pass", f"{measured}."


def _uncertainty(errors: np.ndarray, rms: float, tolerance: float) -> str:
    """How uncertain the offsets are, where it matters: beyond the offsets or the tolerance.

    Not where both are far within the tolerance.
    """
    typical = float(np.sqrt(np.mean(errors**2)))
    if typical <= max(min(rms, tolerance), tolerance / 10):
        return ""
    return f", offset{'s' if errors.size > 1 else ''} uncertain by {_short(typical)}"


def _short(value: float, sign: str = "") -> str:
    """4.5e-5 rather than 4.5e-05; sign `+`: always with sign."""
    return f"{value:{sign}.1e}".replace("e-0", "e-").replace("e+00", "")


def _without_data(ring: Ring) -> bool:
    return ring.why.startswith(("no data", "too near the end", "the next ring"))


def _likely_cause(offsets: np.ndarray, errors: np.ndarray) -> str:
    mean = float(np.mean(offsets))
    if np.sqrt(np.mean((offsets - mean) ** 2)) < 0.3 * abs(mean):
        lie = "all lie" if offsets.size > 1 else "it lies"
        return (
            f"{lie} at {'larger' if mean > 0 else 'smaller'} q by {abs(mean):.2%}, as if the "
            f"distance or the wavelength in the geometry were too "
            f"{'small' if mean > 0 else 'large'}."
        )
    # At wide angles a wrong distance L moves the rings by different amounts, but all to one side:
    # dq / q = -cos(theta)^2 cos(2 theta) dL / L.
    one_side = np.all(offsets > -2 * errors) or np.all(offsets < 2 * errors)
    suspects = "distance, beam centre" if one_side else "beam centre"
    return f"the offsets differ from ring to ring: check {suspects}, tilt and orientation."


def write_ring_table(path: str | Path, check: RingCheck) -> None:
    """Write a check as a tab-separated table, one line per ring; positions in the profile's unit.

    Positions carry their unit in the header (`found_q_A^-1`); what was not found is an empty cell.
    """
    names = [
        f"{name}_{check.unit}" if name in ("expected", "found", "found_error", "width") else name
        for name in TABLE_COLUMNS
    ]
    lines = ["\t".join(names)]
    for ring in check.rings:
        values = asdict(ring)
        numbers = [
            f"{values[name]:.8g}" if np.isfinite(values[name]) else ""
            for name in ("d_spacing", *TABLE_COLUMNS[2:11])
        ]
        lines.append(
            "\t".join([str(ring.number), *numbers, "yes" if ring.used else "no", ring.why])
        )
    write_text(path, "\n".join(lines) + "\n")


def write_ring_verdict(path: str | Path, check: RingCheck) -> None:
    """Write a check as JSON: calibrant, unit, rings, rms, tolerance, verdict, sentence."""
    write_json(path, asdict(check))
