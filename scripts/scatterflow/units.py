"""Names of units: of integrated axes, and of whatever the user measures beside the detectors.

Axes take pyFAI's names (`q_nm^-1`, `2th_deg`, ...; pyfai.readthedocs.io, `pyFAI.units`), so that a
configuration reads as in pyFAI; the table gives what results and plots need, without importing it.
Left out are its units along two axes, or with an angle of incidence (fibre, grazing incidence).

Scalars take a product of powers of known symbols: `counts`, `mm`, `1/s`, `mA*s`, `s^-1`. Symbols
are those of the SI and UDUNITS (which NeXus asks for): A is ampere, angstrom is written out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from scatterflow.errors import UserError, suggestion

HC_KEV_METRE = 12.398419843320026e-10  # CODATA 2018, exact


@dataclass(frozen=True)
class AxisUnit:
    """One unit of an axis.

    name: pyFAI's name. quantity: name of the axis in result files. nexus: unit string for NeXus
    (empty: dimensionless). label: axis label for plots, matplotlib's mathtext.
    """

    name: str
    quantity: str
    nexus: str
    label: str


def _table(*rows: tuple[str, str, str, str]) -> dict[str, AxisUnit]:
    return {row[0]: AxisUnit(*row) for row in rows}


RADIAL_UNITS = _table(
    ("q_nm^-1", "q", "1/nm", r"$q$ ($\mathrm{nm}^{-1}$)"),
    ("q_A^-1", "q", "1/angstrom", r"$q$ ($\mathrm{\AA}^{-1}$)"),
    ("2th_deg", "2theta", "degree", r"$2\theta$ ($\degree$)"),
    ("2th_rad", "2theta", "rad", r"$2\theta$ (rad)"),
    ("r_mm", "r", "mm", r"$r$ (mm)"),
    ("r_m", "r", "m", r"$r$ (m)"),
    ("d_m", "d", "m", r"$d$ (m)"),
    ("d_nm", "d", "nm", r"$d$ (nm)"),
    ("d_A", "d", "angstrom", r"$d$ ($\mathrm{\AA}$)"),
    ("d*2_nm^-2", "d*2", "1/nm^2", r"$d^{*2}$ ($\mathrm{nm}^{-2}$)"),
    ("d*2_A^-2", "d*2", "1/angstrom^2", r"$d^{*2}$ ($\mathrm{\AA}^{-2}$)"),
    ("log10(q.m)_None", "log10(q.m)", "", r"$\log_{10}(q\cdot\mathrm{m})$"),
    ("log(q.nm)_None", "log(q.nm)", "", r"$\ln(q\cdot\mathrm{nm})$"),
    ("log(1+q.nm)_None", "log(1+q.nm)", "", r"$\ln(1+q\cdot\mathrm{nm})$"),
    ("log(1+q.A)_None", "log(1+q.A)", "", r"$\ln(1+q\cdot\mathrm{\AA})$"),
    ("arcsinh(q.nm)_None", "arcsinh(q.nm)", "", r"$\mathrm{arsinh}(q\cdot\mathrm{nm})$"),
    ("arcsinh(q.A)_None", "arcsinh(q.A)", "", r"$\mathrm{arsinh}(q\cdot\mathrm{\AA})$"),
)
"""Radial units by pyFAI's name."""

Q_UNITS = ("q_nm^-1", "q_A^-1")
"""Units of q itself."""

AZIMUTHAL_UNITS = _table(
    ("chi_deg", "chi", "degree", r"$\chi$ ($\degree$)"),
    ("chi_rad", "chi", "rad", r"$\chi$ (rad)"),
)
"""Azimuthal units by pyFAI's name."""


def axis_unit(name: str) -> AxisUnit:
    """The unit of a radial or azimuthal axis; raises ValueError with the nearest known name."""
    units = RADIAL_UNITS | AZIMUTHAL_UNITS
    if name not in units:
        raise ValueError(f"{name!r} is no unit of an axis: {suggestion(name, units)}")
    return units[name]


_WITH_PREFIX = (
    *("s", "m", "g", "A", "K", "V", "W", "Hz", "N", "Pa", "J", "eV", "bar", "rad", "sr", "mol"),
    *("L", "F", "H", "T", "ohm", "Gy"),
)
_PREFIXES = ("", "f", "p", "n", "u", "µ", "μ", "m", "k", "M", "G", "T")  # micro in both code points
_ALONE = (
    *("count", "counts", "photon", "photons", "pulse", "pulses", "event", "events", "frame"),
    *("frames", "pixel", "pixels", "step", "steps", "bit", "bits", "ADU", "angstrom", "Å"),
    *("cm", "dm", "hPa", "deg", "degree", "degrees", "arcsec", "arcmin", "degC", "degF", "min"),
    *("h", "hour", "day", "percent", "%", "ppm", "atm", "torr", "psi", "rpm", "coulomb", "1"),
)
_KNOWN = {prefix + symbol for symbol in _WITH_PREFIX for prefix in _PREFIXES} | set(_ALONE)

