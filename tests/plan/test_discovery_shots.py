"""X-ray laser runs in a raw folder are found by their sources, each once."""

from __future__ import annotations

import h5py
import numpy as np

from scatterflow.plan.discovery import discover
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_writers import write_euxfel, write_sacla
from scatterflow.sources.shots import open_shots

SACLA = {"format": "sacla", "file": "{raw}"}
EUXFEL = {"format": "euxfel", "folder": "{raw}"}
HDF5 = {"format": "shot_hdf5", "file": "{raw}", "tags": "/tags", "detectors": {"ccd": "/data"}}
TAGS = 100 + 2 * np.arange(6)
IMAGES = np.zeros((6, 3, 4), np.uint16)


def sacla(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sacla(path, 7, TAGS, {"ccd": IMAGES}, {"ccd": np.arange(6) != 2})


def euxfel(folder):
    folder.mkdir(parents=True)
    frames = np.zeros((8, 2, 3, 4), np.float32)
    trains = 5000 + np.arange(4, dtype=np.uint64)
    write_euxfel(folder, 1, trains, np.arange(2), {"SPB_DET_AGIPD1M-1": frames})


def plain(path, shots=5):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["tags"], file["data"] = np.arange(shots), np.zeros((shots, 3, 4), np.uint8)


def test_runs_of_three_layouts(tmp_path):
    sacla(tmp_path / "s/1001.h5")
    euxfel(tmp_path / "e/r0002")
    plain(tmp_path / "p/run.h5")
    sources = {"sacla": SACLA, "euxfel": EUXFEL, "plain": HDF5}
    rows = discover(tmp_path, sources)
    found = {row["source"]: (row["raw"], row["frames"]) for row in rows}
    assert found == {
        "sacla": ("s/1001.h5", 6),
        "euxfel": ("e/r0002", 8),
        "plain": ("p/run.h5", 5),
    }
    assert len(rows) == 3
    assert len({row["run"] for row in rows}) == 3
    for row in rows:
        place = RunLocation(
            row["run"], row["raw"], str(tmp_path), row["frames"], sources[row["source"]]
        )
        assert open_shots(place).shots == row["frames"]
    (note,) = [
        note for row in rows if row["source"] == "sacla" for note in row["notes"] if "ccd" in note
    ]
    assert "1 of 6" in note


def test_the_run_may_be_named_by_its_path(tmp_path):
    sacla(tmp_path / "exp/r1001.h5")
    (row,) = discover(tmp_path, {"sacla": {**SACLA, "file": "{raw}/r{run}.h5"}})
    assert (row["run"], row["raw"], row["frames"]) == ("1001", "exp", 6)
    assert row["named_by_path"]


def test_files_that_no_shot_is_in_are_told(tmp_path):
    sacla(tmp_path / "good.h5")
    plain(tmp_path / "empty.h5", shots=0)
    (tmp_path / "cut.h5").write_bytes((tmp_path / "good.h5").read_bytes()[:2000])
    rows = discover(tmp_path, {"sacla": SACLA})
    assert [row["raw"] for row in rows if row["source"]] == ["good.h5"]
    told = " ".join(note for row in rows if not row["source"] for note in row["notes"])
    assert "cut.h5" in told
    assert "empty.h5" in told


def test_what_no_source_can_read_is_told_with_several_sources_as_well(tmp_path):
    plain(tmp_path / "a.h5")
    (tmp_path / "cut.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:500])
    rows = discover(tmp_path, {"sacla": SACLA, "plain": HDF5})
    assert [row["raw"] for row in rows if row["source"]] == ["a.h5"]
    told = [note for row in rows if not row["source"] for note in row["notes"]]
    assert any("cut.h5" in note for note in told)


def test_data_of_facilities_is_not_looked_for(tmp_path):
    plain(tmp_path / "a.h5")
    live = {"format": "sacla_live", "beamline": 3, "detectors": {"ccd": "C"}}
    rows = discover(tmp_path, {"live": live, "plain": HDF5})
    assert [row["source"] for row in rows] == ["plain"]
