"""Where the rings of a calibrant lie.

A powder ring of lattice spacing d lies at q = 2 pi / d, or 2theta = 2 arcsin(lambda / 2d) (Bragg). The
d-spacings are those of pyFAI's calibrant files (NIST certificates for the SRM; silver behenate: Gilles et
al., J. Appl. Cryst. 31 (1998) 146).
"""

from __future__ import annotations

import numpy as np

from scatterflow.config.calibrant_names import known_calibrants
from scatterflow.errors import UserError, suggestion

WIDEST_WINDOW = 0.10
"""Half width of the window that a ring is looked for in, relative to its position, at most."""
MOST_RINGS = {"AgBh": 13}
"""Rings beyond these are not used: silver behenate's (00l) are distinct up to l = 13 (Huang et al.,
J. Appl. Cryst. 26 (1993) 180); above that other, unlisted reflections dominate."""

RING_UNITS = ("q_A^-1", "q_nm^-1", "2th_deg", "2th_rad")
"""pyFAI units of profiles that rings can be found in: the others need the distance."""


def calibrant_d_spacings(calibrant: str) -> np.ndarray:
    """d-spacings of a calibrant, angstrom, largest first, at most `MOST_RINGS` of them.

    Raises UserError if pyFAI does not know the calibrant.
    """
    from pyFAI.calibrant import CALIBRANT_FACTORY

    if calibrant not in CALIBRANT_FACTORY:
        raise UserError(
            f"{calibrant!r} is no calibrant that pyFAI knows",
            "calibrant",
            suggestion(calibrant, known_calibrants()),
        )
    spacings = np.unique(np.asarray(CALIBRANT_FACTORY(calibrant).dspacing, dtype=np.float64))[::-1]
    return spacings[: MOST_RINGS.get(calibrant)]


def ring_positions(
    d_spacings: np.ndarray, unit: str, wavelength_m: float | None = None
) -> np.ndarray:
    """Where rings of these d-spacings (angstrom) lie, in a pyFAI unit; NaN where 2d < lambda.

    unit: `q_A^-1`, `q_nm^-1`, `2th_deg` or `2th_rad`; for 2theta the wavelength (m) is needed.
    Raises UserError for other units, or without a wavelength.
    """
    _require_ring_unit(unit, wavelength_m)
    q = 2 * np.pi / np.asarray(d_spacings, dtype=np.float64)
    return _from_q(q, unit, wavelength_m)


def _require_ring_unit(unit: str, wavelength_m: float | None) -> None:
    if unit not in RING_UNITS:
        raise UserError(
            f"ring positions cannot be given in {unit!r}",
            "integration, unit",
            f"integrate calibrants in one of {', '.join(RING_UNITS)}",
        )
    if unit.startswith("2th") and not (wavelength_m and wavelength_m > 0):
        raise UserError(
            "ring positions in 2theta need the wavelength",
            "geometry",
            "give the wavelength in the geometry, or integrate in q",
        )


def _from_q(q: np.ndarray, unit: str, wavelength_m: float | None) -> np.ndarray:
    """q (1/angstrom) in a ring unit."""
    if unit == "q_A^-1":
        return q
    if unit == "q_nm^-1":
        return q * 10.0
    assert wavelength_m is not None  # `_require_ring_unit`
    sine = q * (wavelength_m * 1e10) / (4 * np.pi)
    two_theta = 2 * np.arcsin(np.where(sine <= 1, sine, np.nan))
    return np.degrees(two_theta) if unit == "2th_deg" else two_theta


def relative_offset(found: float, expected: float, unit: str) -> float:
    """(q found - q expected) / q expected of positions in a ring unit; the wavelength cancels."""
    if unit.startswith("q_"):
        return found / expected - 1
    half = 0.5 * np.array([found, expected])
    found_sine, expected_sine = np.sin(np.radians(half) if unit == "2th_deg" else half)
    return float(found_sine / expected_sine - 1)


def ring_window(positions: np.ndarray, number: int) -> tuple[float, float]:
    """Distance to the nearest other ring (inf: there is none), and half of the window to look for a ring in.

    positions: (rings,), NaN for rings that the wavelength does not reach; number: from 0, of one it does.
    """
    position = positions[number]
    distance = np.nanmin(np.abs(np.delete(positions, number) - position), initial=np.inf)
    return float(distance), float(min(distance / 2, WIDEST_WINDOW * position))
