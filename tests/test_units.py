"""Units: the tables against pyFAI itself, the parser against lists of good and bad units."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.units import (
    AZIMUTHAL_UNITS,
    RADIAL_UNITS,
    axis_unit,
    check_seconds,
    check_unit,
)

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"

# pyFAI's units along two axes or with an angle of incidence, for its fibre integrator only.
FIBRE = (
    *("qx_", "qy_", "qxgi_", "qygi_", "qzgi_", "qip_", "qoop_", "qtot_"),
    *("scattering_angle", "exit_angle"),
)


def test_names_are_those_of_pyfai():
    from pyFAI import units

    assert set(RADIAL_UNITS) == {name for name in units.RADIAL_UNITS if not name.startswith(FIBRE)}
    assert set(AZIMUTHAL_UNITS) <= set(units.AZIMUTHAL_UNITS)
    assert set(AZIMUTHAL_UNITS) == {"chi_deg", "chi_rad"}


def scattering():
    """q (1/m), 2theta (rad) and r (m) at one pixel centre, by hand."""
    wavelength, distance, r = 1.2e-10, 0.5, 0.05
    angle = np.arctan2(r, distance)
    return 4 * np.pi / wavelength * np.sin(angle / 2), angle, r


METRES = {"1/nm": 1e9, "1/angstrom": 1e10, "m": 1, "mm": 1e-3, "nm": 1e-9, "angstrom": 1e-10}
METRES |= {"1/nm^2": 1e18, "1/angstrom^2": 1e20, "rad": 1, "degree": np.pi / 180}


@pytest.mark.parametrize("name", [name for name, unit in RADIAL_UNITS.items() if unit.nexus])
def test_nexus_units_say_what_pyfai_computes(name):
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    q, angle, r = scattering()
    quantities = {"q": q, "2theta": angle, "r": r, "d": 2 * np.pi / q}
    quantities["d*2"] = (q / (2 * np.pi)) ** 2
    detector = Detector(1e-3, 1e-3, max_shape=(2, 2))
    geometry = AzimuthalIntegrator(
        dist=0.5, poni1=-0.0295, poni2=-0.0395, detector=detector, wavelength=1.2e-10
    )
    found = geometry.center_array((2, 2), unit=name, scale=True)[0, 0]  # y, x = 30, 40 mm
    unit = RADIAL_UNITS[name]
    assert found * METRES[unit.nexus] == pytest.approx(quantities[unit.quantity], rel=1e-6)


def test_units_without_dimension_are_logarithms():
    for name, unit in (RADIAL_UNITS | AZIMUTHAL_UNITS).items():
        assert unit.name == name
        assert (unit.nexus == "") == name.endswith("_None")
        check_unit(unit.nexus)  # what results state is what the configuration accepts


@pytest.mark.parametrize("unit", [*RADIAL_UNITS.values(), *AZIMUTHAL_UNITS.values()])
def test_labels_are_mathtext(unit):
    from matplotlib.mathtext import MathTextParser

    width = MathTextParser("path").parse(unit.label).width
    assert width > 0
    assert unit.label.count("$") % 2 == 0


def test_unknown_axis_unit_is_refused_with_the_nearest():
    assert axis_unit("q_nm^-1").nexus == "1/nm"
    assert axis_unit("chi_deg").quantity == "chi"
    with pytest.raises(ValueError, match="did you mean 'q_A\\^-1'"):
        axis_unit("q_A-1")


@pytest.mark.parametrize(
    "text",
    [
        *("", "counts", "s", "ms", "us", "µs", "mm", "um", "nm", "m", "cm", "angstrom", "Å"),
        *("deg", "rad", "mrad", "K", "degC", "eV", "keV", "mA", "A", "V", "Hz", "kHz", "percent"),
        *("%", "Pa", "bar", "mbar", "1/s", "counts/s", "mA*s", "mA s", "mA·s", "mm^2", "mm**2"),
        *("s^-1", "s-1", "m s^-2", "kg/m/s^2", "1/angstrom", "counts / s", "A/m^2", "1/A^-1"),
    ],
)
def test_good_units(text):
    check_unit(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Counts", "'counts'"),
        ("cts", "counts"),
        ("sec", "write s"),
        ("secnd", "'s'"),
        ("MM", "known are"),
        ("angstom", "'angstrom'"),
        ("celsius", "degC"),
        ("C", "degC"),
        ("°C", "degC"),
        ("micron", "um"),
        ("a.u.", "dimensionless"),
        ("counts/sec", "write s"),
        ("counts/", "no unit"),
        ("/s", "no unit"),
        ("s//m", "no unit"),
        ("*", "no unit"),
        ("mm^^2", "no unit"),
        ("mm^x", "no unit"),
        ("J/(kg K)", "no unit"),
        ("2", "no unit"),
        (" s", "blanks"),
        ("s\n", "blanks"),
        ("m" * 99, "too long"),
        ("1/A", "angstrom"),
        ("A^-1", "angstrom"),
        ("A-2", "angstrom"),
        ("kcounts", "counts"),
    ],
)
def test_bad_units_are_refused_with_what_is_meant(text, hint):
    with pytest.raises(ValueError) as refusal:
        check_unit(text)
    assert hint in str(refusal.value)


def test_tables_do_not_import_pyfai():
    code = "import sys, scatterflow.units; print('pyFAI' in sys.modules, 'numpy' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=SCRIPTS, check=True
    )
    assert found.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("unit", ["ms", "us", "msec", "milliseconds", "min", "minutes", "h"])
def test_durations_in_other_units_than_seconds_are_refused(unit):
    with pytest.raises(UserError, match=f"'t' is in {unit}"):
        check_seconds("t", unit, "run a")
    for seconds in ("s", "sec", "seconds", ""):
        check_seconds("t", seconds, "run a")
