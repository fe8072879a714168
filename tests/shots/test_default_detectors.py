"""Default detectors: rules against loops over shots, and against the names of each facility."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scatterflow.errors import UserError
from scatterflow.shots.default_detectors import (
    corrected_time,
    find_default_detectors,
    light_status,
    monitor_position,
    read_default_detectors,
)
from scatterflow.shots.default_tables import EVENT_CODES
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_writers import write_euxfel, write_sacla, write_smalldata
from scatterflow.sources.shots import open_shots

SHOTS = 8
TIMES = (1768489200 << 32) + np.arange(SHOTS, dtype=np.int64) * 8333333
CODES = [91, 137, 162]


def light_of_one_shot(came, rule):
    if not came:
        return -1
    for code in rule:
        if code > 0 and code in came:
            return 0
        if code < 0 and -code not in came:
            return 0
    return 1


@given(
    came=arrays.arrays(bool, (6, 3)),
    rule=st.lists(st.sampled_from([91, -91, 137, -137, 162, -162, 200, -200]), max_size=4),
)
@settings(max_examples=80, deadline=None)
def test_light_by_event_codes(came, rule):
    codes = dict(zip(CODES, came.T, strict=True))
    expected = [
        light_of_one_shot({code for code, c in zip(CODES, shot, strict=True) if c}, rule)
        for shot in came
    ]
    assert light_status(codes, rule).tolist() == expected


def test_time_tool():
    x = np.array([0.0, 100.0, np.nan, -50.0])
    corrected, valid = corrected_time(x, [1.0, 0.01, 2e-4])
    np.testing.assert_allclose(corrected, [0, 1 + 1 + 2, 0, 1 - 0.5 + 0.5])
    assert valid.tolist() == [False, True, False, True]
    np.testing.assert_allclose(corrected_time(x, [1.0, 0.01])[0], [0, 2, 0, 0.5])


def test_monitor_position():
    found = monitor_position(
        np.array([1, 0]), np.array([3, 0]), np.array([2, 1]), np.array([2.0, 0.0])
    )
    assert found["sum"].tolist() == [8, 1]
    np.testing.assert_array_equal(found["xpos"], [0.5, np.nan])
    np.testing.assert_array_equal(found["ypos"], [0, 1])


def smalldata(folder, **more):
    fields = {f"evr/code_{code}": np.zeros(SHOTS, np.int64) for code in CODES}
    fields["evr/code_137"][[0, 1, 2, 5]] = 1
    fields["evr/code_91"][[2, 3]] = 1
    fields |= {
        "ipm2/sum": np.arange(SHOTS) / 4,
        "tt/FLTPOS": np.array([0, 500.0, 510, 0, 490, 505, 495, 500]),
        "ai/ch00": np.zeros(SHOTS),
        "epix_1/ROI_area": np.zeros((SHOTS, 2, 2)),
        "epix_1/ROI_sum": np.zeros(SHOTS),
        "damage/epix_1": np.array([1, 1, 1, 1, 0, 1, 1, 1]),
        "enc/lasDelay": np.full(SHOTS, 0.25),
    }
    write_smalldata(folder / "a.h5", TIMES, fields | more)
    return open_shots(RunLocation("r", "a.h5", str(folder), SHOTS, {"format": "smalldata"}))


def test_lcls(tmp_path):
    source = smalldata(tmp_path)
    tool = {"coefficients": [-1.0, 2e-3], "unit": "ps"}
    chosen = {"facility": "lcls", "hutch": "xpp", "time_tool": tool, "drop": ["ai"]}
    found = find_default_detectors(source, chosen)
    table = read_default_detectors(source, found)
    assert table.index.tolist() == TIMES.tolist()
    assert table["lightStatus/xray"].tolist() == [1, 1, 1, 0, -1, 1, -1, -1]
    assert table["lightStatus/laser"].tolist() == [1, 1, 0, 0, -1, 1, -1, -1]
    assert table["ipm2/sum"].tolist() == [number / 4 for number in range(SHOTS)]
    np.testing.assert_allclose(table["tt/ttCorr"][:3], [0, 0, 0.02], atol=1e-12)
    assert table["tt/valid"].tolist() == [0, 1, 1, 0, 1, 1, 1, 1]
    assert table.attrs["units"]["tt/ttCorr"] == "ps"
    assert table["damage/epix_1"].tolist() == [1, 1, 1, 1, 0, 1, 1, 1]
    assert table["enc/lasDelay"].tolist() == [0.25] * SHOTS
    assert not [name for name in table if name.startswith("ai/")]
    assert "epix_1/ROI_sum" not in table
    # 8333333 ns after the first.
    assert int(table["event_time"].iloc[1] - table["event_time"].iloc[0]) == 8333333
    assert found.notes == []


def test_chunks_are_parts_of_the_whole(tmp_path):
    source = smalldata(tmp_path)
    found = find_default_detectors(source, {"facility": "lcls", "hutch": "xpp"})
    whole = read_default_detectors(source, found)
    for start, stop in ((0, 3), (3, 4), (4, 8)):
        part = read_default_detectors(source, found, start, stop)
        np.testing.assert_array_equal(part.to_numpy(), whole.iloc[start:stop].to_numpy())
        assert list(part.columns) == list(whole.columns)


def test_light_survives_leaving_out_the_codes(tmp_path):
    source = smalldata(tmp_path)
    found = find_default_detectors(source, {"facility": "lcls", "hutch": "xpp", "drop": ["evr"]})
    table = read_default_detectors(source, found)
    assert table["lightStatus/xray"].tolist() == [1, 1, 1, 0, -1, 1, -1, -1]
    assert not [name for name in table if name.startswith("evr/")]


def test_light_that_the_file_states(tmp_path):
    stated = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    source = smalldata(tmp_path, **{"lightStatus/xray": stated})
    table = read_default_detectors(
        source, find_default_detectors(source, {"facility": "lcls", "hutch": "xpp"})
    )
    assert table["lightStatus/xray"].tolist() == stated.tolist()
    assert table["lightStatus/laser"].tolist() == [1, 1, 0, 0, -1, 1, -1, -1]


@pytest.mark.parametrize("names", [["shutter", "ipm2/sum"], ["ipm2/sum", "shutter"]])
def test_a_beam_that_is_off_is_not_unknown(tmp_path, names):
    shutter = np.array([0.0, np.nan, 1.0, np.nan, 1.0, 1.0, 1.0, 1.0])
    other = np.array([np.nan, 0.0, 1.0, 1.0, np.nan, 0.0, 1.0, 1.0])
    source = smalldata(tmp_path, **{"shutter": shutter, "ipm2/sum": other})
    light = {"laser": {"required": names}}
    found = find_default_detectors(source, {"facility": "lcls", "light": light})
    table = read_default_detectors(source, found)
    assert table["lightStatus/laser"].tolist() == [0, 0, 1, -1, -1, 0, 1, 1]


def test_a_time_tool_that_the_file_has_corrected(tmp_path):
    source = smalldata(tmp_path, **{"tt/ttCorr": np.linspace(-0.2, 0.3, SHOTS)})
    table = read_default_detectors(source, find_default_detectors(source, {"facility": "lcls"}))
    assert table["tt/valid"].tolist() == [0, 1, 1, 0, 1, 1, 1, 1]


def test_codes_of_ones_own(tmp_path):
    source = smalldata(tmp_path)
    light = {"laser": {"codes": [91, -137]}, "xray": {"required": ["ipm2/sum"]}}
    table = read_default_detectors(
        source, find_default_detectors(source, {"facility": "lcls", "light": light})
    )
    # Both codes count: 137 must be there, 91 must not.
    assert table["lightStatus/laser"].tolist() == [1, 1, 0, 0, -1, 1, -1, -1]
    assert table["lightStatus/xray"].tolist() == [0, 1, 1, 1, 1, 1, 1, 1]


def test_hutches_of_lcls():
    assert set(EVENT_CODES) == {"xpp", "xcs", "mfx", "cxi", "mec", "sxr", "ued"}
    assert EVENT_CODES["mec"] == {"xray": (-137,), "laser": (-182,)}
    assert EVENT_CODES["cxi"]["laser"] == (184,)


def test_sacla(tmp_path):
    opened = np.array([1, 1, 0, 1])
    events = {
        "bl_3/shutter_1_open_valid_status": opened,
        "bl_3/eh_1/xfel_pulse_selector_status": np.array([1, 0, 1, 1]),
        "bl_3/lh_1/laser_pulse_selector_status": np.array([1, 0, 0, 1]),
        "bl_3/oh_2/bm_1_pulse_energy_in_joule": np.arange(4) * 1e-6,
        "bl_3/eh_2/bm_1_user/horizontal": np.arange(4.0),
        "bl_3/lh_1/electrical_delay_in_psec": np.arange(4.0),
        "bl_3/eh_4/laser/delay_line_motor_11": np.arange(4),
        "bl_3/eh_1/photodiode/photodiode_user_2_in_volt": np.ones(4),
        "time_stamp": 1768489200.0 + np.arange(4) / 32,
    }
    ccd = np.zeros((4, 2, 2), np.float32)
    there = {"ccd": np.array([True, True, False, True])}
    write_sacla(tmp_path / "a.h5", 7, 10 + 2 * np.arange(4), {"ccd": ccd}, there, events)
    source = open_shots(RunLocation("r", "a.h5", str(tmp_path), 4, {"format": "sacla"}))
    found = find_default_detectors(source, {"facility": "sacla"})
    table = read_default_detectors(source, found)
    assert table["lightStatus/xray"].tolist() == [1, 0, 0, 1]
    assert table["lightStatus/laser"].tolist() == [1, 0, 0, 1]
    assert table["bm_1_oh2/sum"].tolist() == [0, 1e-6, 2e-6, 3e-6]
    assert table["bm_1_eh2/xpos"].tolist() == [0, 1, 2, 3]
    assert table["enc/delay_line_11"].tolist() == [0, 1, 2, 3]
    assert table["scan/electrical_delay"].tolist() == [0, 1, 2, 3]
    assert table["diode_2_eh1/sum"].tolist() == [1] * 4
    assert table["damage/ccd"].tolist() == [1, 1, 0, 1]
    assert table.attrs["units"]["bm_1_oh2/sum"] == "J"
    assert table["event_time"].iloc[0] == 1768489200 * 10**9


def test_european_xfel(tmp_path):
    trains = np.array([100, 101])
    control = {
        "SA1_XTD2_XGM/XGM/DOOCS/pulseEnergy/photonFlux": np.array([1.5, 2.5]),
        "SA1_XTD2_XGM/XGM/DOOCS/beamPosition/ixPos": np.array([0.1, 0.2]),
        "FXE_SMS_USR/MOTOR/UM01/actualPosition": np.array([7.0, 8.0]),
    }
    pulsed = {"SA1_XTD2_XGM/XGM/DOOCS:output/data/intensityTD": np.arange(8.0).reshape(2, 4)}
    frames = np.zeros((4, 2, 3, 2), np.float32)
    write_euxfel(
        tmp_path / "r1",
        1,
        trains,
        np.array([0, 1]),
        {"FXE_DET_LPD1M-1": frames},
        None,
        control,
        pulsed,
    )
    recipe = {"format": "euxfel", "pulses": {"first": 0, "step": 1}}
    source = open_shots(RunLocation("r", "r1", str(tmp_path), 4, recipe))
    found = find_default_detectors(source, {"facility": "euxfel"})
    table = read_default_detectors(source, found)
    assert table["xgm_SA1_XTD2/sum"].tolist() == [1.5, 1.5, 2.5, 2.5]
    assert table["xgm_SA1_XTD2/xpos"].tolist() == [0.1, 0.1, 0.2, 0.2]
    assert table["xgm_SA1_XTD2/pulse"].tolist() == [0, 1, 4, 5]
    assert table["enc/FXE_SMS_USR_UM01"].tolist() == [7, 7, 8, 8]
    assert table["pulseId"].tolist() == [0, 1, 0, 1]
    assert table["lightStatus/laser"].tolist() == [1] * 4
    assert "lightStatus/laser: nothing says whether it was on; taken as on" in found.notes


def test_what_a_run_lacks_is_left_out_with_a_note(tmp_path):
    source = smalldata(tmp_path)
    asked = {
        "facility": "lcls",
        "columns": {"scan/delay": "scan/lxx", "scan/enc": "enc/lasDelay"},
        "monitors": {"diode": {"left": "a", "right": "b", "top": "c", "bottom": "ipm2/sum"}},
        "time_tool": {"position": "ttall/FLTPOS", "coefficients": [0, 1]},
        "light": {"xray": {"required": ["shutter"]}},
    }
    found = find_default_detectors(source, asked)
    notes = " | ".join(found.notes)
    assert "scan/delay: the run has no 'scan/lxx'" in notes
    assert "monitor diode: the run lacks a, b, c" in notes
    assert "tt/ttCorr: the run has no 'ttall/FLTPOS'" in notes
    assert "lightStatus/xray: the run lacks shutter" in notes
    table = read_default_detectors(source, found)
    assert table["scan/enc"].tolist() == [0.25] * SHOTS
    assert not {"scan/delay", "diode/sum", "tt/ttCorr"} & set(table.columns)
    without = find_default_detectors(source, {"facility": "lcls"})
    assert "tt/ttCorr: no `time_tool.coefficients`; left out" in without.notes


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"facility": "lcs"}, "unknown facility 'lcs'"),
        ({"facility": "lcls", "hutch": "xpq"}, "unknown hutch 'xpq'"),
        ({"facility": "lcls", "timetool": {}}, "unknown key 'timetool'"),
        ({"facility": "lcls", "time_tool": {}}, "`coefficients` is missing"),
        ({"facility": "lcls", "light": {"xray": {"code": [1]}}}, "unknown key 'code'"),
    ],
)
def test_mistakes(tmp_path, given, what):
    with pytest.raises(UserError, match=what):
        find_default_detectors(smalldata(tmp_path), given)
