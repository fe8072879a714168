"""The table of a run's scalars, in parts as whole; what is odd is noted, not shifted."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.shots.table import read_table, tabulate_shots
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_writers import write_sacla
from scatterflow.sources.shots import open_shots

SHOTS = 11
TAGS = 100 + 2 * np.arange(SHOTS)
DEFAULTS = {
    "facility": "sacla",
    "columns": {"scan/delay": "delay", "scan/none": "dealy"},
    "light": {"laser": {"required": ["laser"]}},
}


@pytest.fixture
def source(tmp_path):
    events = {
        "delay": np.arange(SHOTS) / 8,
        "laser": (np.arange(SHOTS) % 3 == 0).astype(np.int32),
        "time_stamp": 1768489200.0 + np.arange(SHOTS) / 32,
    }
    frames = np.zeros((SHOTS, 3, 4), np.uint16)
    there = np.arange(SHOTS) != 6
    write_sacla(tmp_path / "a.h5", 7, TAGS, {"ccd": frames}, {"ccd": there}, events)
    recipe = {"format": "sacla", "scalars": {name: name for name in ("delay", "laser")}}
    return open_shots(RunLocation("7", "a.h5", str(tmp_path), SHOTS, recipe))


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_columns_are_those_of_the_run(source, tmp_path, monkeypatch, at_once):
    monkeypatch.setattr("scatterflow.shots.table.SHOTS_AT_ONCE", at_once)
    tabulate_shots(tmp_path / "t.h5", source, DEFAULTS, "7")
    table = read_table(tmp_path / "t.h5")
    np.testing.assert_array_equal(table.tags, TAGS)
    np.testing.assert_array_equal(table.columns["scan/delay"], np.arange(SHOTS) / 8)
    np.testing.assert_array_equal(table.columns["lightStatus/laser"], np.arange(SHOTS) % 3 == 0)
    np.testing.assert_array_equal(table.columns["damage/ccd"], np.arange(SHOTS) != 6)
    seconds = table.columns["event_time"] / 1e9
    np.testing.assert_allclose(seconds, 1768489200.0 + np.arange(SHOTS) / 32, atol=1e-6, rtol=0)
    assert table.units["event_time"] == "ns"
    assert any("scan/none" in note and "did you mean 'delay'" in note for note in table.notes)
    assert table.provenance["raw_files"][0]["path"].endswith("a.h5")
    assert {"raw_metadata", "slow", "software"} <= set(table.provenance)


def test_times_of_some_shots_only_are_left_out_and_told(source, tmp_path, monkeypatch):
    """Of the parts that have times alone, the rows would belong to other shots."""
    monkeypatch.setattr("scatterflow.shots.table.SHOTS_AT_ONCE", 4)
    times = type(source).times

    def first_unknown(self, start=0, stop=None):
        found = times(self, start, stop)
        if start == 0:
            found[0] = np.datetime64("NaT")
        return found

    monkeypatch.setattr(type(source), "times", first_unknown)
    tabulate_shots(tmp_path / "t.h5", source, DEFAULTS, "7")
    table = read_table(tmp_path / "t.h5")
    assert "event_time" not in table.columns
    assert "event_time: known of 7 of 11 shots only; left out" in table.notes
    assert {len(values) for values in table.columns.values()} == {SHOTS}


def test_other_files_are_no_table(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(UserError, match="no table of shots"):
        read_table(tmp_path / "a.h5")


def test_a_run_without_shots(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["tags"] = np.zeros(0, np.int64)
    recipe = {"format": "shot_hdf5", "tags": "/tags"}
    source = open_shots(RunLocation("7", "a.h5", str(tmp_path), 0, recipe))
    with pytest.raises(UserError, match="the run has no shots"):
        tabulate_shots(tmp_path / "t.h5", source, {"facility": "sacla"}, "7")
    assert not (tmp_path / "t.h5").exists()
