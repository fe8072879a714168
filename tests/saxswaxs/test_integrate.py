"""Chunk jobs, containers, receipts: chunked equals whole, and nothing wrong passes unseen."""

from __future__ import annotations

import json
import os

import h5py
import numpy as np
import pytest

from scatterflow.errors import FrameError, UserError
from scatterflow.saxswaxs.container import array_names, open_container
from scatterflow.saxswaxs.merge import frame_sums, verify_receipts


def arrays_of(run) -> dict[str, np.ndarray]:
    container = open_container(run.container)
    return {
        name: np.asarray(container[name][:])
        for name in array_names(container)
        if not name.endswith(("frame_sum", "frame_sum_rest", "valid_count"))
    }


@pytest.mark.parametrize(("chunk", "threads"), [(1, 1), (3, 2), (7, 3), (10, 2)])
def test_any_chunking_gives_the_same_bits(small_run, chunk, threads):
    small_run.integrate(10)
    whole, whole_sum = arrays_of(small_run), frame_sums(open_container(small_run.container), "area")
    small_run.integrate(chunk, threads)
    for name, values in arrays_of(small_run).items():
        assert values.tobytes() == whole[name].tobytes(), name
    for a, b in zip(
        whole_sum, frame_sums(open_container(small_run.container), "area"), strict=True
    ):
        assert np.array_equal(a, b)


def test_frame_sum_leaves_out_invalid_pixels_and_says_so(small_run):
    small_run.integrate(4)
    total, count, there = frame_sums(open_container(small_run.container), "area")
    valid = small_run.frames < 2**32 - 1
    assert np.array_equal(total, np.where(valid, small_run.frames, 0).sum(axis=0, dtype=np.int64))
    assert np.array_equal(count, valid.sum(axis=0))
    assert count[5, 5] == 9
    assert there.all()


def test_a_receipt_tells_what_was_read_and_written(small_run):
    paths = small_run.integrate(4)
    receipt = json.loads(paths[1].read_text())
    assert (receipt["start"], receipt["stop"]) == (4, 8)
    assert receipt["raw_files"][0]["size"] == (small_run.folder / "run.h5").stat().st_size
    assert len(receipt["raw_files"][0]["sha256"]) == 64
    assert set(receipt["checksums"]) == set(array_names(open_container(small_run.container)))
    assert receipt["pixels"] == 4 * 3 * 40 * 50
    assert receipt["missing"] == {"area": {}}


def receipts_of(paths) -> list[dict]:
    return [json.loads(path.read_text()) for path in paths]


def verify(receipts: list[dict], container) -> None:
    """Against what the receipts themselves say that they were made from."""
    verify_receipts(container, receipts, receipts[0]["made_from"], "run r1")


def test_receipts_that_agree_are_accepted(small_run):
    paths = small_run.integrate(4)
    verify(receipts_of(paths), open_container(small_run.container))


def test_a_chunk_changed_behind_its_receipt_is_named(small_run):
    paths = small_run.integrate(4)
    container = open_container(small_run.container, "r+")
    container["area_cake/signal"][5, 0, 0] = 1e9
    with pytest.raises(UserError) as caught:
        verify(receipts_of(paths), container)
    assert "area_cake/signal" in caught.value.what
    assert "chunk 000004-000008" in caught.value.where


def test_a_lost_chunk_is_noticed(small_run):
    paths = small_run.integrate(4)
    for file in (small_run.container / "area_azimuthal" / "signal").rglob("1/*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(UserError, match="differ from the receipt: area_azimuthal/signal"):
        verify(receipts_of(paths), open_container(small_run.container))


def test_a_new_container_does_not_take_old_receipts(small_run):
    old = receipts_of(small_run.integrate(4))
    small_run.integrate(4)
    with pytest.raises(UserError, match="container that is gone"):
        verify(old, open_container(small_run.container))


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_a_missing_receipt_is_named(small_run, left_out):
    paths = small_run.integrate(4)
    del paths[left_out]
    with pytest.raises(UserError, match="no receipt for frames"):
        verify(receipts_of(paths), open_container(small_run.container))


@pytest.mark.parametrize(
    "what", ["weights of area_cake", "valid range of area", "dark image of area"]
)
def test_a_chunk_made_from_something_else_is_refused(small_run, what):
    """As a job leaves it that outlived its workflow, and wrote after the one of a newer configuration."""
    receipts = receipts_of(small_run.integrate(4))
    made_from = {**receipts[0]["made_from"], what: "another"}
    with pytest.raises(UserError, match=f"another {what}") as caught:
        verify_receipts(open_container(small_run.container), receipts, made_from, "run r1")
    assert "chunk 000000-000004" in caught.value.where


def test_a_raw_file_changed_since_is_refused_a_touched_one_is_not(small_run):
    receipts = receipts_of(small_run.integrate(4))
    raw = small_run.folder / "run.h5"
    os.utime(raw, (1, 1))
    verify(receipts, open_container(small_run.container))
    with h5py.File(raw, "r+") as file:
        file["entry/data/data"][0, 0, 0] = 7
    with pytest.raises(UserError, match=r"run\.h5 has changed"):
        verify(receipts, open_container(small_run.container))
    raw.unlink()  # raw data that was archived meanwhile does not spoil the result
    verify(receipts, open_container(small_run.container))


def replace_frames(run, keep: int) -> None:
    """The run's file with its last frames never written."""
    with h5py.File(run.folder / "run.h5", "w") as file:
        data = file.create_dataset(
            "entry/data/data",
            shape=run.frames.shape,
            dtype=np.uint32,
            chunks=(1, *run.frames.shape[1:]),
        )
        data[:keep] = run.frames[:keep]
        file["entry/i0"] = run.monitor


def test_a_missing_frame_stops_the_chunk(small_run):
    replace_frames(small_run, 8)
    with pytest.raises(FrameError) as caught:
        small_run.integrate(5)
    assert "8" in str(caught.value)


def test_a_missing_frame_is_flagged_where_the_user_wants_to_go_on(small_run):
    small_run.integrate(10)
    whole = arrays_of(small_run)
    replace_frames(small_run, 8)
    small_run.missing = "nan"
    paths = small_run.integrate(5)
    found = arrays_of(small_run)
    assert np.array_equal(
        found["area_azimuthal/signal"][:8], whole["area_azimuthal/signal"][:8], equal_nan=True
    )
    assert np.isnan(found["area_azimuthal/signal"][8:]).all()
    assert found["area/frame_valid"].tolist() == [True] * 8 + [False] * 2
    assert set(json.loads(paths[1].read_text())["missing"]["area"]) == {"8", "9"}


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_floats_that_cannot_be_integrated_are_refused(small_run, dtype):
    with h5py.File(small_run.folder / "run.h5", "a") as file:
        del file["entry/data/data"]
        file["entry/data/data"] = small_run.frames.clip(max=99).astype(dtype)
    with pytest.raises(UserError, match=f"stored as {np.dtype(dtype)}"):
        small_run.integrate(10)
