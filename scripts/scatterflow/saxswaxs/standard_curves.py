"""Curves of standards for the absolute scale: differential cross section per volume, 1/cm.

Water scatters evenly at small angles, by its density fluctuations:

    dSigma/dOmega = (n r_e)^2 k T kappa      n electrons per volume, kappa isothermal compressibility

taken relative to 1.632e-2 1/cm at 20 degrees Celsius (Orthaber, Bergmann & Glatter, J. Appl. Cryst. 33 (2000)
218); the formula itself gives 1.642e-2. Density and compressibility: Kell, J. Chem. Eng. Data 20 (1975) 97.

Glassy carbon: NIST SRM 3600, certificate of analysis (2016), table 1 with combined standard uncertainties;
Allen et al., J. Appl. Cryst. 50 (2017) 462.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scatterflow.errors import UserError

WATER_AT_20 = 1.632e-2
KELVIN = 273.15

# q (1/angstrom), dSigma/dOmega (1/cm), its combined standard uncertainty (1/cm).
SRM_3600 = """
    0.00827568 34.933380 0.901092
    0.0088845 34.427156 0.888034
    0.00954735 34.042170 0.878103
    0.010269 33.698553 0.869240
    0.0110578 33.352529 0.860314
    0.0119183 33.027533 0.851931
    0.0128611 32.665045 0.842581
    0.0138934 32.306665 0.833337
    0.0150251 31.970485 0.824665
    0.0162685 31.559099 0.814053
    0.0176365 31.183763 0.804372
    0.0191432 30.861805 0.796067
    0.0208051 30.514300 0.787103
    0.0226422 30.084982 0.776029
    0.024675 29.690414 0.765852
    0.0269289 29.249965 0.754490
    0.0294317 28.889970 0.745204
    0.0322156 28.449341 0.733839
    0.0353181 28.065980 0.723950
    0.0387827 27.704965 0.714638
    0.0426588 27.331304 0.704999
    0.0470039 26.974065 0.695784
    0.0518858 26.676952 0.688121
    0.0573814 26.401158 0.681007
    0.0635829 26.177427 0.675236
    0.0705962 25.904683 0.668200
    0.0785484 25.528734 0.658503
    0.0875863 24.917743 0.642743
    0.0978854 23.946472 0.617689
    0.109655 22.472101 0.579658
    0.114312 21.777228 0.561734
    0.118395 21.112938 0.544599
    0.122624 20.401110 0.526238
    0.123142 20.287060 0.523296
    0.127004 19.685107 0.507769
    0.13154 18.909809 0.487770
    0.136239 18.089242 0.466604
    0.138643 17.679572 0.456037
    0.141105 17.264117 0.445321
    0.146145 16.372848 0.422331
    0.151365 15.458350 0.398742
    0.156513 14.587700 0.376284
    0.156771 14.563071 0.375648
    0.162371 13.616671 0.351236
    0.16817 12.668549 0.326780
    0.174177 11.752287 0.303145
    0.177181 11.311460 0.291774
    0.180398 10.862157 0.280185
    0.186841 9.961979 0.256965
    0.193515 9.116906 0.235167
    0.200427 8.325578 0.214755
    0.201165 8.224897 0.212158
    0.207586 7.541931 0.194541
    0.215 6.854391 0.176806
    0.222679 6.216070 0.160341
    0.229095 5.715911 0.147439
    0.230633 5.582366 0.143995
    0.238871 4.999113 0.128950
    0.247402 4.463604 0.115137
