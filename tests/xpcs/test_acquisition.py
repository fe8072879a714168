"""Acquisition metadata: files as the beamline writes them, with their traps; the PONI file."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from scatterflow.__main__ import main
from scatterflow.config.detectors import DetectorConfig, GeometryParameters
from scatterflow.detectors.geometry import beam_centre, load_geometry
from scatterflow.errors import UserError
from scatterflow.xpcs.acquisition import Acquisition, frame_time, read_acquisition
from scatterflow.xpcs.acquisition_geometry import geometry_parameters, poni_text

DETECTOR = "/entry/instrument/detector_1"
BLUESKY = "/entry/instrument/bluesky/metadata"
# value, and what the writer puts into `unit`: the class's unit, whatever the number is.
APSU = {
    "/entry/definition": ("NXxpcs", None),
    "/entry/schema_version": ("0.1.0", None),
    "/entry/start_time": ("2025-02-14 12:00:00.5", None),
    "/entry/end_time": ("2025-02-14 12:01:00.5", None),
    f"{DETECTOR}/beam_center_x": (1027.5, "m"),
    f"{DETECTOR}/beam_center_y": (1065.25, "m"),
    f"{DETECTOR}/beam_center_position_x": (0.3, "m"),
    f"{DETECTOR}/beam_center_position_y": (0.05, "m"),
    f"{DETECTOR}/position_x": (0.3075, "m"),
    f"{DETECTOR}/position_y": (0.04925, "m"),
    f"{DETECTOR}/count_time": (0.0009, "s"),
    f"{DETECTOR}/frame_time": (0.001, "s"),
    f"{DETECTOR}/detector_name": ("eiger4M", None),
    f"{DETECTOR}/distance": (12.5, "m"),
    f"{DETECTOR}/x_pixel_size": (75e-6, "m"),
    f"{DETECTOR}/y_pixel_size": (50e-6, "m"),
    "/entry/instrument/incident_beam/incident_energy": (10.9, "keV"),
    "/entry/sample/short_description": ("silica", None),
    "/entry/sample/qnw1_temperature": (25.0, "K"),
    "/entry/sample/qnw1_temperature_set": (26.0, "K"),
    "/entry/sample/qnw2_temperature": (1.0, "K"),
    "/entry/sample/rheometer_temperature": (1.0, "K"),
}
EARLY = {
    f"{DETECTOR}/frame_time": (0.0009, None),  # linked to the exposure
    f"{DETECTOR}/count_time": (0.0009, None),
    f"{BLUESKY}/t0": (0.0009, None),
    f"{BLUESKY}/t1": (0.001, None),
    f"{BLUESKY}/acquire_period": (0.001, None),
    f"{BLUESKY}/bcx": (1044.0, None),
    f"{BLUESKY}/bcy": (1520.0, None),
    f"{BLUESKY}/ccdx": (1, None),
    f"{BLUESKY}/ccdx0": (1, None),
    f"{BLUESKY}/ccdy": (1, None),
    f"{BLUESKY}/ccdy0": (1, None),
    f"{BLUESKY}/det_dist": (12.5, None),
    f"{BLUESKY}/pix_dim_x": (75e-6, None),
    f"{BLUESKY}/pix_dim_y": (75e-6, None),
    f"{BLUESKY}/X_energy": (8.0, None),
    f"{BLUESKY}/qmap_file": ("q.hdf", None),
    "/entry/start_time": ("2024-01-10T10:00:00", None),
}
LEGACY = {
    "/measurement/instrument/acquisition/beam_center_x": ([[270.0]], None),
    "/measurement/instrument/acquisition/beam_center_y": ([[300.0]], None),
    "/measurement/instrument/acquisition/stage_x": ([[20.55]], None),
    "/measurement/instrument/acquisition/stage_zero_x": ([[20.0]], None),
    "/measurement/instrument/acquisition/stage_z": ([[10.0]], None),
    "/measurement/instrument/acquisition/stage_zero_z": ([[10.11]], None),
    "/measurement/instrument/detector/distance": ([[3930.0]], None),
    "/measurement/instrument/detector/exposure_period": ([[0.00134]], None),
    "/measurement/instrument/detector/exposure_time": ([[0.001]], None),
    "/measurement/instrument/detector/x_pixel_size": ([[0.055]], None),
    "/measurement/instrument/detector/y_pixel_size": ([[0.055]], None),
    "/measurement/instrument/detector/manufacturer": ("LAMBDA", None),
    "/measurement/instrument/detector/flatfield": (np.ones((64, 64)), None),
    "/measurement/instrument/source_begin/energy": ([[7.35]], None),
    "/measurement/instrument/source_begin/datetime": ("2019-03-02 01:02:03", None),
    "/measurement/instrument/source_end/datetime": ("2019-03-02 01:12:03", None),
    "/measurement/sample/temperature_A": ([[20.0]], None),
    "/measurement/sample/temperature_A_set": ([[21.0]], None),
}


def write(path, content, attribute="unit"):
    """A metadata file; a value of None leaves the dataset out."""
    with h5py.File(path, "w") as file:
        for name, (value, unit) in content.items():
            if value is None:
                continue
            file[name] = value
            file[name].attrs["NX_Class"] = "NX_NUMBER"
            if unit is not None:
                file[name].attrs[attribute] = unit
    return path


def apsu(path, **changes):
    return write(path, APSU | {f"{DETECTOR}/{key}": value for key, value in changes.items()})


def test_aps_u_file(tmp_path):
    found = read_acquisition(write(tmp_path / "a_metadata.hdf", APSU))
    assert (found.frame_time_s, found.count_time_s) == (0.001, 0.0009)
    assert (found.energy_kev, found.distance_m) == (10.9, 12.5)
    assert found.pixel_size_m == (50e-6, 75e-6)
    # The stage moved by 7.5 mm along x: 100 pixels; by -0.75 mm along y: 15 of another size.
    assert found.beam_centre_column == pytest.approx(1127.5)
    assert found.beam_centre_row == pytest.approx(1050.25)
    assert found.start_time == "2025-02-14 12:00:00.5"
    assert found.end_time == "2025-02-14 12:01:00.5"
    assert found.detector == "eiger4M"
    assert found.raw[f"{DETECTOR}/distance"] == (12.5, "m")
    assert found.raw["/entry/schema_version"] == ("0.1.0", "")
    assert found.notes == ()


def test_sample_in_kelvin_whatever_the_attribute_says(tmp_path):
    sample = read_acquisition(write(tmp_path / "a.hdf", APSU)).sample
    assert sample == {
        "short_description": "silica",
        "qnw1_temperature_K": 298.15,
        "qnw1_temperature_set_K": 299.15,
        "temperature_K": 298.15,  # the only reading that is no placeholder
    }


def test_two_readings_leave_the_temperature_open(tmp_path):
    content = APSU | {"/entry/sample/qnw3_temperature": (30.0, "K")}
    sample = read_acquisition(write(tmp_path / "a.hdf", content)).sample
    assert sample["qnw3_temperature_K"] == 303.15
    assert "temperature_K" not in sample


def test_early_2024_takes_the_frame_time_from_the_period(tmp_path):
    found = read_acquisition(write(tmp_path / "a.hdf", EARLY))
    assert (found.frame_time_s, found.count_time_s) == (0.001, 0.0009)
    # Both positions are placeholders: the beam did not move.
    assert (found.beam_centre_row, found.beam_centre_column) == (1520.0, 1044.0)
    assert (found.energy_kev, found.distance_m) == (8.0, 12.5)
    without = EARLY | {f"{BLUESKY}/t1": (None, None)}
    assert read_acquisition(write(tmp_path / "b.hdf", without)).frame_time_s == 0.001


def test_legacy_file_in_millimetres(tmp_path):
    found = read_acquisition(write(tmp_path / "a.hdf", LEGACY))
    assert (found.frame_time_s, found.count_time_s) == (0.00134, 0.001)
    assert found.distance_m == pytest.approx(3.93)
    assert found.pixel_size_m == pytest.approx((55e-6, 55e-6))
    assert found.beam_centre_column == pytest.approx(280.0)
    assert found.beam_centre_row == pytest.approx(298.0)
    assert (found.energy_kev, found.detector) == (7.35, "LAMBDA")
    assert found.start_time == "2019-03-02 01:02:03"
    assert found.sample["temperature_K"] == pytest.approx(293.15)
    assert found.raw["/measurement/instrument/detector/distance"] == (3930.0, "")
    assert "/measurement/instrument/detector/flatfield" not in found.raw  # an image


@pytest.mark.parametrize("attribute", ["unit", "units"])
def test_units_of_either_attribute_are_converted(tmp_path, attribute):
    content = APSU | {
        f"{DETECTOR}/distance": (12500.0, "mm"),
        f"{DETECTOR}/x_pixel_size": (75.0, "um"),
        f"{DETECTOR}/frame_time": (1.0, "ms"),
        "/entry/instrument/incident_beam/incident_energy": (10900.0, "eV"),
    }
    found = read_acquisition(write(tmp_path / "a.hdf", content, attribute))
    assert found.distance_m == pytest.approx(12.5)
    assert found.pixel_size_m == pytest.approx((50e-6, 75e-6))
    assert found.frame_time_s == pytest.approx(0.001)
    assert found.energy_kev == pytest.approx(10.9)


@pytest.mark.parametrize("unit", ["NX_LENGTH", "any", "", None])
def test_what_is_no_unit_means_the_one_of_the_layout(tmp_path, unit):
    assert read_acquisition(apsu(tmp_path / "a.hdf", distance=(12.5, unit))).distance_m == 12.5


def test_an_unknown_unit_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"'furlong' is no unit of .*detector_1/distance"):
        read_acquisition(apsu(tmp_path / "a.hdf", distance=(12.5, "furlong")))


def test_energy_in_ev_under_the_attribute_kev(tmp_path):
    content = APSU | {"/entry/instrument/incident_beam/incident_energy": (10900.0, "keV")}
    found = read_acquisition(write(tmp_path / "a.hdf", content))
    assert found.energy_kev == pytest.approx(10.9)
    assert "taken for eV" in found.notes[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"position_x": (1.0, "m")}, "positions of the stage are missing"),
        ({"position_y": (None, None)}, "positions of the stage are missing"),
        ({"position_x": (307.5, "m")}, "moved the beam centre by 4096000 pixels"),
        ({"distance": (1.0, "m")}, "distance is 1.0 m, which also stands"),
        ({"frame_time": (1.0, "s"), "count_time": (1.0, "s")}, "frame and count time are 1.0 s"),
        ({"count_time": (0.002, "s")}, "longer than the frame time"),
        ({"flightpath_swing": (4.5, "degree")}, "flightpath_swing is 4.5 degrees"),
    ],
)
def test_what_looks_odd_is_noted(tmp_path, changes, expected):
    notes = read_acquisition(apsu(tmp_path / "a.hdf", **changes)).notes
    assert len(notes) == 1
    assert expected in notes[0]


def test_a_stage_without_position_moves_nothing(tmp_path):
    found = read_acquisition(apsu(tmp_path / "a.hdf", position_x=(1.0, "m")))
    assert found.beam_centre_column == 1027.5
    assert found.beam_centre_row == pytest.approx(1050.25)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"x_pixel_size": (1.0, "m")}, "pixel_size_m"),
        ({"y_pixel_size": (None, None)}, "pixel_size_m"),
        ({"beam_center_x": (1.0, ""), "beam_center_y": (1.0, "")}, "beam_centre_row"),
        ({"beam_center_x": (None, None)}, "beam_centre_column"),
        ({"frame_time": (None, None)}, "frame_time_s"),
        ({"frame_time": (np.nan, "s")}, "frame_time_s"),
        ({"frame_time": (0.0, "s")}, "frame_time_s"),
        ({"frame_time": ("soon", "s")}, "frame_time_s"),
        ({"frame_time": (np.empty(0), "s")}, "frame_time_s"),
        ({"distance": (-3.0, "m")}, "distance_m"),
    ],
)
def test_missing_values_and_placeholders_are_none(tmp_path, changes, name):
    assert getattr(read_acquisition(apsu(tmp_path / "a.hdf", **changes)), name) is None


def test_frame_time_is_needed_unless_it_is_given(tmp_path):
    found = read_acquisition(apsu(tmp_path / "a.hdf", frame_time=(None, None)))
    with pytest.raises(UserError, match="time from frame to frame is not known") as refusal:
        frame_time(found, None, "run 12")
    assert refusal.value.where == "run 12"
    assert "frame_time_s" in refusal.value.how
    assert frame_time(found, 0.5, "run 12") == 0.5
    assert frame_time(None, 0.5, "run 12") == 0.5
    assert frame_time(Acquisition(frame_time_s=0.1), None, "run 12") == 0.1


def test_files_that_are_none(tmp_path):
    with pytest.raises(UserError, match="file not found"):
        read_acquisition(tmp_path / "none.hdf")
    (tmp_path / "text.hdf").write_text("no")
    with pytest.raises(UserError, match="not a complete HDF5 file") as refusal:
        read_acquisition(tmp_path / "text.hdf")
    assert "snakemake" not in refusal.value.how
    with h5py.File(tmp_path / "other.hdf", "w") as file:
        file["entry/title"] = "x"
    with pytest.raises(UserError, match="holds no metadata of an acquisition"):
        read_acquisition(tmp_path / "other.hdf")


@pytest.mark.parametrize("content", [APSU, EARLY, LEGACY])
@pytest.mark.parametrize(
    "junk",
    [
        np.empty(0),
        np.zeros((3, 3)),
        [1, 2],
        np.inf,
        "text",
        b"\xff\xfe",
        h5py.Empty("f8"),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    ],
)
def test_junk_means_not_known(tmp_path, content, junk):
    every = {name: (junk, unit) for name, (_, unit) in content.items()}
    found = read_acquisition(write(tmp_path / "a.hdf", every))
    assert found.frame_time_s is None
    assert found.energy_kev is None
    assert found.beam_centre_row is None
    assert found.pixel_size_m is None
    assert found.distance_m is None


# --- geometry


@pytest.mark.parametrize("content", [APSU, EARLY, LEGACY])
def test_the_geometry_puts_the_beam_where_the_metadata_say(tmp_path, content):
    found = read_acquisition(write(tmp_path / "a.hdf", content))
    (tmp_path / "a.poni").write_text(poni_text(found, "a.hdf"))
    parameters = GeometryParameters(**geometry_parameters(found, "a.hdf")).model_dump()
    for geometry in (str(tmp_path / "a.poni"), parameters):
        detector = {"shape": (2000, 1500), "geometry": geometry}
        integrator = load_geometry(DetectorConfig(**detector).model_dump(), "d")
        assert beam_centre(integrator) == pytest.approx(
            (found.beam_centre_row, found.beam_centre_column)
        )
        assert integrator.dist == found.distance_m
        assert integrator.wavelength * 1e10 == pytest.approx(12.398419843320026 / found.energy_kev)


def test_a_geometry_needs_all_of_it(tmp_path):
    changes = {"distance": (None, None), "x_pixel_size": (None, None)}
    path = apsu(tmp_path / "a.hdf", **changes)
    with pytest.raises(UserError, match=r"do not tell the distance, the row of .*, the pixel size"):
        poni_text(read_acquisition(path), str(path))


def test_command_line(tmp_path, capsys):
    path = apsu(tmp_path / "a_metadata.hdf", count_time=(0.002, "s"))
    assert main(["geometry", str(path)]) == 0
    printed = capsys.readouterr()
    assert printed.out == poni_text(read_acquisition(path), str(path))
    assert printed.err.startswith("note: the exposure")
    assert main(["geometry", str(path), "--write", str(tmp_path / "geometry" / "x.poni")]) == 0
    assert (tmp_path / "geometry" / "x.poni").read_text() == printed.out
    assert main(["geometry", str(tmp_path / "none.hdf")]) == 1
    assert "error: file not found" in capsys.readouterr().err
