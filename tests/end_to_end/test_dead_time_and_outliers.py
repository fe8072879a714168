"""Dead time from a scalar, a dark image and outliers together, and what runs again when one changes."""

from __future__ import annotations

import numpy as np

from .conftest import numbers

RESULT = "results/one/x/result.nxs"
CLIP = {"method": "sigma_clip", "threshold": 1000.0}


def test_dead_time_and_outliers(project):
    project.rows = project.rows[:1]
    project.config["reductions"]["x"]["integrations"] = {
        "plain": {"kind": "azimuthal", "bins": 30},
        "clipped": {"kind": "azimuthal", "bins": 30, "robust": CLIP},
    }
    np.save(project.path("dark.npy"), np.full((44, 52), 0.25))
    project.config["detectors"]["saxs"] |= {
        "dark": "dark.npy",
        "dead_time": {"seconds": 2.0, "exposure": "i0"},  # 30 counts of about 1000 s: 6 % dead
    }
    project.write()
    project.run(RESULT)
    found = numbers(project.path(RESULT))
    for name in ("I", "I_errors"):
        plain, clipped = (found[f"entry/saxs_{task}/data/{name}"] for task in ("plain", "clipped"))
        np.testing.assert_allclose(clipped, plain, rtol=1e-9)
    assert project.plan(RESULT).rules() == set()

    clip = project.config["reductions"]["x"]["integrations"]["clipped"]["robust"]
    clip["threshold"] = 4.0
    project.write()
    assert project.plan(RESULT).rules() == {"integrate_chunk", "assemble_result"}
    clip["threshold"] = 1000.0
    project.write()
    assert project.plan(RESULT).rules() == set()

    # Another exposure of frame 1: the chunks depend on it, not only the result.
    table = project.path("raw/one.csv")
    table.write_text(table.read_text().replace("1010", "101"))
    assert project.plan(RESULT).rules() == {"integrate_chunk", "assemble_result"}
    project.run(RESULT)
    changed = numbers(project.path(RESULT))["entry/saxs_clipped/data/I"]
    before = found["entry/saxs_clipped/data/I"]
    scale = changed[0] / before[0]  # the reference of the flux has changed, too
    there = np.isfinite(scale)
    np.testing.assert_allclose((changed[2] / before[2])[there], scale[there], rtol=1e-9)
    assert (changed[1] / before[1] > 1.5 * scale)[there].all()