_MEANT = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "usec": "us",
    "minute": "min",
    "minutes": "min",
    "hours": "h",
    "days": "day",
    "meter": "m",
    "metre": "m",
    "micron": "um",
    "microns": "um",
    "angstroms": "angstrom",
    "Angstrom": "angstrom",
    "ang": "angstrom",
    "radian": "rad",
    "radians": "rad",
    "kelvin": "K",
    "Kelvin": "K",
    "celsius": "degC",
    "Celsius": "degC",
    "C": "degC (temperature) or coulomb (charge)",
    "°C": "degC",
    "°": "deg",
    "amp": "A",
    "ampere": "A",
    "volt": "V",
    "volts": "V",
    "hertz": "Hz",
    "cts": "counts",
    "ct": "counts",
    "cps": "counts/s",
    "pct": "percent",
    "a.u.": "nothing: an empty unit is dimensionless",
    "arb": "nothing: an empty unit is dimensionless",
    "none": "nothing: an empty unit is dimensionless",
    "None": "nothing: an empty unit is dimensionless",
}

_FACTOR = re.compile(r"(?P<symbol>[^\s*/^·.\d()+-]+|1|°C)(?:(?:\^|\*\*)?(?P<power>[+-]?\d))?\Z")
_LONGEST = 60


def check_unit(text: str) -> None:
    """Check a scalar's unit: empty (dimensionless) or a product of powers of known symbols.

    Factors are joined by `*`, `·`, a blank or `/` (which divides by the one factor after it); a
    power is a digit with or without `^` or `**`: `mm^2`, `s^-1`, `s-1`. Raises ValueError with what
    is probably meant.
    """
    if text == "":
        return
    if len(text) > _LONGEST or text != text.strip():
        raise ValueError(f"{text[:_LONGEST]!r} is no unit: too long, or blanks around it")
    parts = re.split(r"\s*(/|(?<!\*)\*(?!\*)|·|\s)\s*", text)
    joiners = ["*", *parts[1::2]]
    for joiner, factor in zip(joiners, parts[::2], strict=True):
        _check_factor(factor, joiner == "/", text)


def _check_factor(factor: str, divided: bool, text: str) -> None:
    match = _FACTOR.match(factor)
    symbol = match["symbol"] if match else factor
    if symbol in _MEANT:
        raise ValueError(f"unit {text!r}: {symbol!r} is not known; write {_MEANT[symbol]}")
    if match is None:
        raise ValueError(f"{text!r} is no unit: write factors as in counts/s, mA*s, mm^2 or s^-1")
    if symbol not in _KNOWN:
        raise ValueError(f"unit {text!r}: {symbol!r} is not known; {_near(symbol)}")
    negative = (match["power"] or "1").startswith("-") != divided
    if symbol == "A" and negative:
        raise ValueError(f"unit {text!r}: A is ampere; write angstrom (1/angstrom)")


def _near(symbol: str) -> str:
    # Among plain words only: of the symbols of one or two letters some are near to anything.
    words = [word for word in (*_ALONE, *_MEANT, "keV", "kHz", "MHz", "kPa") if len(word) > 2]
    for near in get_close_matches(symbol, words, n=1, cutoff=0.6):
        return f"did you mean {_MEANT.get(near, near)!r}?"
    return (
        "known are SI symbols (s, mm, keV, ...), counts, angstrom, deg, degC, percent and the like"
    )


# Durations are used in seconds; a unit that is no time at all is the user's affair.
_OTHER_TIMES = {f"{prefix}s" for prefix in _PREFIXES if prefix} | {
    *("min", "h", "hour", "day", "d"),
    *(f"{size}second{ending}" for size in ("milli", "micro", "nano") for ending in ("", "s")),
}


def check_seconds(name: str, unit: str, where: str) -> None:
    """Raise UserError if a scalar that is used as a duration in s has another unit of time."""
    if _MEANT.get(unit, unit) in _OTHER_TIMES:
        raise UserError(
            f"{name!r} is in {unit}, and is to be used as a duration in s",
            where,
            "add a scalar of type expression with unit s that converts it, and name that one",
        )
