"""The absolute scale: curves of standards, and the factor fitted to them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.saxswaxs.absolute import scaled
from scatterflow.saxswaxs.corrections import Chain, Factors, MeanResult, correct
from scatterflow.saxswaxs.merge import sums
from scatterflow.saxswaxs.standard_curves import (
    SRM_3600,
    read_table,
    standard_curve,
    water_compressibility,
    water_density,
    water_level,
)
from scatterflow.saxswaxs.standards import (
    AbsoluteFactor,
    fitted_factor,
    given_factor,
    scattering_vector,
)

from .chains import run, task

Q = np.linspace(0.02, 0.2, 60)
SETTINGS = {"range": (0.03, 0.18), "on_violation": "error", "uncertainty": 0.0, "factor": None}


def test_water():
    """Density and compressibility: CRC Handbook; levels: Orthaber et al. (2000), figure and text."""
    assert water_density(20) == pytest.approx(998.207, abs=5e-3)
    assert water_density(4) == pytest.approx(999.975, abs=5e-3)
    assert water_compressibility(20) == pytest.approx(4.589e-10, rel=1e-3)
    assert water_compressibility(60) == pytest.approx(4.45e-10, rel=2e-3)
    assert water_level(20) == pytest.approx(1.632e-2)
    # (n r_e)^2 k T kappa with the constants of CODATA: within 1 % of the accepted level.
    electrons = water_density(25) / 18.01528e-3 * 6.02214076e23 * 10
    level = (electrons * 2.8179403e-15) ** 2 * 1.380649e-23 * 298.15 * water_compressibility(25)
    assert water_level(25) == pytest.approx(level / 100, rel=0.01)


def test_glassy_carbon():
    """The certificate's numbers, as the checksum of all of them says."""
    table = np.array(SRM_3600.split(), float).reshape(-1, 3)
    digest = "848929b2d0d08ebe1f50b68d85fb890652e919b69b3e08ac067b044ed721d75f"
    assert hashlib.sha256(np.ascontiguousarray(table).astype("<f8").tobytes()).hexdigest() == digest
    curve = standard_curve("glassy_carbon", 20.0, 0.0)
    np.testing.assert_allclose(curve.values(table[:, 0]), table[:, 1], rtol=1e-12)
    np.testing.assert_allclose(curve.uncertainty(np.array([0.1])), [0.02579], rtol=1e-3)


def measured(values: np.ndarray, error: float, **shared) -> MeanResult:
    return MeanResult(values, np.full(values.shape, error**2), shared)


@pytest.mark.parametrize("standard", ["water", "glassy_carbon"])
def test_a_factor_is_found_again(standard):
    curve = standard_curve(standard, 20.0, 0.0)
    truth = curve.values(Q) / 2.5e-3
    rng = np.random.default_rng(2)
    pulls = []
    for _ in range(1000):
        sigma = 0.02 * truth.mean()
        found = measured(truth + sigma * rng.standard_normal(Q.size), sigma)
        factor = fitted_factor(Q, Q, found, curve, SETTINGS, "run s", [])
        error = np.sqrt(factor.relative_variance - factor.parameters["reference_uncertainty"] ** 2)
        pulls.append((factor.value / 2.5e-3 - 1) / error)
    assert abs(np.mean(pulls)) < 0.1
    # Enlarged by the scatter where chi^2 is above 1.
    assert 0.85 < np.std(pulls) < 1.05


def test_errors_that_all_bins_share_stay():
    curve = standard_curve("water", 20.0, 0.01)
    values = curve.values(Q) * 100
    found = measured(values, 1e-9 * values[0], thickness=(-values, 0.03**2))
    factor = fitted_factor(Q, Q, found, curve, SETTINGS, "run s", [])
    assert factor.value == pytest.approx(0.01)
    assert np.sqrt(factor.relative_variance) == pytest.approx(np.hypot(0.03, 0.01))


