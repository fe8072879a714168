"""Dark and flat images: every format gives the written values; what cannot be used becomes NaN."""

from __future__ import annotations

import fabio
import h5py
import hdf5plugin
import numpy as np
import pytest

from scatterflow.detectors.images import load_image
from scatterflow.errors import UserError

SHAPE = (3, 5)
VALUES = np.arange(1, 16, dtype=np.float32).reshape(SHAPE) / 8


def write(path, values):
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".edf":
        fabio.edfimage.EdfImage(data=values).write(str(path))
    elif path.suffix == ".tif":
        fabio.tifimage.TifImage(data=values).write(str(path))
    elif path.suffix == ".cbf":
        fabio.cbfimage.CbfImage(data=values).write(str(path))
    return path


@pytest.mark.parametrize("what", ["dark", "flat"])
@pytest.mark.parametrize("suffix", ["npy", "edf", "tif"])
def test_float_images(tmp_path, suffix, what):
    image = load_image(write(tmp_path / f"image.{suffix}", VALUES), SHAPE, what)
    assert image.dtype == np.float64
    assert np.array_equal(image, VALUES)


@pytest.mark.parametrize("suffix", ["npy", "edf", "tif", "cbf"])
def test_integer_images(tmp_path, suffix):
    counts = np.array([[0, 1, 65535, 2**31 - 1, 7]] * 3, np.int32)
    image = load_image(write(tmp_path / f"image.{suffix}", counts), SHAPE, "dark")
    assert np.array_equal(image, counts)


def test_dataset_of_an_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "calibration.h5", "w") as file:
        file["entry/flat"] = VALUES[np.newaxis]
        file.create_dataset("entry/packed", data=VALUES, **hdf5plugin.Bitshuffle())
        file["entry/stack"] = np.ones((2, *SHAPE))
    for dataset in ("/entry/flat", "entry/packed"):
        assert np.array_equal(
            load_image(f"{tmp_path}/calibration.h5::{dataset}", SHAPE, "flat"), VALUES
        )
    with pytest.raises(UserError, match="2 x 3 x 5 pixels") as refusal:
        load_image(f"{tmp_path}/calibration.h5::entry/stack", SHAPE, "flat")
    assert "flat image" in refusal.value.where
    assert "entry/stack" in refusal.value.where
    with pytest.raises(UserError, match="needs the dataset") as refusal:
        load_image(tmp_path / "calibration.h5", SHAPE, "flat")
    assert "::" in refusal.value.how


def test_pixels_without_a_usable_value_are_nan(tmp_path):
    values = VALUES.copy()
    values[0] = [0, -1, np.nan, np.inf, -np.inf]
    write(tmp_path / "image.npy", values)
    flat = load_image(tmp_path / "image.npy", SHAPE, "flat")
    assert np.isnan(flat[0]).all()
    assert np.array_equal(flat[1:], VALUES[1:])
    dark = load_image(tmp_path / "image.npy", SHAPE, "dark")
    assert dark[0, :2].tolist() == [0, -1]  # a dark image may be negative
    assert np.isnan(dark[0, 2:]).all()


@pytest.mark.parametrize(
    ("what", "value"), [("flat", 0), ("flat", -2), ("flat", np.nan), ("dark", np.inf)]
)
def test_image_without_a_usable_pixel(tmp_path, what, value):
    write(tmp_path / "image.npy", np.full(SHAPE, value, float))
    with pytest.raises(UserError, match="no usable pixel"):
        load_image(tmp_path / "image.npy", SHAPE, what)


@pytest.mark.parametrize("suffix", ["npy", "edf", "tif", "cbf"])
def test_wrong_shape_and_truncated(tmp_path, suffix):
    counts = np.random.default_rng(3).integers(0, 2**30, (30, 50), dtype=np.int32)
    path = write(tmp_path / f"image.{suffix}", counts)
    with pytest.raises(UserError, match="30 x 50 pixels, the detector 3 x 5"):
        load_image(path, SHAPE, "dark")
    with pytest.raises(UserError, match="30 x 50") as refusal:
        load_image(path, (50, 30), "dark")
    assert "swapped" in refusal.value.how
    content = path.read_bytes()
    for part in (0.3, 0.6, 0.9):
        path.write_bytes(content[: int(len(content) * part)])
        with pytest.raises(UserError) as refusal:
            load_image(path, (30, 50), "dark")
        assert str(path) in refusal.value.where


def test_corrupt_cbf_is_told_by_its_checksum(tmp_path):
    counts = np.random.default_rng(4).integers(0, 100, (30, 50), dtype=np.int32)
    path = write(tmp_path / "image.cbf", counts)
    content = bytearray(path.read_bytes())
    start = content.index(b"\x0c\x1a\x04\xd5")  # the mark before the packed pixels
    content[start + 500] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load_image(path, (30, 50), "dark")


def test_images_that_are_no_numbers(tmp_path):
    np.save(tmp_path / "complex.npy", VALUES.astype(complex))
    with pytest.raises(UserError, match="complex128"):
        load_image(tmp_path / "complex.npy", SHAPE, "dark")
    np.save(tmp_path / "object.npy", VALUES.astype(object))
    with pytest.raises(UserError, match="pickled"):
        load_image(tmp_path / "object.npy", SHAPE, "dark")
    with pytest.raises(UserError, match="does not exist"):
        load_image(tmp_path / "none.tif", SHAPE, "flat")


def test_only_dark_and_flat():
    with pytest.raises(ValueError, match="'dark' or 'flat'"):
        load_image("image.npy", SHAPE, "bright")
