"""NXcanSAS: numbers, validation by nxvalidate, what silx shows first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import silx.io
from silx.io.nxdata import get_default

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import write_array
from scatterflow.saxswaxs.exports.nxcansas import export_nxcansas


@pytest.fixture
def exported(result, tmp_path) -> Path:
    path = tmp_path / "curves.h5"
    export_nxcansas(result, "area_azimuthal", path, "all")
    return path


def test_the_mean_and_every_frame_with_values_are_there(result, exported):
    with h5py.File(result) as file, h5py.File(exported) as export:
        own = file["entry/area_azimuthal"]
        for name, intensity, errors in [
            ("sasdata", own["mean/I"][()], own["mean/I_errors"][()]),
            *((f"sasdata_{i:06d}", own["data/I"][i], own["data/I_errors"][i]) for i in range(9)),
        ]:
            there = np.isfinite(intensity)
            data = export[f"sasentry/{name}"]
            np.testing.assert_array_equal(data["Q"][()], own["data/radial_axis"][()][there])
            np.testing.assert_array_equal(data["I"][()], intensity[there])
            np.testing.assert_array_equal(data["Idev"][()], errors[there])
            assert data["Q"].attrs["units"] == "1/nm"
        assert "sasdata_000009" not in export["sasentry"]
        note = export["sasentry/note/frames_without_a_value"][()].decode()
        assert note == "1 of 10, left out"


def test_the_definition_is_followed(exported):
    with h5py.File(exported) as file:
        entry = file["sasentry"]
        assert entry.attrs["canSAS_class"] == "SASentry"
        assert entry.attrs["version"] == "1.1"
        assert entry["definition"][()] == b"NXcanSAS"
        assert entry["run"][()] == b"r1"
        classes = {
            item.attrs["canSAS_class"] for item in entry.values() if isinstance(item, h5py.Group)
        }
        assert classes == {"SASdata", "SASinstrument", "SASsample", "SASprocess", "SASnote"}
        detector = entry["instrument/detector_area"]
        assert detector["SDD"][()] == 0.2
        assert detector["SDD"].attrs["units"] == "m"
        assert detector["x_pixel_size"][()] == 172e-6
        assert entry["instrument/source/incident_wavelength"][()] == pytest.approx(1.0)
        assert entry["process_1/name"][()] == b"flux"
        assert entry["process_1/term_reference_used"][()] == 1000.0


def test_nxvalidate_finds_no_error(exported):
    command = Path(sys.executable).with_name("nxvalidate")
    done = subprocess.run([command, str(exported)], capture_output=True, text=True, check=True)
    text = done.stdout + done.stderr
    assert "Application Definition: NXcanSAS" in text, text
    assert "Total number of errors: 0" in text, text


def test_silx_finds_the_mean_with_errors(exported):
    with silx.io.open(str(exported)) as file:
        plot = get_default(file)
        assert plot is not None
        assert plot.is_valid, plot.issues
        with h5py.File(exported) as stored:
            np.testing.assert_array_equal(plot.signal[()], stored["sasentry/sasdata/I"][()])
            np.testing.assert_array_equal(plot.errors[()], stored["sasentry/sasdata/Idev"][()])
        assert plot.axes_dataset_names == ["Q"]


def test_the_mean_alone_is_the_default(result, tmp_path):
    export_nxcansas(result, "area_azimuthal", tmp_path / "mean.h5")
    with h5py.File(tmp_path / "mean.h5") as file:
        assert [name for name in file["sasentry"] if name.startswith("sasdata")] == ["sasdata"]


def test_equal_results_give_equal_bytes(result, exported, tmp_path):
    export_nxcansas(result, "area_azimuthal", tmp_path / "again.h5", "all")
    assert (tmp_path / "again.h5").read_bytes() == exported.read_bytes()


def test_thickness_and_transmission_are_told_where_they_are_known(result, tmp_path):
    with h5py.File(result, "a") as file:
        step = file["entry/process_2_flux"]
        write_array(step, "thickness", 0.15, units="cm")
        write_array(step, "transmission", np.array([0.5, 0.7, np.nan]), units="")
    export_nxcansas(result, "area_azimuthal", tmp_path / "curves.h5")
    with h5py.File(tmp_path / "curves.h5") as file:
        sample = file["sasentry/sample"]
        assert sample["thickness"][()] == 0.15
        assert sample["thickness"].attrs["units"] == "cm"
        assert sample["transmission"][()] == pytest.approx(0.6)


def test_a_curve_against_azimuth_is_refused(result, tmp_path):
    with pytest.raises(UserError, match="not radial chi_deg"):
        export_nxcansas(result, "area_radial", tmp_path / "curves.h5")
    assert not (tmp_path / "curves.h5").exists()
