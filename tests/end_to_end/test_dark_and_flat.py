"""Dark and flat images through the workflow: numbers as pyFAI's, and outdated when they change."""

from __future__ import annotations

import warnings

import fabio
import numpy as np
import pyFAI

from .conftest import SHAPES, numbers

RESULT = "results/one/x/result.nxs"


def test_dark_and_flat(project):
    rng = np.random.default_rng(3)
    # float32 values, as pyFAI narrows both
    dark = rng.uniform(1, 4, SHAPES["saxs"]).astype(np.float32)
    flat = rng.uniform(0.8, 1.2, SHAPES["saxs"]).astype(np.float32)
    flat[5, 7] = 0  # a pixel that no flat corrects
    np.save(project.path("dark.npy"), dark)
    np.save(project.path("flat.npy"), flat)
    project.config["detectors"]["saxs"].update(dark="dark.npy", flat="flat.npy")
    project.config["reductions"]["x"].pop("corrections")
    project.write()
    project.run(RESULT)
    found = numbers(project.path(RESULT))

    mask = np.load(project.path("saxs_mask.npy")) != 0
    mask[5, 7] = True
    assert found["entry/instrument/saxs/pixel_mask"][5, 7] != 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ai = pyFAI.load(str(project.path("saxs.poni")))
    for i in (0, 5):
        frame = fabio.open(str(project.path(f"raw/one_{i:03d}.tif"))).data
        wanted = ai.integrate1d(
            frame,
            40,
            mask=mask,
            dark=dark,
            flat=flat,
            unit="q_nm^-1",
            error_model="poisson",
            method=("bbox", "csr", "cython"),
        )
        data = "entry/saxs_azimuthal/data"
        np.testing.assert_allclose(found[f"{data}/I"][i], wanted.intensity, rtol=1e-6)
        np.testing.assert_allclose(found[f"{data}/I_errors"][i], wanted.sigma, rtol=1e-6)

    assert project.plan(RESULT).jobs == []
    dark[0, 0] += 1
    np.save(project.path("dark.npy"), dark)
    assert "integrate_chunk" in project.plan(RESULT).rules("one")
    project.run(RESULT)
    flat[0, 0] = 1.1
    np.save(project.path("flat.npy"), flat)
    plan = project.plan(RESULT)
    assert {"prepare_integration"} <= plan.rules("")
    assert "integrate_chunk" in plan.rules("one")
