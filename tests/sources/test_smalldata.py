"""Small data files and cubes of LCLS."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from tests.sources.shot_runs import opened

from scatterflow.errors import UserError
from scatterflow.sources.shot_writers import write_smalldata
from scatterflow.sources.smalldata import cube_metadata

SHOTS = 7
TIMES = (1768489200 << 32) + np.arange(SHOTS, dtype=np.int64) * 8333333
AREA = np.random.default_rng(1).normal(size=(SHOTS, 4, 3)).astype(np.float32)
DAMAGE = np.array([1, 1, 0, 1, 1, 0, 1])


def written(path, lcls2=False, times=TIMES):
    fields = {
        "lightStatus/xray": np.ones(SHOTS, np.int64),
        "ipm2/sum": np.arange(SHOTS) / 10,
        "ipm2/channels": np.ones((SHOTS, 4)),
        "epix_1/ROI_area": AREA,
        "epix_1/ROI_sum": AREA.sum(axis=(1, 2)),
        "damage/epix_1": DAMAGE,
        "scan/lxt": np.array([0, np.nan, 1, 1, 2, 2, 3]),
        "epix_1/var_droplet/row": np.zeros(SHOTS),
    }
    run_level = {
        "Sums/epix_1_calib": AREA.sum(axis=0),
        "UserDataCfg/epix_1/ROI__ROI_bound": np.array([[0, 4], [0, 3]]),
        "UserDataCfg/epix_1/ped": np.zeros((200, 3)),
    }
    write_smalldata(path, times, fields, run_level, lcls2)


@pytest.mark.parametrize("lcls2", [False, True])
def test_a_file(tmp_path, lcls2):
    written(tmp_path / "xpptut15_Run0054.h5", lcls2)
    source = opened(tmp_path, "xpptut15_Run0054.h5", "smalldata", SHOTS)
    assert source.tags.tolist() == TIMES.tolist()
    assert source.tags.dtype == (np.uint64 if lcls2 else np.int64)
    assert set(source.detectors) == {"epix_1/ROI_area", "ipm2/channels"}
    frames, present = source.read("epix_1/ROI_area", 1, 5)
    assert present.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(frames[present], AREA[1:5][present])
    assert np.isnan(frames[1]).all()
    table = source.scalars(1, 4)
    np.testing.assert_array_equal(table["scan/lxt"], [np.nan, 1, 1])
    assert table["ipm2/sum"].tolist() == [0.1, 0.2, 0.3]
    assert table["lightStatus/xray"].dtype == np.int64
    assert not {"epix_1/var_droplet/row", "ipm2/channels"} & set(table.columns)
    np.testing.assert_array_equal(source.slow()["Sums/epix_1_calib"], AREA.sum(axis=0))
    about = source.metadata()["detectors"]["epix_1"]
    assert about == {"ROI__ROI_bound": [0, 4, 0, 3]}
    assert str(source.times(1, 2)[0]) == "2026-01-15T15:00:00.008333333"
    assert "detector epix_1/ROI_area: damaged in 2 of 7 shots" in source.notes


def test_events_out_of_order_and_doubled(tmp_path):
    order = np.array([3, 0, 1, 1, 2, 5, 4])
    written(tmp_path / "a.h5", times=TIMES[order])
    source = opened(tmp_path, "a.h5", "smalldata", detectors={"roi": "epix_1/ROI_area"})
    assert source.tags.tolist() == TIMES[:6].tolist()
    rows = [1, 2, 4, 0, 6, 5]
    frames, present = source.read("roi", 0, 6)
    assert present.tolist() == (DAMAGE[rows] == 1).tolist()
    np.testing.assert_array_equal(frames[present], AREA[rows][present])
    assert source.scalars(1, 5)["ipm2/sum"].tolist() == [row / 10 for row in rows[1:5]]
    notes = " | ".join(source.notes)
    assert "more than once" in notes
    assert "not in order" in notes


def test_a_cube_is_described(tmp_path):
    with h5py.File(tmp_path / "Cube_xpptut15_Run0054_delay.h5", "w") as file:
        file["binVar_bins"] = np.arange(4.0)
        file["nEntries"] = np.array([3, 0, 5, 2])
        file["epix_1"] = np.zeros((4, 20, 30), np.float32)
        file["epix_1"].attrs["units"] = "photons"
    about = cube_metadata(tmp_path / "Cube_xpptut15_Run0054_delay.h5")
    assert about["bins"] == 4
    assert about["entries"] == [3, 0, 5, 2]
    assert about["datasets"]["epix_1"] == {
        "shape": (4, 20, 30),
        "dtype": "float32",
        "unit": "photons",
    }
    assert about["configuration"]["binVar_bins"] == [0, 1, 2, 3]
    # Opened as a run, it says what it is.
    with pytest.raises(UserError, match="no small data file") as caught:
        opened(tmp_path, "Cube_xpptut15_Run0054_delay.h5", "smalldata")
    assert "cube_metadata" in caught.value.how


def test_faults(tmp_path):
    written(tmp_path / "a.h5")
    with pytest.raises(UserError, match="no cube"):
        cube_metadata(tmp_path / "a.h5")
    with pytest.raises(UserError, match="no dataset 'epix_1/ROI_aera'") as caught:
        opened(tmp_path, "a.h5", "smalldata", detectors={"roi": "epix_1/ROI_aera"})
    assert "ROI_area" in caught.value.how
    with pytest.raises(UserError, match="is no array per shot"):
        opened(tmp_path, "a.h5", "smalldata", detectors={"roi": "Sums/epix_1_calib"})
    with pytest.raises(UserError, match="one entry for each of 7"):
        write_smalldata(tmp_path / "b.h5", TIMES, {"x/y": np.zeros(3)})


def test_equal_arguments_give_equal_bytes(tmp_path):
    written(tmp_path / "a.h5")
    written(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
