"""A registered mask with more than half of the pixels masked, through every pyFAI path that is used.

The frame is 1 on good pixels and 100 on masked ones, so every bin must be exactly 1: a mask turned round, as
pyFAI's legacy functions do with more than half of the pixels masked, gives 100.
"""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.config.saxswaxs import (
    AzimuthalIntegration,
    CakeIntegration,
    RadialIntegration,
)
from scatterflow.detectors.geometry import load_geometry
from scatterflow.detectors.masks import build_mask
from scatterflow.plan.pins import plan_pins
from scatterflow.registry.masks import register_mask
from scatterflow.registry.pinned import with_pinned_masks
from scatterflow.registry.pins import ensure_pins
from scatterflow.saxswaxs.weights import prepare_weights

SHAPE = (60, 80)
DETECTOR = {
    "shape": list(SHAPE),
    "geometry": {
        "distance_m": 0.1,
        "poni1_m": 0.003,
        "poni2_m": 0.004,
        "rotation1_rad": 0.0,
        "rotation2_rad": 0.0,
        "rotation3_rad": 0.0,
        "wavelength_m": 1e-10,
        "pixel1_m": 1e-4,
        "pixel2_m": 1e-4,
        "detector": None,
    },
    "orientation": None,
    "masks": [{"type": "registry", "name": "roi", "detector": None, "version": None}],
    "most_masked": 0.95,
}
KINDS = {
    "azimuthal": (AzimuthalIntegration, {"kind": "azimuthal", "bins": 30}),
    "cake": (CakeIntegration, {"kind": "cake", "radial_bins": 15, "azimuthal_bins": 12}),
    "radial": (RadialIntegration, {"kind": "radial", "bins": 12, "radial_bins": 8}),
}


@pytest.fixture
def good(registry, tmp_path):
    """The mask, 60 % masked, as the workflow gets it: registered, pinned, loaded, composed."""
    good = np.random.default_rng(3).random(SHAPE) > 0.6
    assert 0.55 < 1 - good.mean() < 0.65
    register_mask("d", "roi", good, registry=registry)
    folder = str(tmp_path / "pins")
    wanted: dict = {}
    plan_pins(wanted, DETECTOR["masks"], "d", folder)
    ensure_pins(wanted, registry, folder)
    settings = with_pinned_masks(DETECTOR, "d", folder)
    found = build_mask(settings, "d")
    np.testing.assert_array_equal(found.good, good)
    return found.good


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_only_good_pixels_count(good, kind, split):
    integrator = load_geometry(DETECTOR, "d")
    model, settings = KINDS[kind]
    integration = model.model_validate({**settings, "split": split, "solid_angle": False})
    weights = prepare_weights(integrator, good, integration.model_dump())
    frame = np.where(good, 1.0, 100.0).ravel()
    filled = 0
    for start, stop in zip(weights.indptr[:-1], weights.indptr[1:], strict=True):
        coefficients, pixels = weights.coefficients[start:stop], weights.indices[start:stop]
        assert good.ravel()[pixels].all()
        if coefficients.sum() > 0:
            filled += 1
            mean = (coefficients * frame[pixels]).sum() / coefficients.sum()
            assert mean == pytest.approx(1.0, abs=1e-6)
    assert filled > 5
    # And all of them count: nothing lies outside the range.
    assert weights.pixel_count.sum() == pytest.approx(good.sum(), rel=1e-4)


@pytest.mark.parametrize("split", ["no", "bbox", "full"])
def test_pyfai_itself_gives_the_same_with_the_mask_turned_by_hand(good, split):
    integrator = load_geometry(DETECTOR, "d")
    frame = np.where(good, 1.0, 100.0)
    masked = 1 - good.astype(np.int8)
    for result in (
        integrator.integrate1d(
            frame, 30, mask=masked, method=(split, "csr", "cython"), correctSolidAngle=False
        ),
        integrator.integrate2d(
            frame, 15, 12, mask=masked, method=(split, "csr", "cython"), correctSolidAngle=False
        ),
    ):
        filled = result.count > 0
        np.testing.assert_allclose(result.intensity[filled], 1.0, atol=1e-6)
