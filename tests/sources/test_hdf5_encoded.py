"""Compressed frames decode to what `read` reads; whatever is unusual is left to `read`."""

from __future__ import annotations

import h5py
import hdf5plugin
import numpy as np
import pytest

from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5 import Hdf5Source
from scatterflow.sources.hdf5_encoded import decode_frame
from scatterflow.sources.writers import write_eiger

SHAPE = (37, 61)
FILTERS = {
    "gzip": {"compression": "gzip"},
    "shuffle gzip": {"compression": "gzip", "shuffle": True},
    "lz4": dict(hdf5plugin.LZ4()),
    "lz4 blocks": dict(hdf5plugin.LZ4(nbytes=1000)),
    "shuffle lz4": {"shuffle": True, **hdf5plugin.LZ4()},
    "bslz4": dict(hdf5plugin.Bitshuffle()),
    "bslz4 small blocks": dict(hdf5plugin.Bitshuffle(nelems=128)),
}


def counts(n, dtype=np.uint32):
    return np.random.default_rng(n).poisson(3, (n, *SHAPE)).astype(dtype)


def source(root, raw, frames):
    recipe = {"format": "hdf5", "frames": {"d": "auto"}}
    return Hdf5Source(RunLocation("r1", raw, str(root), frames, recipe, {"d": SHAPE}))


def written(folder, frames, **options):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("entry/data/data", data=frames, **{"chunks": (1, *SHAPE), **options})
    return source(folder, "a.h5", len(frames))


def decoded(found) -> np.ndarray:
    out = np.empty((len(found.chunks), *found.shape), found.dtype)
    assert all(
        decode_frame(chunk, found.filters, frame)
        for chunk, frame in zip(found.chunks, out, strict=True)
    )
    return out


@pytest.mark.parametrize("filters", list(FILTERS))
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "f4", "f8", "u8"])
def test_decoded_frames_are_those_that_are_read(tmp_path, filters, dtype):
    frames = counts(5, dtype)
    if dtype[0] == "f":
        frames[1, 2] = np.nan
    it = written(tmp_path, frames, **FILTERS[filters])
    found = it.encoded("d", 1, 4)
    if found is None:  # left to `read`: bit planes of 8-byte elements
        assert "bslz4" in filters
        assert dtype[1] == "8"
        return
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(decoded(found), frames[1:4])


@pytest.mark.parametrize("filters", list(FILTERS))
def test_noise_that_cannot_be_compressed(tmp_path, filters):
    noise = np.random.default_rng(1).integers(0, 2**32, (2, *SHAPE), dtype=np.uint32)
    it = written(tmp_path, noise, **FILTERS[filters])
    np.testing.assert_array_equal(decoded(it.encoded("d", 0, 2)), noise)


def test_frames_of_several_data_files(tmp_path):
    frames = counts(7)
    write_eiger(tmp_path / "run_master.h5", frames, frames_per_data_file=3)
    it = source(tmp_path, "run_master.h5", 7)
    for start, stop in ((0, 7), (2, 4), (3, 6), (6, 7)):
        found = it.encoded("d", start, stop)
        np.testing.assert_array_equal(decoded(found), frames[start:stop])
    (tmp_path / "run_data_000002.h5").unlink()
    again = source(tmp_path, "run_master.h5", 7)
    assert again.encoded("d", 2, 4) is None
    np.testing.assert_array_equal(decoded(again.encoded("d", 0, 3)), frames[:3])


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": None},
        {"chunks": (1, *SHAPE)},
        {"chunks": (2, *SHAPE), "compression": "gzip"},
        {"chunks": (1, 10, SHAPE[1]), "compression": "gzip"},
        {"compression": "gzip", "fletcher32": True},
        {"compression": "gzip", "scaleoffset": 0},
        {"compression": "lzf"},
        dict(hdf5plugin.Bitshuffle(cname="zstd")),
        dict(hdf5plugin.Bitshuffle(cname="none")),
        dict(hdf5plugin.Zstd()),
    ],
    ids=str,
)
def test_other_storage_is_left_to_read(tmp_path, options):
    frames = counts(4)
    it = written(tmp_path, frames, **options)
    assert it.encoded("d", 0, 4) is None
    np.testing.assert_array_equal(it.read("d", 0, 4), frames)


def test_another_byte_order_is_left_to_read(tmp_path):
    assert written(tmp_path, counts(2, ">u4"), compression="gzip").encoded("d", 0, 2) is None


def test_virtual_datasets_are_left_to_read(tmp_path):
    frames = counts(3)
    written(tmp_path, frames, compression="gzip").close()
    layout = h5py.VirtualLayout(frames.shape, frames.dtype)
    layout[:] = h5py.VirtualSource("a.h5", "entry/data/data", frames.shape)
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_virtual_dataset("entry/data/data", layout)
    it = source(tmp_path, "v.h5", 3)
    assert it.encoded("d", 0, 3) is None
    np.testing.assert_array_equal(it.read("d", 0, 3), frames)


def test_a_frame_never_written_and_one_stored_raw_are_left_to_read(tmp_path):
    frames = counts(3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset(
            "entry/data/data", frames.shape, "u4", chunks=(1, *SHAPE), compression="gzip"
        )
        data[0] = frames[0]
        data.id.write_direct_chunk((1, 0, 0), frames[1].tobytes(), filter_mask=1)
    it = source(tmp_path, "a.h5", 3)
    assert it.encoded("d", 0, 1) is not None
    assert it.encoded("d", 1, 2) is None
    assert it.encoded("d", 2, 3) is None
    np.testing.assert_array_equal(it.read("d", 0, 2), frames[:2])


@pytest.mark.parametrize("filters", list(FILTERS))
def test_damaged_frames_are_told(tmp_path, filters):
    frames = counts(1)
    found = written(tmp_path, frames, **FILTERS[filters]).encoded("d", 0, 1)
    (chunk,) = found.chunks
    out = np.empty(SHAPE, np.uint32)
    for end in (0, 3, 9, 13, 20, len(chunk) // 2, len(chunk) - 1):
        assert not decode_frame(chunk[:end], found.filters, out), end
    assert not decode_frame(b"\xff" * len(chunk), found.filters, out)
