"""The writers: what they write is read back by others, and twice the same bytes."""

from __future__ import annotations

import time

import fabio
import h5py
import hdf5plugin  # noqa: F401  (registers the bitshuffle filter for h5py)
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.sources.writers import write_eiger, write_images


def counts(n=5, dtype=np.uint32):
    return np.random.default_rng(7).poisson(3, (n, 6, 8)).astype(dtype)


def test_tiffs_read_back_with_fabio_and_pillow(tmp_path):
    from PIL import Image

    frames = counts().astype(np.int32)
    frames[0, 0, 0] = -2
    paths = [tmp_path / "deep" / f"{i}.tiff" for i in range(5)]
    write_images(paths, frames)
    for path, frame in zip(paths, frames, strict=True):
        with fabio.open(str(path)) as image:
            assert image.data.dtype == np.int32
            np.testing.assert_array_equal(image.data, frame)
        np.testing.assert_array_equal(np.array(Image.open(path)), frame)
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == [f"{i}.tiff" for i in range(5)]


def test_pixels_that_int32_cannot_hold_are_refused(tmp_path):
    frames = np.full((1, 2, 2), 2**31, np.uint32)
    with pytest.raises(UserError, match="do not fit"):
        write_images([tmp_path / "a.tif"], frames)
    with pytest.raises(UserError, match="do not fit"):
        write_images([tmp_path / "a.tif"], np.ones((1, 2, 2)))
    with pytest.raises(UserError, match="2 paths"):
        write_images([tmp_path / "a.tif", tmp_path / "b.tif"], counts(1))
    assert list(tmp_path.iterdir()) == []


def eiger(folder, frames, **more):
    return write_eiger(
        folder / "run_master.h5",
        frames,
        frames_per_data_file=2,
        detector={"count_time": (0.5, "s"), "x_pixel_size": (75e-6, "m")},
        beam={"incident_wavelength": (1.0332, "angstrom")},
        scalars={"ic1": (np.arange(len(frames)) * 10.0, "counts")},
        **more,
    )


def test_an_eiger_master_in_the_layout_of_the_detector(tmp_path):
    frames = counts()
    mask = np.zeros((6, 8), np.uint32)
    mask[0] = 1
    written = eiger(tmp_path, frames, pixel_mask=mask)
    assert [p.name for p in written] == [
        "run_data_000001.h5", "run_data_000002.h5", "run_data_000003.h5", "run_master.h5",
    ]  # fmt: skip
    with h5py.File(written[-1]) as file:
        link = file.get("entry/data/data_000002", getlink=True)
        assert isinstance(link, h5py.ExternalLink)
        assert link.filename == "run_data_000002.h5"
        read = [file[f"entry/data/data_00000{i}"][()] for i in (1, 2, 3)]
        np.testing.assert_array_equal(np.concatenate(read), frames)
        detector = file["entry/instrument/detector"]
        assert detector["count_time"][()] == 0.5
        assert detector["count_time"].attrs["units"] == "s"
        assert detector["detectorSpecific/nimages"][()] == 5
        np.testing.assert_array_equal(detector["detectorSpecific/pixel_mask"], mask)
        assert file["entry/scalars/ic1"].attrs["units"] == "counts"
    with h5py.File(written[1]) as file:
        data = file["entry/data/data"]
        assert data.chunks == (1, 6, 8)
        assert data.dtype == np.uint32
        assert "32008" in str(data._filters)  # bitshuffle
        assert data.attrs["image_nr_low"] == 3
        assert data.attrs["image_nr_high"] == 4


def test_fabio_reads_the_master_too(tmp_path):
    frames = counts()
    master = eiger(tmp_path, frames)[-1]
    with fabio.open(str(master)) as image:
        assert image.nframes == 5
        np.testing.assert_array_equal(image.get_frame(3).data, frames[3])


def test_equal_arguments_give_equal_bytes(tmp_path):
    frames = counts()
    first = eiger(tmp_path / "a", frames)
    write_images([tmp_path / "a/x.tif"], frames[:1])
    time.sleep(1.1)  # HDF5 and TIFF date to the second
    second = eiger(tmp_path / "b", frames)
    write_images([tmp_path / "b/x.tif"], frames[:1])
    for path in [*first, tmp_path / "a/x.tif"]:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
    assert len(second) == len(first)


@pytest.mark.parametrize(
    ("name", "frames", "words"),
    [
        ("run.h5", counts(), "_master.h5"),
        ("run_master.h5", counts()[0], "shape"),
        ("run_master.h5", counts().astype(float), "float64"),
    ],
)
def test_what_is_no_eiger_file_is_refused(tmp_path, name, frames, words):
    with pytest.raises(UserError, match=words):
        write_eiger(tmp_path / name, frames)


def test_scalars_need_one_value_per_frame_and_nothing_half_is_left(tmp_path):
    with pytest.raises(UserError, match="'ic1'"):
        write_eiger(tmp_path / "r_master.h5", counts(), scalars={"ic1": (np.ones(4), "")})
    assert not (tmp_path / "r_master.h5").exists()
    assert not list(tmp_path.glob("*.tmp"))
