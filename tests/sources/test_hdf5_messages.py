"""HDF5 sources: what a user reads who got a name or a path wrong; the run's times."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5 import Hdf5Source
from scatterflow.sources.writers import write_eiger

SHAPE = (6, 8)


def source(root, raw="a.h5", frames=3, wanted="auto", **recipe):
    recipe = {"format": "hdf5", "frames": {"saxs": wanted}, **recipe}
    return Hdf5Source(RunLocation("r1", raw, str(root), frames, recipe, {"saxs": SHAPE}))


def measured(path):
    with h5py.File(path, "w") as file:
        file["entry/saxs/data"] = np.ones((3, *SHAPE), "u2")
        file["entry/waxs/data"] = np.ones((3, 2, 9), "u2")
        file["entry/monitor/i0"] = np.arange(3.0)
        file["entry/monitor/i1"] = np.arange(3.0)
        file["entry/title"] = "glassy carbon"
        file["entry/log"] = np.arange(100.0)
    return path


def dataset(name, unit=""):
    return {"type": "dataset", "name": name, "unit": unit}


# Names of datasets


@pytest.mark.parametrize("wanted", ["entry/sax/data", "/entry/saxs", "saxs/data"])
def test_a_wrong_dataset_of_frames_lists_what_could_be_meant(tmp_path, wanted):
    measured(tmp_path / "a.h5")
    with pytest.raises(UserError) as caught:
        source(tmp_path, wanted=wanted).read("saxs", 0, 1)
    assert caught.value.how == (
        "did you mean 'entry/saxs/data'? "
        "in the file: entry/saxs/data (3, 6, 8), entry/waxs/data (3, 2, 9)"
    )
    assert caught.value.where.startswith(f"{tmp_path}/a.h5")
    assert caught.value.where.endswith("run r1, key frames.saxs of the source")


@pytest.mark.parametrize("wanted", ["entry/i0", "entry/monitor/io", "/entry/monitor/i0/x"])
def test_a_wrong_scalar_lists_what_could_be_meant(tmp_path, wanted):
    measured(tmp_path / "a.h5")
    it = source(tmp_path, wanted="entry/saxs/data", scalars={"ic": dataset(wanted)})
    for ask in (it.scalars, it.scalar_files):
        with pytest.raises(UserError) as caught:
            ask()
        assert caught.value.how.startswith("did you mean 'entry/monitor/i0'? ")
        assert "entry/monitor/i1 (3,)" in caught.value.how
        assert "saxs" not in caught.value.how
        assert caught.value.where == f"{tmp_path}/a.h5, run r1, key scalars.ic of the source"


def test_at_most_five_are_listed_those_in_linked_files_as_well(tmp_path):
    write_eiger(tmp_path / "a_master.h5", np.ones((7, *SHAPE), "u4"), 1)
    with pytest.raises(UserError) as caught:
        source(tmp_path, "a_master.h5", 7, wanted="entry/data/data_000008").read("saxs", 0, 1)
    assert caught.value.how.count("(1, 6, 8)") == 5


def test_a_file_without_anything_that_fits(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/title"] = "empty"
    with pytest.raises(UserError, match="nothing is called") as caught:
        source(tmp_path, wanted="entry/data/data").read("saxs", 0, 1)
    assert "no dataset of the file holds frames" in caught.value.how


def test_a_contradicting_unit_names_the_key_and_how_to_mend_it(tmp_path):
    with h5py.File(measured(tmp_path / "a.h5"), "r+") as file:
        file["entry/monitor/i0"].attrs["units"] = "arb"
    scalars = {"i0": dataset("entry/monitor/i0", "counts")}
    with pytest.raises(UserError, match=r"'counts'.*'arb'") as caught:
        source(tmp_path, wanted="entry/saxs/data", scalars=scalars).scalars()
    assert caught.value.where == "run r1, key scalars.i0 of the source"
    assert caught.value.how == "leave `unit` out: the file's own is used"


# Raw files that are not there


def test_a_missing_file_tells_what_is_there(tmp_path):
    for name in ("scan_0001.h5", "scan_0002.h5", "scan_0010.h5", "scan_0100.h5", "notes.txt"):
        measured(tmp_path / name)
    for wanted in ("auto", "entry/saxs/data"):
        with pytest.raises(FrameError, match="missing") as caught:
            source(tmp_path, "scan_0003.h5", wanted=wanted).detectors["saxs"]
        there, advice = caught.value.how.split("; ", 1)
        assert there.startswith(f"in {tmp_path} there are scan_0")
        assert there.count("scan_") == 3
        assert "raw" in advice
        assert "missing: nan" not in caught.value.how
        assert "run r1" in caught.value.where


def test_a_missing_folder_is_named(tmp_path):
    (tmp_path / "2024").mkdir()
    with pytest.raises(FrameError, match="missing") as caught:
        source(tmp_path, "2024/may/day1/scan.h5").read("saxs", 0, 1)
    assert caught.value.how.startswith(f"the folder {tmp_path}/2024/may is not there; ")
    with pytest.raises(FrameError, match="nothing matches") as caught:
        source(tmp_path, "2024/scan*.h5").read("saxs", 0, 1)
    assert caught.value.how.startswith(f"nothing in {tmp_path}/2024 has a similar name; ")


def test_a_missing_data_file_is_searched_for_before_it_is_passed_over(tmp_path):
    write_eiger(tmp_path / "a_master.h5", np.ones((4, *SHAPE), "u4"), 2)
    (tmp_path / "a_data_000002.h5").rename(tmp_path / "a_data_000002.h5.part")
    with pytest.raises(FrameError, match="missing") as caught:
        source(tmp_path, "a_master.h5", 4).read("saxs", 0, 4)
    assert "a_data_000002.h5.part" in caught.value.how.split("; ")[0]
    assert caught.value.how.endswith("`missing: nan` goes on without these frames")


# Files of scalars


def test_the_file_behind_a_link_to_a_scalar_is_a_file_of_the_scalars(tmp_path):
    measured(tmp_path / "a.h5")
    with h5py.File(tmp_path / "monitors.h5", "w") as file:
        file["i0"] = np.arange(3.0)
    layout = h5py.VirtualLayout((3,), "f8")
    for i in range(3):
        with h5py.File(tmp_path / f"t{i}.h5", "w") as file:
            file["t"] = np.full(1, 10.0 + i)
        layout[i : i + 1] = h5py.VirtualSource(f"t{i}.h5", "t", (1,))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["entry/i0"] = h5py.ExternalLink("monitors.h5", "/i0")
        file.create_virtual_dataset("entry/temperature", layout)
    scalars = {"i0": dataset("entry/i0"), "t": dataset("entry/temperature")}
    it = source(tmp_path, wanted="entry/saxs/data", scalars=scalars)
    names = ["a.h5", "monitors.h5", "t0.h5", "t1.h5", "t2.h5"]
    assert [path.name for path in it.scalar_files()] == names
    np.testing.assert_array_equal(it.scalars()["t"], [10.0, 11.0, 12.0])
    it.close()
    # A value that is not there is not made up, and its file still is a file of the scalars.
    (tmp_path / "monitors.h5").unlink()
    (tmp_path / "t1.h5").unlink()
    it = source(tmp_path, wanted="entry/saxs/data", scalars={"t": scalars["t"]})
    with pytest.raises(UserError, match="missing") as caught:
        it.scalars()
    assert "t1.h5" in caught.value.where
    it = source(tmp_path, wanted="entry/saxs/data", scalars=scalars)
    assert [path.name for path in it.scalar_files()] == names


def test_no_file_is_shared_by_runs(tmp_path):
    it = source(tmp_path)
    assert it.shared_files() == []
    assert it.fingerprint(scalars=True) is None


# Times


@pytest.mark.parametrize(
    ("stated", "given"),
    [
        ("2021-03-01T12:00:00+01:00", "2021-03-01T12:00:00+01:00"),
        ("2021-03-01T12:00:00.125Z", "2021-03-01T12:00:00.125000+00:00"),
        ("2021-03-01 12:00:00 -0500", "2021-03-01T12:00:00-05:00"),
        ("2021-03-01T12:00:00", None),
        ("yesterday", None),
    ],
)
def test_times_of_a_nexus_file(tmp_path, stated, given):
    with h5py.File(measured(tmp_path / "a.h5"), "r+") as file:
        file["entry/start_time"] = stated
        file["entry/end_time"] = np.bytes_(stated)
    found = source(tmp_path).metadata()
    assert found.get("start_time") == found.get("end_time") == given
    assert found["/entry/start_time"] == stated


def test_times_of_the_default_entry_and_of_the_last_file(tmp_path):
    for number in (1, 2):
        with h5py.File(measured(tmp_path / f"p{number}.h5"), "r+") as file:
            file.attrs["default"] = "scan"
            file["scan/start_time"] = f"2021-03-01T12:0{number}:00Z"
            file["scan/end_time"] = f"2021-03-01T12:0{number}:30Z"
            file["entry/start_time"] = "1999-01-01T00:00:00Z"
    found = source(tmp_path, "p*.h5", 6, wanted="entry/saxs/data").metadata()
    assert found["start_time"] == "2021-03-01T12:01:00+00:00"
    assert found["end_time"] == "2021-03-01T12:02:30+00:00"


def test_the_time_of_an_eiger(tmp_path):
    write_eiger(tmp_path / "a_master.h5", np.ones((1, *SHAPE), "u4"))
    with h5py.File(tmp_path / "a_master.h5", "r+") as file:
        name = "entry/instrument/detector/detectorSpecific/data_collection_date"
        file[name] = "2016-06-21T11:04:06.128+02:00"
    found = source(tmp_path, "a_master.h5", 1).metadata()
    assert found["start_time"] == "2016-06-21T11:04:06.128000+02:00"
    assert "end_time" not in found