"""


@dataclass(frozen=True)
class Curve:
    """A standard. name: for people; lowest, highest: q that it is known for, 1/angstrom; values: function of
    q (1/angstrom, (n,)) giving 1/cm; uncertainty: function of q, relative, taken as common to all q."""

    name: str
    lowest: float
    highest: float
    values: Callable[[np.ndarray], np.ndarray]
    uncertainty: Callable[[np.ndarray], np.ndarray]


def standard_curve(standard: str, temperature_celsius: float, uncertainty: float) -> Curve:
    """The curve of `water`, `glassy_carbon` or a table; raises UserError for a table that is none.

    uncertainty: relative, of curves that have none of their own.
    """
    if standard == "water":
        level = water_level(temperature_celsius)
        return Curve(
            f"water at {temperature_celsius:g} degrees Celsius",
            0.0,
            np.inf,
            lambda q: np.full(q.shape, level),
            lambda q: np.full(q.shape, uncertainty),
        )
    if standard == "glassy_carbon":
        table = np.array(SRM_3600.split(), dtype=np.float64).reshape(-1, 3)
        return _tabulated("glassy carbon, NIST SRM 3600", table, uncertainty)
    return _tabulated(standard, read_table(standard), uncertainty)


def water_level(temperature_celsius: float) -> float:
    """dSigma/dOmega of water at small angles, 1/cm; 0 to 100 degrees Celsius."""
    return WATER_AT_20 * _fluctuations(temperature_celsius) / _fluctuations(20.0)


def _fluctuations(celsius: float) -> float:
    """density^2 T kappa, arbitrary unit."""
    return water_density(celsius) ** 2 * (celsius + KELVIN) * water_compressibility(celsius)


def water_density(celsius: float) -> float:
    """Density of water at 1 atm, kg/m^3 (Kell 1975)."""
    powers = np.array(
        [999.83952, 16.945176, -7.9870401e-3, -46.170461e-6, 105.56302e-9, -280.54253e-12]
    )
    return float(np.polynomial.polynomial.polyval(celsius, powers) / (1 + 16.879850e-3 * celsius))


def water_compressibility(celsius: float) -> float:
    """Isothermal compressibility of water at 1 atm, 1/Pa (Kell 1975)."""
    powers = np.array([50.88496, 0.6163813, 1.459187e-3, 20.08438e-6, -58.47727e-9, 410.4110e-12])
    value = np.polynomial.polynomial.polyval(celsius, powers) / (1 + 19.67348e-3 * celsius)
    return float(value * 1e-11)  # from 1e-6 per bar


def read_table(path: str) -> np.ndarray:
    """A table of 2 or 3 columns as (rows, 2 or 3) float64; text, numbers apart by blanks or commas.

    Raises UserError naming file and line.
    """
    how = "give columns q (1/angstrom), intensity (1/cm) and, if known, its standard uncertainty (1/cm)"
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"the table of the standard cannot be read ({error})", path, how) from None
    except UnicodeDecodeError:
        raise UserError("the table of the standard is no text", path, how) from None
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        cells = line.split("#")[0].replace(",", " ").split()
        if not cells:
            continue
        try:
            row = [float(cell) for cell in cells]
        except ValueError:
            if not rows:
                continue  # a heading
            raise UserError(
                f"{line.strip()!r} is no row of numbers", f"{path}, line {number}", how
            ) from None
        if len(row) not in (2, 3) or (rows and len(row) != len(rows[0])):
            raise UserError(f"{len(row)} columns", f"{path}, line {number}", how)
        rows.append(row)
    table = np.array(rows, dtype=np.float64)
    if len(rows) < 2 or not (np.isfinite(table).all() and (table[:, :2] > 0).all()):
        raise UserError("the table needs at least two rows of numbers above 0", path, how)
    if not (np.diff(table[:, 0]) > 0).all():
        raise UserError("q does not ascend from row to row", path, "sort the table by q")
    return table


def _tabulated(name: str, table: np.ndarray, uncertainty: float) -> Curve:
    """Interpolated as log I over log q."""
    logs = np.log(table[:, :2])
    relative = table[:, 2] / table[:, 1] if table.shape[1] == 3 else None

    def values(q: np.ndarray) -> np.ndarray:
        return np.exp(np.interp(np.log(q), logs[:, 0], logs[:, 1]))

    def errors(q: np.ndarray) -> np.ndarray:
        if relative is None:
            return np.full(q.shape, uncertainty)
        return np.interp(q, table[:, 0], relative)

    return Curve(name, float(table[0, 0]), float(table[-1, 0]), values, errors)
