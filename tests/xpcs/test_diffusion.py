"""tau over q: the power law, the diffusion coefficient and the radius that made it, and honest errors."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.xpcs.diffusion import (
    FIT_FAILED,
    NO_ERROR,
    OUT_OF_RANGE,
    UNCERTAIN,
    USED,
    fit_diffusion,
)

Q = np.geomspace(1e-3, 1e-2, 12)
GOOD = np.zeros(Q.size, bool)


def test_a_sphere_of_known_radius_in_water_is_found():
    # 50 nm in water of 293.15 K: D = k_B T / (6 pi eta r) = 4.29e-12 m^2/s.
    expected = 1.380649e-23 * 293.15 / (6 * np.pi * 1.0016e-3 * 50e-9)
    assert expected == pytest.approx(4.29e-12, rel=1e-3)
    tau = 1 / (expected * (Q * 1e10) ** 2)
    found = fit_diffusion(
        Q, "1/angstrom", tau, 0.05 * tau, GOOD, None, temperature_K=293.15, viscosity_Pa_s=1.0016e-3
    )
    assert found.exponent == pytest.approx(-2.0)
    assert found.diffusion_m2_per_s == pytest.approx(expected)
    assert found.radius_m == pytest.approx(50e-9)
    # Twelve bins of 5 % each.
    assert found.diffusion_error == pytest.approx(expected * 0.05 / np.sqrt(12))
    assert found.radius_error == pytest.approx(50e-9 * 0.05 / np.sqrt(12))
    again = fit_diffusion(Q * 10, "1/nm", tau, 0.05 * tau, GOOD)
    assert again.diffusion_m2_per_s == pytest.approx(expected)
    assert again.radius_m is None


def test_errors_hold():
    random = np.random.default_rng(5)
    truth = 0.3 * (Q / 3e-3) ** -1.4
    relative = np.linspace(0.02, 0.15, Q.size)
    probe = np.array([1e-3, 8e-3])
    pulls = []
    for _ in range(500):
        tau = truth * np.exp(relative * random.standard_normal(Q.size))
        found = fit_diffusion(Q, "1/angstrom", tau, relative * tau, GOOD)
        tau_probe, error = found.power_law(probe)
        at_middle = 0.3 * (found.q_middle / 3e-3) ** -1.4
        pulls.append(
            [
                (found.exponent + 1.4) / found.exponent_error,
                (found.tau - at_middle) / found.tau_error,
                *((tau_probe - 0.3 * (probe / 3e-3) ** -1.4) / error),
                found.reduced_chi_square,
            ]
        )
    pulls = np.array(pulls)
    assert pulls[:, :4].std(axis=0) == pytest.approx(np.ones(4), abs=0.12)
    assert np.abs(pulls[:, :4].mean(axis=0)).max() < 0.2
    assert pulls[:, 4].mean() == pytest.approx(1.0, abs=0.07)


@pytest.mark.parametrize("too_small", [1.0, 3.0])
def test_the_error_of_the_radius_holds_where_those_of_tau_are_too_small(too_small):
    random = np.random.default_rng(6)
    truth = 1 / (4e-12 * (Q * 1e10) ** 2)
    pulls = []
    for _ in range(400):
        tau = truth * np.exp(0.06 * random.standard_normal(Q.size))
        found = fit_diffusion(Q, "1/angstrom", tau, 0.06 / too_small * tau, GOOD)
        pulls.append((found.diffusion_m2_per_s - 4e-12) / found.diffusion_error)
    # Where chi^2 is below 1 by chance, errors are not made smaller; where it scales them, it is of 11 degrees
    # of freedom: pulls of 0.93 to 1.11, and 400 of them know it to 0.04.
    assert 0.82 < np.std(pulls) < 1.22


def test_bins_are_left_out_for_a_reason():
    tau = (Q / 3e-3) ** -2
    error = 0.05 * tau
    doubtful = GOOD.copy()
    doubtful[1] = True
    tau[2] = np.nan
    error[3] = 0.0
    error[4] = 0.8 * tau[4]
    found = fit_diffusion(Q, "1/angstrom", tau, error, doubtful, (Q[1] * 0.99, Q[10] * 1.01))
    expected = [USED] * 12
    expected[0] = expected[11] = OUT_OF_RANGE
    expected[1] = expected[2] = FIT_FAILED
    expected[3], expected[4] = NO_ERROR, UNCERTAIN
    assert found.reason.tolist() == expected
    assert found.exponent == pytest.approx(-2)


def test_two_bins_suffice_and_one_does_not():
    tau = Q**-2.0
    alone = fit_diffusion(Q, "1/angstrom", tau, 0.1 * tau, GOOD, (Q[0], Q[1]))
    assert alone.exponent == pytest.approx(-2)
    assert np.isnan(alone.reduced_chi_square)
    with pytest.raises(UserError, match="1 of 12 q lie in the range") as caught:
        fit_diffusion(Q, "1/angstrom", tau, 0.1 * tau, GOOD, (Q[0], Q[0]))
    assert f"q from {Q[0]:.4g} to {Q[-1]:.4g} 1/angstrom" in caught.value.how


def test_a_run_without_relaxation_times_has_no_diffusion():
    tau = Q**-2.0
    doubtful = np.arange(12) > 0
    assert fit_diffusion(Q, "1/angstrom", tau, 0.1 * tau, doubtful) is None


@pytest.mark.parametrize(
    ("unit", "options", "message"),
    [
        ("pixel", {}, "q in 'pixel'"),
        ("1/nm", {"temperature_K": -3.0, "viscosity_Pa_s": 1e-3}, "temperature_K is -3"),
        ("1/nm", {"temperature_K": 300.0, "viscosity_Pa_s": 0.0}, "viscosity_Pa_s is 0"),
    ],
)
def test_what_makes_no_sense_is_refused(unit, options, message):
    with pytest.raises(UserError, match=message):
        fit_diffusion(Q, unit, Q**-2.0, 0.1 * Q**-2.0, GOOD, None, **options)
