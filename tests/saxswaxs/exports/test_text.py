"""Curves as text: what is read back equals the result bit by bit."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest

from scatterflow.errors import UserError
from scatterflow.saxswaxs.exports.text import export_text, export_text_frames


def stored(result, group: str, axis: str = "radial_axis") -> np.ndarray:
    """Axis, intensity and errors of bins that have a value, as columns."""
    with h5py.File(result) as file:
        data = file[f"entry/{group}"]
        columns = np.stack([data[axis][()], data["I"][()], data["I_errors"][()]], axis=1)
    return columns[np.isfinite(columns[:, 1])]


def header(path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("#")]


def test_numpy_reads_the_same_numbers_back(result, tmp_path):
    path = tmp_path / "export" / "curve.dat"
    export_text(result, "area_azimuthal", path)
    np.testing.assert_array_equal(np.loadtxt(path), stored(result, "area_azimuthal/mean"))


def test_pandas_reads_the_same_numbers_back(result, tmp_path):
    path = tmp_path / "curve.dat"
    export_text(result, "area_radial", path)
    table = pd.read_csv(path, sep=" ", comment="#", header=None)
    expected = stored(result, "area_radial/mean", "azimuthal_axis")
    np.testing.assert_array_equal(table.to_numpy(), expected)


def test_bins_without_a_value_are_left_out_and_counted(result, tmp_path):
    with h5py.File(result, "a") as file:
        file["entry/area_azimuthal/mean/I"][[2, 7]] = np.nan
    export_text(result, "area_azimuthal", tmp_path / "curve.dat")
    with h5py.File(result) as file:
        there = int(np.isfinite(file["entry/area_azimuthal/mean/I"][()]).sum())
    assert there <= 58
    assert np.loadtxt(tmp_path / "curve.dat").shape == (there, 3)
    counted = f"# bins: {there} of 60; {60 - there} without a value are left out"
    assert counted in header(tmp_path / "curve.dat")


def test_the_header_says_what_a_person_needs(result, tmp_path):
    export_text(result, "area_azimuthal", tmp_path / "curve.dat")
    lines = header(tmp_path / "curve.dat")
    for line in (
        "# run: r1",
        "# sample: water",
        "# facility: Lab",
        "# area wavelength: 1.0 angstrom",
        "# area distance: 0.2 m",
        "# corrections: flux (I r / I0)",
        "# solid angle corrected: yes",
        "# polarisation factor: none",
        "# q: unit 1/nm (pyFAI: q_nm^-1)",
        "# I: intensity (counts per pixel, normalised to i0), unit arbitrary units",
        "# q[1/nm] I sigma",
    ):
        assert line in lines
    assert any(line.startswith("# area geometry sha256: ") and len(line) > 80 for line in lines)
    assert any(line.startswith("# software: ") and "scatterflow" in line for line in lines)
    assert lines[-1] == "# q[1/nm] I sigma"


def test_every_frame_has_its_file_with_its_scalars(small_run, result, tmp_path):
    folder = tmp_path / "frames"
    export_text_frames(result, "area_azimuthal", folder)
    assert sorted(path.name for path in folder.iterdir()) == [f"{i:06d}.dat" for i in range(10)]
    with h5py.File(result) as file:
        data = file["entry/area_azimuthal/data"]
        there = np.isfinite(data["I"][3])
        expected = np.stack(
            [data["radial_axis"][there], data["I"][3][there], data["I_errors"][3][there]], axis=1
        )
    np.testing.assert_array_equal(np.loadtxt(folder / "000003.dat"), expected)
    lines = header(folder / "000003.dat")
    assert "# scatterflow: intensity against q, frame 3" in lines
    (reading,) = (line for line in lines if line.startswith("# scalar i0: "))
    assert float(reading.split()[3]) == small_run.monitor[3]


def test_a_frame_that_was_missing_is_an_empty_curve_and_not_left_out(result, tmp_path):
    export_text_frames(result, "area_azimuthal", tmp_path / "frames")
    path = tmp_path / "frames" / "000009.dat"
    assert all(line.startswith("#") for line in path.read_text().splitlines())
    assert "# bins: 0 of 60; 60 without a value are left out" in header(path)


def test_without_errors_there_are_two_columns(small_run, tmp_path):
    small_run.error_model = "none"
    result = small_run.assemble(small_run.integrate(4))
    export_text(result, "area_azimuthal", tmp_path / "curve.dat")
    assert np.loadtxt(tmp_path / "curve.dat").shape[1] == 2
    assert header(tmp_path / "curve.dat")[-1] == "# q[1/nm] I"


@pytest.mark.parametrize("name", ["area_cake", "area_azimutal", "scalars"])
def test_what_is_no_curve_is_refused(result, tmp_path, name):
    with pytest.raises(UserError, match="no curves of an integration"):
        export_text(result, name, tmp_path / "curve.dat")
    assert not (tmp_path / "curve.dat").exists()
