"""HDF5 sources: few files open at a time, and what the computer refuses is no missing frame."""

from __future__ import annotations

import gc
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5 import Hdf5Source
from scatterflow.sources.hdf5_links import LinkedFiles, MissingFile
from scatterflow.sources.writers import write_eiger

SHAPE = (6, 8)


def counts(n, dtype=np.uint32):
    return np.random.default_rng(n).poisson(5, (n, *SHAPE)).astype(dtype)


def source(root, raw, frames, wanted="auto", **recipe):
    recipe = {"format": "hdf5", "frames": {"d": wanted}, **recipe}
    return Hdf5Source(RunLocation("r1", raw, str(root), frames, recipe, {"d": SHAPE}))


def virtual(root, frames):
    """A virtual dataset, each frame from its own file."""
    layout = h5py.VirtualLayout(frames.shape, frames.dtype)
    for i, frame in enumerate(frames):
        with h5py.File(root / f"s{i}.h5", "w") as file:
            file.create_dataset("d", data=frame[None], chunks=(1, *SHAPE))
        layout[i] = h5py.VirtualSource(f"s{i}.h5", "d", (1, *SHAPE))[0]
    with h5py.File(root / "v.h5", "w") as file:
        file.create_virtual_dataset("entry/data/data", layout, fillvalue=0)


def descriptors():
    gc.collect()  # what earlier tests left open closes now, not between two counts
    return len(list(Path("/proc/self/fd").iterdir()))


def read_or_error(it):
    try:
        return it.read("d", 0, it.frames)
    except UserError as error:
        return error


@contextmanager
def free_descriptors(free):
    """Only so many files can be opened inside."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    held = []
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        for _ in range(free):
            os.close(held.pop())
    try:
        yield
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Few files


def test_an_eiger_of_many_data_files_needs_few_descriptors(tmp_path):
    frames = counts(60)
    write_eiger(tmp_path / "x_master.h5", frames, frames_per_data_file=1)
    it = source(tmp_path, "x_master.h5", 60, missing="nan")
    before = descriptors()
    with free_descriptors(24):
        np.testing.assert_array_equal(it.read("d", 0, 60), frames)
    assert len(it.files()) == 61
    assert descriptors() - before <= 16
    it.close()
    it.close()
    assert descriptors() == before
    np.testing.assert_array_equal(it.read("d", 30, 33), frames[30:33])  # opened again
    it.close()
    assert descriptors() == before


def test_a_series_of_masters_needs_few_descriptors(tmp_path):
    frames = counts(40)
    for i, frame in enumerate(frames):
        with h5py.File(tmp_path / f"part{i}.h5", "w") as file:
            file["entry/data/data"] = frame[None]
    before = descriptors()
    it = source(tmp_path, "part*.h5", 40)
    np.testing.assert_array_equal(it.read("d", 0, 40), frames)
    it.scalar_files()
    assert descriptors() - before <= 16


def test_a_virtual_dataset_of_many_files_needs_few_descriptors(tmp_path):
    frames = counts(90) + 1
    virtual(tmp_path, frames)
    it = source(tmp_path, "v.h5", 90)
    before = descriptors()
    assert [p.name for p in it.files("d", 17, 19)] == ["v.h5", "s17.h5", "s18.h5"]
    assert descriptors() - before == 1  # to name files, none of them is opened
    with free_descriptors(40):
        np.testing.assert_array_equal(it.read("d", 0, 90), frames)
    assert descriptors() - before <= 16


@pytest.mark.parametrize("free", [2, 3, 5, 9, 17, 18, 19, 20, 25, 33, 34])
def test_a_virtual_dataset_without_descriptors_left_never_gives_fill_values(tmp_path, free):
    # HDF5 itself leaves 0 where it cannot open a source file.
    frames = counts(40) + 1
    virtual(tmp_path, frames)
    it = source(tmp_path, "v.h5", 40)
    assert it.frames == 40
    it.close()
    with free_descriptors(free):
        found = read_or_error(it)
    if isinstance(found, UserError):
        assert not isinstance(found, FrameError)
        assert "too many open files" in found.what
    else:
        np.testing.assert_array_equal(found, frames)


def test_a_dataset_in_use_outlives_the_files_opened_after_it(tmp_path):
    frames = counts(40)
    write_eiger(tmp_path / "x_master.h5", frames, frames_per_data_file=1)
    files = LinkedFiles(tmp_path / "x_master.h5")
    first, _ = files.dataset("/entry/data/data_000001")
    for number in range(2, 41):
        files.dataset(f"/entry/data/data_{number:06d}")
    np.testing.assert_array_equal(first[0], frames[0])
    files.close()


# The computer is at fault, not the frame


@pytest.mark.parametrize("policy", ["error", "nan"])
def test_too_many_open_files_is_no_missing_frame(tmp_path, policy):
    write_eiger(tmp_path / "x_master.h5", counts(4), frames_per_data_file=1)
    it = source(tmp_path, "x_master.h5", 4, missing=policy)
    with free_descriptors(1), pytest.raises(UserError, match="too many open files") as caught:
        it.read("d", 0, 4)
    assert not isinstance(caught.value, FrameError)
    assert "ulimit -n" in caught.value.how
    assert "x_data_000001.h5" in caught.value.where
    assert "run r1" in caught.value.where
    np.testing.assert_array_equal(it.read("d", 0, 4), counts(4))


def test_too_many_open_files_while_reading_a_known_run(tmp_path):
    frames = counts(4)
    write_eiger(tmp_path / "x_master.h5", frames, frames_per_data_file=1)
    it = source(tmp_path, "x_master.h5", 4)
    it.read("d", 0, 1)
    it.close()
    for free in range(3):  # the master, a data file, the look into its chunks
        it.close()
        with free_descriptors(free), pytest.raises(UserError, match="too many") as caught:
            it.read("d", 2, 3)
        assert not isinstance(caught.value, FrameError)
        assert "detector d" in caught.value.where


def test_a_disk_error_is_no_missing_frame(tmp_path):
    (tmp_path / "m.h5").symlink_to("/proc/self/mem")  # opens, and cannot be read at its start
    with pytest.raises(UserError, match="gave an error while reading") as caught:
        source(tmp_path, "m.h5", 2, missing="nan").read("d", 0, 1)
    assert not isinstance(caught.value, FrameError)
    assert str(tmp_path / "m.h5") in caught.value.where


def test_a_folder_where_a_file_is_expected(tmp_path):
    (tmp_path / "m.h5").mkdir()
    with pytest.raises(UserError, match="a folder stands where a file") as caught:
        source(tmp_path, "m.h5", 2).read("d", 0, 1)
    assert not isinstance(caught.value, FrameError)


def test_a_file_on_the_way_to_a_file_is_a_missing_file(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(MissingFile, match="missing"):
        LinkedFiles(tmp_path / "a/m.h5").find("/")
