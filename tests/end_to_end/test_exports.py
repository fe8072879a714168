"""Exports through the workflow: made, read back, and gone when they are no longer asked for."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd


def test_exports(project):
    project.config["reductions"]["x"]["exports"] = {
        "curves": ["nxcansas", "text"],
        "frames": "all",
        "scalars": "csv",
    }
    project.rows = project.rows[:1]
    project.write()
    folder = project.path("results/one/x/export")
    wanted = ("saxs_azimuthal.h5", "saxs_azimuthal.dat", "saxs_radial_frames", "scalars.csv")
    targets = [f"results/one/x/export/{name}" for name in wanted]
    assert {"export_nxcansas", "export_text", "export_text_frames", "export_scalars"} <= (
        project.plan().rules("one")
    )
    project.run(*targets)
    assert project.plan(*targets).jobs == []

    with h5py.File(project.path("results/one/x/result.nxs")) as file:
        mean = file["entry/saxs_azimuthal/mean/I"][()]
        third = file["entry/saxs_radial/data/I"][2]
    curve = np.loadtxt(folder / "saxs_azimuthal.dat")
    np.testing.assert_array_equal(curve[:, 1], mean[np.isfinite(mean)])
    frame = np.loadtxt(folder / "saxs_radial_frames/000002.dat")
    np.testing.assert_array_equal(frame[:, 1], third[np.isfinite(third)])
    with h5py.File(folder / "saxs_azimuthal.h5") as file:
        np.testing.assert_array_equal(file["sasentry/sasdata/I"][()], curve[:, 1])
        assert "sasdata_000005" in file["sasentry"]
    table = pd.read_csv(folder / "scalars.csv")
    assert table["i0 [counts]"].tolist() == [1000.0 + 10 * i for i in range(6)]

    # Exports alone never outdate the result; a new result takes away exports given up.
    project.config["reductions"]["x"]["exports"] = {"scalars": "csv"}
    project.write()
    assert "assemble_result" not in project.plan().rules("one")
    project.config["reductions"]["x"]["integrations"]["azimuthal"]["bins"] = 30
    project.write()
    project.run("results/one/x/export/scalars.csv")
    assert [path.name for path in folder.iterdir()] == ["scalars.csv"]
