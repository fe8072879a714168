"""Plain HDF5 files with tags of their own for every dataset."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.shot_runs import opened

from scatterflow.errors import FrameError, UserError

TAGS = [10, 11, 12, 14, 15]
IMAGES = np.arange(5 * 6, dtype=np.int16).reshape(5, 2, 3)


def written(folder, tags=TAGS, spectra=(12, 11, 99, 15), **more):
    with h5py.File(folder / "run.h5", "w") as file:
        file["ids"] = np.array(tags)
        file["cam/images"] = IMAGES
        file["motors/delay"] = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
        file["motors/delay"].attrs["units"] = "ps"
        file["about/energy"] = 9.5
    with h5py.File(folder / "run_spec.h5", "w") as file:
        file["tags"] = np.array(spectra)
        file["data"] = np.array([[tag, tag + 0.5] for tag in spectra])
        file["gmd"] = np.array(spectra, np.int32) * 2
    return opened(
        *(folder, "run", "shot_hdf5"),
        file="{raw}.h5",
        tags="/ids",
        detectors={
            "camera": "/cam/images",
            "spectrometer": {"data": "/data", "tags": "/tags", "file": "{raw}_spec.h5"},
        },
        scalar_data={"gmd": {"data": "/gmd", "tags": "/tags", "file": "{raw}_spec.h5"}},
        **more,
    )


def test_files_of_their_own(tmp_path):
    source = written(tmp_path)
    assert source.tags.tolist() == TAGS
    frames, present = source.read("spectrometer", 0, 5)
    assert present.tolist() == [False, True, True, False, True]
    assert frames[present].tolist() == [[11, 11.5], [12, 12.5], [15, 15.5]]
    assert np.isnan(frames[~present]).all()
    np.testing.assert_array_equal(source.read("camera", 2, 4)[0], IMAGES[2:4])
    table = source.scalars()
    np.testing.assert_array_equal(table["gmd"], [np.nan, 22, 24, np.nan, 30])
    assert table["/motors/delay"].tolist() == [0, 0.5, 1, 1.5, 2]
    assert table.attrs["units"]["/motors/delay"] == "ps"
    assert source.slow() == {"about/energy": 9.5}
    assert source.files() == [tmp_path / "run.h5", tmp_path / "run_spec.h5"]
    notes = " | ".join(source.notes)
    assert "1 tag (99) belong to no shot" in notes
    assert "nothing in 2 of 5 shots" in notes


@given(spectra=st.lists(st.integers(8, 17), min_size=1, max_size=12), data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_rows_in_any_order(tmp_path_factory, spectra, data):
    source = written(tmp_path_factory.mktemp("run"), spectra=tuple(spectra))
    start = data.draw(st.integers(0, 5))
    stop = data.draw(st.integers(start, 5))
    frames, present = source.read("spectrometer", start, stop)
    assert present.tolist() == [tag in spectra for tag in TAGS[start:stop]]
    assert frames[present, 0].tolist() == [tag for tag in TAGS[start:stop] if tag in spectra]
    source.close()


def test_times_as_tags(tmp_path):
    source = written(tmp_path, tags=1768489200 + np.arange(5) / 100)
    assert source.tags[1] - source.tags[0] == 10000
    assert str(source.times(0, 1)[0]) == "2026-01-15T15:00:00.000000000"
    # The spectrometer's tags are others.
    assert not source.detectors["spectrometer"].present.any()


@pytest.mark.parametrize("path", ["/motors/delay", "motors/delay"])
def test_configured_scalars(tmp_path, path):
    entry = {"name": path, "factor": 1000.0, "unit": "fs"}
    table = written(tmp_path, scalars={"delay": entry, "gmd": "gmd"}).scalars(1, 3)
    assert table["delay"].tolist() == [500, 1000]
    assert table.attrs["units"] == {"delay": "fs", "gmd": ""}
    assert table["gmd"].tolist() == [22, 24]


def test_a_scalar_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no scalar 'motors/dely'") as caught:
        written(tmp_path, scalars={"motors/dely": "motors/dely"}).scalars()
    assert "'/motors/delay'" in caught.value.how


def test_faults(tmp_path):
    written(tmp_path)
    with pytest.raises(UserError, match="`tags` is missing"):
        opened(tmp_path, "run.h5", "shot_hdf5")
    with pytest.raises(UserError, match="no dataset '/idx'"):
        opened(tmp_path, "run.h5", "shot_hdf5", tags="/idx")
    with pytest.raises(UserError, match="4 entries for 5 tags") as caught:
        opened(
            *(tmp_path, "run", "shot_hdf5"),
            file="{raw}.h5",
            tags="/ids",
            detectors={"s": {"data": "/data", "file": "{raw}_spec.h5"}},
        )
    assert "`tags` of its own" in caught.value.how
    with pytest.raises(UserError, match="is not a path below the raw folder"):
        opened(tmp_path, "run", "shot_hdf5", file="../{raw}.h5", tags="/ids")


def test_damaged_values_are_one_message(tmp_path):
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        for name in ("ids", "delay"):
            file.create_dataset(name, data=np.arange(5), chunks=(5,), fletcher32=True)
    with h5py.File(path) as file:
        places = {name: file[name].id.get_chunk_info(0).byte_offset for name in file}

    def spoil(name):
        with open(path, "r+b") as stored:
            stored.seek(places[name])
            stored.write(b"\x07" * 8)

    spoil("delay")
    source = opened(tmp_path, "run.h5", "shot_hdf5", tags="/ids")
    with pytest.raises(FrameError, match="values cannot be read") as caught:
        source.scalars()
    assert caught.value.where == "scalar /delay"
    source.close()
    spoil("ids")
    with pytest.raises(FrameError, match="the HDF5 file is damaged") as caught:
        opened(tmp_path, "run.h5", "shot_hdf5", tags="/ids")
    assert caught.value.where == str(path)
