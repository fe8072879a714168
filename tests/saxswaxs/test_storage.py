"""However frames are stored, the chunk job gives the same bits; a damaged frame is named or flagged."""

from __future__ import annotations

import json

import h5py
import hdf5plugin
import numpy as np
import pytest

from scatterflow.errors import FrameError
from scatterflow.saxswaxs.container import array_names, open_container
from scatterflow.saxswaxs.integrate import Calibration, integrate_chunk
from scatterflow.saxswaxs.tasks import read_tasks
from scatterflow.sources.base import RunLocation
from scatterflow.sources.open import open_source

from .conftest import VALID

STORAGE = {
    "contiguous": {"chunks": None},
    "gzip": {"compression": "gzip"},
    "lz4": dict(hdf5plugin.LZ4()),
    "bslz4": dict(hdf5plugin.Bitshuffle()),
    "bslz4 of small blocks": dict(hdf5plugin.Bitshuffle(nelems=64)),
    "two frames a chunk": {"chunks": (2, 40, 50), "compression": "gzip"},
}


def store(run, **options) -> None:
    """The run's file, its frames stored otherwise."""
    with h5py.File(run.folder / "run.h5", "w") as file:
        options = {"chunks": (1, *run.frames.shape[1:]), **options}
        file.create_dataset("entry/data/data", data=run.frames, **options)
        file["entry/i0"] = run.monitor


def bits(run) -> dict[str, bytes]:
    container = open_container(run.container)
    return {name: np.asarray(container[name][:]).tobytes() for name in array_names(container)}


@pytest.fixture
def long_run(small_run):
    """More frames than fit into the blocks of two threads."""
    small_run.frames = np.concatenate([small_run.frames + i for i in range(5)])
    small_run.frames[small_run.frames < 5] = 2**32 - 1  # where adding to the mark went round
    small_run.monitor = np.resize(small_run.monitor, len(small_run.frames))
    return small_run


def test_storage_and_threads_do_not_change_a_bit(long_run):
    store(long_run)
    long_run.integrate(50)
    expected = bits(long_run)
    assert np.frombuffer(expected["area_azimuthal/lost"]).any()
    for i, options in enumerate(STORAGE.values()):
        store(long_run, **options)
        long_run.integrate(50, threads=1 + i % 3)
        assert bits(long_run) == expected


@pytest.mark.parametrize("storage", ["contiguous", "gzip", "bslz4"])
def test_dead_time_is_corrected_frame_by_frame(long_run, storage):
    store(long_run, **STORAGE[storage])
    fractions = np.linspace(0, 2e-3, 50)
    long_run.integrate(50)
    tasks = read_tasks(long_run.tasks, long_run.weights())
    integrate_chunk(
        long_run.container,
        open_source(RunLocation.from_fields(long_run.location())),
        0,
        50,
        tasks,
        {"area": Calibration(VALID, dead_time=fractions)},
        threads=2,
    )
    weights = tasks[0].weights
    bins = np.repeat(np.arange(weights.bins), np.diff(weights.indptr))
    frame = long_run.frames[41].reshape(-1).astype(float)
    valid = frame < 2**32 - 1
    counts = np.where(valid, frame, 0)
    true = (counts / (1 - fractions[41] * counts))[weights.indices] * weights.coefficients
    found = open_container(long_run.container)["area_azimuthal/signal"][41]
    np.testing.assert_allclose(found, np.bincount(bins, true, weights.bins), rtol=1e-12)


def damage(run, frame: int) -> None:
    """Cut the stored bytes of a frame, behind its header."""
    with h5py.File(run.folder / "run.h5", "r+") as file:
        data = file["entry/data/data"].id
        mask, chunk = data.read_direct_chunk((frame, 0, 0))
        data.write_direct_chunk((frame, 0, 0), chunk[: len(chunk) // 2], mask)


@pytest.mark.parametrize("storage", ["bslz4", "gzip"])
def test_a_damaged_frame_is_named(long_run, storage):
    store(long_run, **STORAGE[storage])
    damage(long_run, 37)
    with pytest.raises(FrameError) as caught:
        long_run.integrate(50, threads=2)
    assert "frame 37" in caught.value.where
    assert "run.h5" in caught.value.where


@pytest.mark.parametrize("storage", ["bslz4", "gzip"])
def test_a_damaged_frame_is_flagged_and_the_others_are_untouched(long_run, storage):
    store(long_run, **STORAGE[storage])
    long_run.integrate(50)
    expected = bits(long_run)
    damage(long_run, 37)
    long_run.missing = "nan"
    (path,) = long_run.integrate(50, threads=2)
    found = bits(long_run)
    for name in ("area_azimuthal/signal", "area_cake/variance", "area_radial/signal"):
        whole, part = (np.frombuffer(b[name]).reshape(50, -1) for b in (expected, found))
        assert np.isnan(part[37]).all()
        assert np.delete(part, 37, 0).tobytes() == np.delete(whole, 37, 0).tobytes()
    assert list(json.loads(path.read_text())["missing"]["area"]) == ["37"]
    valid = long_run.frames < 2**32 - 1
    valid[37] = False
    total = np.frombuffer(found["area/frame_sum"]).reshape(40, 50)
    assert np.array_equal(total, np.where(valid, long_run.frames, 0).sum(axis=0, dtype=np.int64))
    count = np.frombuffer(found["area/valid_count"], np.uint32).reshape(40, 50)
    assert np.array_equal(count, valid.sum(axis=0))