def test_another_shape_is_told():
    curve = standard_curve("water", 20.0, 0.0)
    found = measured(1 / Q, 0.1)
    with pytest.raises(UserError, match="has not the shape of water"):
        fitted_factor(Q, Q, found, curve, SETTINGS, "run s", [])
    warnings: list[str] = []
    fitted_factor(Q, Q, found, curve, {**SETTINGS, "on_violation": "warn"}, "run s", warnings)
    assert "run s" in warnings[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"range": (0.3, 0.4)}, "holds 0 bins"),
        ({"range": (0.001, 0.4)}, None),
    ],
)
def test_the_range(change, words):
    carbon = standard_curve("glassy_carbon", 20.0, 0.0)
    found = measured(carbon.values(Q), 0.1)
    if words is None:
        assert fitted_factor(Q, Q, found, carbon, {**SETTINGS, **change}, "", []).value > 0
        return
    with pytest.raises(UserError, match=words):
        fitted_factor(Q, Q, found, carbon, {**SETTINGS, **change}, "", [])


def test_beyond_the_curve_and_below_zero():
    carbon = standard_curve("glassy_carbon", 20.0, 0.0)
    wide = np.linspace(0.02, 0.5, 60)
    with pytest.raises(UserError, match=r"known from 0.00827568 to 0.247402"):
        fitted_factor(
            wide, wide, measured(wide, 0.1), carbon, {**SETTINGS, "range": (0.03, 0.4)}, "", []
        )
    with pytest.raises(UserError, match="not above 0"):
        fitted_factor(Q, Q, measured(-carbon.values(Q), 0.1), carbon, SETTINGS, "", [])


def test_factors_as_given():
    one = {"factor": 2.0, "uncertainty": 0.1}
    assert given_factor(one, "saxs", "run a").relative_variance == pytest.approx(0.01)
    several = {"factor": {"saxs": 2.0}, "uncertainty": 0.0}
    assert given_factor(several, "saxs", "run a").value == 2.0
    with pytest.raises(UserError, match="no absolute factor for detector 'waxs'"):
        given_factor(several, "waxs", "run a")


def test_the_factor_multiplies_with_its_error():
    data = run("a", [[100.0]], {})
    chain = scaled(Chain(Factors.neutral(1)), AbsoluteFactor(0.5, 0.1**2, {}))
    (part,) = correct(sums(data.container, task(data)), chain)
    np.testing.assert_allclose(part.intensity, [[50.0]])
    np.testing.assert_allclose(part.variance, [[25.0 + 25.0]])
    assert scaled(replace(chain), None) == chain


def test_radial_units():
    angle = 2 * np.arcsin(0.1 * 1.0 / (4 * np.pi))
    for values, unit in ((0.1, "q_A^-1"), (1.0, "q_nm^-1"), (angle, "2th_rad")):
        np.testing.assert_allclose(scattering_vector(np.array([values]), unit, 1e-10), [0.1])
    np.testing.assert_allclose(
        scattering_vector(np.rad2deg([angle]), "2th_deg", 1e-10), [0.1], rtol=1e-12
    )
    with pytest.raises(UserError, match="'r_mm'"):
        scattering_vector(np.array([1.0]), "r_mm", 1e-10)


def test_tables(tmp_path):
    path = tmp_path / "standard.txt"
    path.write_text("q, I, error\n# comment\n0.1, 10, 1\n0.2 1000 50\n", encoding="utf-8")
    curve = standard_curve(str(path), 20.0, 0.5)
    np.testing.assert_allclose(curve.values(np.array([0.1, np.sqrt(0.02)])), [10, 100])
    np.testing.assert_allclose(curve.uncertainty(np.array([0.15])), [0.075])
    path.write_text("0.1 10\n0.2 20\n", encoding="utf-8")
    np.testing.assert_allclose(
        standard_curve(str(path), 20.0, 0.5).uncertainty(np.array([0.15])), [0.5]
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least two rows"),
        ("0.1 10\n", "at least two rows"),
        ("0.1 10\n0.2 x\n", "is no row of numbers"),
        ("0.1\n0.2\n", "1 columns"),
        ("0.1 1\n0.2 1 1\n", "3 columns"),
        ("0.2 1\n0.1 1\n", "does not ascend"),
        ("0.1 1\n0.2 -1\n", "above 0"),
        ("0.1 1\n0.2 nan\n", "above 0"),
    ],
)
def test_tables_that_are_none(tmp_path, text, words):
    path = tmp_path / "standard.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words) as caught:
        read_table(str(path))
    assert str(path) in caught.value.where
    with pytest.raises(UserError, match="cannot be read"):
        read_table(str(tmp_path / "gone.txt"))
