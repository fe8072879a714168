"""How the relaxation time depends on q: power law, diffusion coefficient, hydrodynamic radius.

    tau = tau_1 (q / q_1)^exponent          q_1 in the middle of the bins, where tau_1 and exponent are
                                            all but independent
    1/tau = D q^2                           for g1 = exp(-D q^2 t), free diffusion
    radius = k_B T / (6 pi viscosity D)     (Stokes & Einstein; k_B of CODATA 2018, exact)

Both are weighted linear least squares of log tau: relative errors, which tau has, are absolute ones of
its logarithm, and every bin counts by them. Where bins scatter about D q^2 by more than their errors, those
of D and of the radius are larger by as much, the root of reduced chi^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError

BOLTZMANN_J_PER_K = 1.380649e-23
PER_METRE = {"1/angstrom": 1e10, "1/nm": 1e9, "1/m": 1.0}
"""1/m in units of q."""
MOST_RELATIVE_ERROR = 0.5
"""Bins whose tau is known less well say nothing, and their logarithm is not normal."""
USED, FIT_FAILED, OUT_OF_RANGE, NO_ERROR, UNCERTAIN = range(5)
REASONS = (
    "used",
    "the fit of g2 failed or is doubtful",
    "outside q_range",
    "tau has no error",
    "tau is known to worse than half of it",
)
"""Why a bin is left out, by code."""


@dataclass(frozen=True)
class Diffusion:
    """tau over q. Errors are standard errors as the errors of tau make them.

    reason: (Nd,) uint8, codes of REASONS. q_middle: in the unit of q. tau, tau_error: s, at q_middle.
    exponent, exponent_error; covariance: of log tau and exponent. reduced_chi_square: of the power law; NaN
    for two bins. diffusion_m2_per_s, diffusion_error, diffusion_chi_square: of 1/tau = D q^2. radius_m,
    radius_error: None without temperature and viscosity.
    """

    reason: np.ndarray
    q_middle: float
    tau: float
    tau_error: float
    exponent: float
    exponent_error: float
    covariance: float
    reduced_chi_square: float
    diffusion_m2_per_s: float
    diffusion_error: float
    diffusion_chi_square: float
    radius_m: float | None
    radius_error: float | None

    def power_law(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """tau and its error, s, at q."""
        away = np.log(q / self.q_middle)
        tau = self.tau * np.exp(self.exponent * away)
        variance = (
            (self.tau_error / self.tau) ** 2
            + 2 * away * self.covariance
            + (away * self.exponent_error) ** 2
        )
        return tau, tau * np.sqrt(variance)


def fit_diffusion(
    q: np.ndarray,
    unit: str,
    tau: np.ndarray,
    tau_error: np.ndarray,
    doubtful: np.ndarray,
    q_range: tuple[float, float] | None = None,
    temperature_K: float | None = None,
    viscosity_Pa_s: float | None = None,
) -> Diffusion | None:
    """Fit tau over q. q: (Nd,), in a unit of PER_METRE; tau, tau_error: (Nd,) s; doubtful: (Nd,) bool.

    None if fewer than two q have a relaxation time that can be used: a matter of the run.
    Raises UserError for an unknown unit, fewer than two q in the range, or temperatures and viscosities not
    above 0.
    """
    if unit not in PER_METRE:
        raise UserError(
            f"q in {unit!r}",
            "diffusion",
            f"dynamic bins must be of q in one of {', '.join(PER_METRE)}",
        )
    radius_factor = _stokes_einstein(temperature_K, viscosity_Pa_s)
    reason = _reasons(q, tau, tau_error, doubtful, q_range)
    used = reason == USED
    within = np.unique(q[reason != OUT_OF_RANGE]).size
    if within < 2:
        raise UserError(
            f"{within} of {np.unique(q).size} q lie in the range, tau over q needs 2",
            "diffusion: q_range",
            f"bins have q from {q.min():.4g} to {q.max():.4g} {unit}",
        )
    if np.unique(q[used]).size < 2:
        return None
    weights = (tau[used] / tau_error[used]) ** 2
    logarithm = np.log(q[used])
    middle = np.average(logarithm, weights=weights)
    log_tau, exponent, covariance, chi_square = _line(
        logarithm - middle, np.log(tau[used]), weights
    )
    diffusion, diffusion_error, diffusion_chi = _free_diffusion(
        q[used] * PER_METRE[unit], tau[used], weights
    )
    size = np.exp(log_tau)
    return Diffusion(
        reason=reason,
        q_middle=float(np.exp(middle)),
        tau=float(size),
        tau_error=float(size * np.sqrt(covariance[0, 0])),
        exponent=float(exponent),
        exponent_error=float(np.sqrt(covariance[1, 1])),
        covariance=float(covariance[0, 1]),
        reduced_chi_square=chi_square,
        diffusion_m2_per_s=diffusion,
        diffusion_error=diffusion_error,
        diffusion_chi_square=diffusion_chi,
        radius_m=None if radius_factor is None else radius_factor / diffusion,
        radius_error=None
        if radius_factor is None
        else radius_factor / diffusion**2 * diffusion_error,
    )


def _stokes_einstein(temperature_K: float | None, viscosity_Pa_s: float | None) -> float | None:
    """radius times diffusion coefficient, m^3/s."""
    if temperature_K is None or viscosity_Pa_s is None:
        return None
    for name, value in (("temperature_K", temperature_K), ("viscosity_Pa_s", viscosity_Pa_s)):
        if not (value > 0 and np.isfinite(value)):
            raise UserError(f"{name} is {value:g}", f"diffusion: {name}", "give one above 0")
    return BOLTZMANN_J_PER_K * temperature_K / (6 * np.pi * viscosity_Pa_s)


def _reasons(
    q: np.ndarray,
    tau: np.ndarray,
    tau_error: np.ndarray,
    doubtful: np.ndarray,
    q_range: tuple[float, float] | None,
) -> np.ndarray:
    low, high = q_range or (0.0, np.inf)
    known = np.isfinite(tau_error) & (tau_error > 0)
    reason = np.full(q.size, USED, dtype=np.uint8)
    reason[known & (np.nan_to_num(tau_error) > MOST_RELATIVE_ERROR * np.nan_to_num(tau))] = (
        UNCERTAIN
    )
    reason[~known] = NO_ERROR
    reason[doubtful | ~(tau > 0)] = FIT_FAILED
    reason[~((q > 0) & (q >= low) & (q <= high))] = OUT_OF_RANGE
    return reason


def _line(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> tuple[float, float, np.ndarray, float]:
    """y = a + b x: a, b, their covariance, reduced chi^2 (NaN for two points)."""
    matrix = np.stack([np.ones(x.size), x])
    covariance = np.linalg.inv((matrix * weights) @ matrix.T)
    a, b = covariance @ ((matrix * weights) @ y)
    chi_square = float(np.sum(weights * (y - a - b * x) ** 2))
    return a, b, covariance, chi_square / (x.size - 2) if x.size > 2 else np.nan


def _free_diffusion(
    q_per_m: np.ndarray, tau: np.ndarray, weights: np.ndarray
) -> tuple[float, float, float]:
    """D, m^2/s, its error, reduced chi^2."""
    logarithm = -np.log(tau * q_per_m**2)
    mean = np.average(logarithm, weights=weights)
    chi_square = float(np.sum(weights * (logarithm - mean) ** 2))
    diffusion, reduced = float(np.exp(mean)), chi_square / (tau.size - 1)
    error = diffusion * np.sqrt(max(reduced, 1.0) / weights.sum())
    return diffusion, float(error), reduced
