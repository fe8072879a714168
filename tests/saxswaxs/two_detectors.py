"""Two detectors that see overlapping angles, of different pixel size and distance."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from pyFAI.detectors import Detector
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from pyFAI.multi_geometry import MultiGeometry
from scipy.sparse import csr_matrix

from scatterflow.saxswaxs.common_bins import common_bins
from scatterflow.saxswaxs.weights import Weights, prepare_weights

SHAPES = {"near": (97, 131), "far": (120, 80)}
SETTINGS: dict[str, dict[str, Any]] = {
    "azimuthal": {"kind": "azimuthal", "bins": 80},
    "cake": {"kind": "cake", "radial_bins": 40, "azimuthal_bins": 36},
    "radial": {"kind": "radial", "bins": 45, "radial_bins": 30, "azimuthal_unit": "chi_deg"},
}
COMMON: dict[str, Any] = {
    "unit": "q_nm^-1",
    "radial_range": (2.0, 14.0),
    "azimuth_range": None,
    "azimuth_direction": "pyfai",
    "chi_discontinuity": 180,
    "split": "bbox",
    "solid_angle": True,
    "intensity": "per_pixel",
    "polarisation": None,
}


def settings(kind: str, **change: Any) -> dict[str, Any]:
    return {**COMMON, **SETTINGS[kind], **change}


def integrators(wavelength: float = 1e-10) -> dict[str, AzimuthalIntegrator]:
    """Made anew: pyFAI's integrators remember."""
    return {
        "near": AzimuthalIntegrator(
            *(0.06, 0.009, 0.011, 0.06, 0.03, 0.02),
            detector=Detector(172e-6, 172e-6, max_shape=SHAPES["near"]),
            wavelength=1e-10,
        ),
        "far": AzimuthalIntegrator(
            *(0.1, 0.002, 0.001, 0.1, -0.05, 0.0),
            detector=Detector(150e-6, 200e-6, max_shape=SHAPES["far"]),
            wavelength=wavelength,
        ),
    }


def frames() -> dict[str, np.ndarray]:
    """int32 frames of both: one pattern, as either would count it."""
    rng = np.random.default_rng(12)
    level = {"near": 60, "far": 30}
    return {
        name: rng.poisson(level[name], shape).astype(np.int32) for name, shape in SHAPES.items()
    }


def masks() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(13)
    return {name: rng.random(shape) > 0.1 for name, shape in SHAPES.items()}


def common_weights(integration: dict[str, Any]) -> dict[str, Weights]:
    """Weights of both, as the rule prepares them."""
    found = {}
    for name, good in masks().items():
        together = integrators()
        reference = next(iter(together.values()))
        found[name] = prepare_weights(
            together[name], good, common_bins(integration, together), None, reference
        )
    return found


def sums(weights: Weights, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signal, Poisson variance and normalisation by the sparse matrix itself."""
    shape = (weights.indptr.size - 1, weights.weight.size)
    coefficients = weights.coefficients.astype(np.float64)
    matrix = csr_matrix((coefficients, weights.indices, weights.indptr), shape)
    squared = csr_matrix((coefficients**2, weights.indices, weights.indptr), shape)
    counts = frame.ravel().astype(np.float64)
    return matrix @ counts, squared @ np.maximum(counts, 1), matrix @ weights.weight


def multi_geometry(integration: dict[str, Any], which: tuple[str, ...] = ("near", "far")) -> Any:
    """pyFAI's merged result for the same data."""
    geometry, data, good = integrators(), frames(), masks()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        together = MultiGeometry(
            [geometry[name] for name in which],
            unit=integration["unit"],
            radial_range=integration["radial_range"],
            azimuth_range=integration["azimuth_range"] or (-180, 180),
            chi_disc=integration["chi_discontinuity"],
            empty=np.nan,
            threadpoolsize=0,
        )
        options = {
            "lst_mask": [(~good[name]).astype(np.int8) for name in which],
            "error_model": "poisson",
            "polarization_factor": integration["polarisation"],
            "method": (integration["split"], "csr", "cython"),
        }
        stack = [data[name] for name in which]
        if integration["kind"] == "azimuthal":
            return together.integrate1d(stack, integration["bins"], **options)
        azimuthal = integration["azimuthal_bins" if integration["kind"] == "cake" else "bins"]
        return together.integrate2d(stack, integration["radial_bins"], azimuthal, **options)
