"""Guinier and Porod analyses against particles whose answers are known: spheres, Gaussian chains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scatterflow.saxswaxs.fits import STATUS, Profiles
from scatterflow.saxswaxs.small_angle import guinier, porod

RADIUS = 30.0  # angstrom


def profiles(q: np.ndarray, intensity: np.ndarray, sigma: np.ndarray | None = None) -> Profiles:
    half = 0.5 * (q[1] - q[0])
    return Profiles(q, np.append(q - half, q[-1] + half), np.atleast_2d(intensity), sigma)


def sphere(q: np.ndarray, contrast: float = 1.0) -> np.ndarray:
    """Scattering of one sphere per its own volume: contrast^2 V P(q)."""
    volume = 4 / 3 * np.pi * RADIUS**3
    x = q * RADIUS
    amplitude = 3 * (np.sin(x) - x * np.cos(x)) / x**3
    return contrast**2 * volume * amplitude**2


def debye(q: np.ndarray, rg: float) -> np.ndarray:
    """Gaussian chain: 2 (exp(-u) + u - 1) / u^2, u = (q Rg)^2."""
    u = (q * rg) ** 2
    return 2 * (np.expm1(-u) + u) / u**2


def guinier_settings(**more: Any) -> dict:
    return {"name": "g", "limit": 1.3, "iterate": False, **more}


def porod_settings(**more: Any) -> dict:
    return {"name": "p", "exponent": 4.0, "background": "fit", **more}


def test_guiniers_law_itself_is_exact():
    q = np.linspace(0.005, 0.05, 60)
    found = guinier(guinier_settings(), profiles(q, 7.0 * np.exp(-((q * 20.0) ** 2) / 3)))
    assert found.success.all()
    assert found.values["g_rg"][0] == pytest.approx(20.0, rel=1e-9)
    assert found.values["g_i0"][0] == pytest.approx(7.0, rel=1e-9)
    assert found.values["g_qrg_max"][0] == pytest.approx(1.0, rel=1e-9)


def test_pulls_of_guiniers_law_on_noisy_frames():
    rng = np.random.default_rng(4)
    q = np.linspace(0.005, 0.06, 60)
    truth = 100 * np.exp(-((q * 20.0) ** 2) / 3)
    sigma = np.broadcast_to(np.full(q.size, 8.0), (1500, q.size))
    found = guinier(guinier_settings(limit=5), profiles(q, rng.normal(truth, sigma), sigma))
    for name, value in (("g_rg", 20.0), ("g_i0", 100.0)):
        pulls = ((found.values[name] - value) / found.errors[name])[found.success]
        assert abs(pulls.mean()) < 0.1
        assert abs(pulls.std() - 1) < 0.1


@pytest.mark.parametrize(
    ("curve", "rg", "reach"),
    [(sphere, np.sqrt(3 / 5) * RADIUS, 0.5), (lambda q: debye(q, 40.0), 40.0, 0.3)],
)
def test_radius_of_gyration_of_known_particles(curve, rg, reach):
    q = np.linspace(0.0005, reach / rg, 80)
    intensity = curve(q)
    sigma = np.full((1, q.size), 1e-3 * intensity.max())
    found = guinier(guinier_settings(), profiles(q, intensity, sigma))
    # Guinier's law is the first term of a series: what is left out at q Rg < 0.5 is below 2 % of Rg.
    assert found.values["g_rg"][0] == pytest.approx(rg, rel=0.02)


def test_a_noisy_sphere_is_found_within_its_errors():
    rng = np.random.default_rng(6)
    rg = np.sqrt(3 / 5) * RADIUS
    q = np.linspace(0.004, 0.8 / rg, 60)
    truth = sphere(q) / sphere(np.array([1e-4])) * 1e4
    sigma = np.broadcast_to(np.sqrt(truth), (400, q.size))
    found = guinier(guinier_settings(), profiles(q, rng.normal(truth, sigma), sigma))
    pulls = (found.values["g_rg"] - rg) / found.errors["g_rg"]
    assert found.success.all()
    assert np.mean(np.abs(pulls) < 2) > 0.9


def test_beyond_the_limit_a_frame_fails_unless_the_range_is_iterated():
    q = np.linspace(0.004, 0.15, 200)
    data = np.stack([np.exp(-((q * rg) ** 2) / 3) for rg in (5.0, 20.0, 30.0)])
    sigma = np.full(data.shape, 1e-3)
    found = guinier(guinier_settings(), profiles(q, data, sigma))
    assert found.success.tolist() == [True, False, False]
    assert STATUS[found.status[1]] == "q Rg above the limit"
    assert np.isnan(found.values["g_rg"][1:]).all()
    assert found.values["g_qrg_max"] == pytest.approx([0.75, 3.0, 4.5], rel=1e-6)
    found = guinier(guinier_settings(iterate=True), profiles(q, data, sigma))
    assert found.success.all()
    assert found.values["g_rg"] == pytest.approx([5, 20, 30], rel=1e-6)
    assert np.all(found.values["g_qrg_max"] <= 1.3)
    step = q[1] - q[0]
    assert np.all(found.values["g_qrg_max"][1:] > 1.3 - 2 * step * 30)


def test_an_iteration_that_runs_out_of_bins_fails():
    q = np.linspace(0.05, 0.1, 40)
    data = np.exp(-((q * 60.0) ** 2) / 3)
    found = guinier(guinier_settings(iterate=True), profiles(q, data, np.full((1, 40), 1e-6)))
    assert STATUS[found.status[0]] == "q Rg above the limit"


def test_rising_intensity_has_no_radius_of_gyration():
    q = np.linspace(0.005, 0.05, 60)
    found = guinier(guinier_settings(), profiles(q, np.exp(300 * q**2)))
    assert STATUS[found.status[0]].startswith("no decay")
    assert np.isnan(found.values["g_rg"][0])


def test_the_porod_constant_of_a_sphere_is_that_of_its_surface():
    # Averaged over whole periods of the oscillation, sin^2 and cos^2 become a half: Porod's law.
    contrast = 2.0
    period = np.pi / RADIUS
    q = np.linspace(20 * period, 40 * period, 4001)
    surface_over_volume = 3 / RADIUS
    expected = 2 * np.pi * contrast**2 * surface_over_volume
    weights = profiles(q, sphere(q, contrast), (q**-4.0)[None])  # every oscillation counts the same
    found = porod(porod_settings(background="none"), weights)
    assert found.success.all()
    assert found.values["p_constant"][0] == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("background", ["fit", "none"])
@pytest.mark.parametrize("exponent", ["fit", 4.0, 3.5])
def test_a_power_law_is_found_again(exponent, background):
    q = np.linspace(0.1, 0.4, 90)
    power = 3.7 if exponent == "fit" else exponent
    ground = 0.02 if background == "fit" else 0.0
    data = 2e-4 * q**-power + ground
    found = porod(porod_settings(exponent=exponent, background=background), profiles(q, data))
    assert found.success.all()
    assert found.values["p_constant"][0] == pytest.approx(2e-4, rel=1e-5)
    assert ("p_exponent" in found.values) == (exponent == "fit")
    assert ("p_background" in found.values) == (background == "fit")
    if exponent == "fit":
        assert found.values["p_exponent"][0] == pytest.approx(3.7, rel=1e-5)
    if background == "fit":
        assert found.values["p_background"][0] == pytest.approx(0.02, rel=1e-5)


def test_pulls_of_porods_law():
    rng = np.random.default_rng(12)
    q = np.linspace(0.1, 0.4, 90)
    truth = 2e-2 * q**-4.0 + 5
    sigma = np.broadcast_to(np.sqrt(truth), (1500, q.size))
    found = porod(porod_settings(exponent="fit"), profiles(q, rng.normal(truth, sigma), sigma))
    assert found.success.all()
    for name, value in (("p_constant", 2e-2), ("p_exponent", 4.0), ("p_background", 5.0)):
        pulls = (found.values[name] - value) / found.errors[name]
        assert abs(np.median(pulls)) < 0.15, name
        assert abs(pulls.std() - 1) < 0.15, name
