"""Sorted chunks and the blocks read from them: both forms say the same, whatever the chunks and blocks."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.xpcs.blocks import (
    DENSE_OCCUPANCY,
    Block,
    as_events,
    as_frames,
    block_edges,
    read_positions,
)
from scatterflow.xpcs.sorted_chunk import FrameSums, read_frame_sums, write_sorted_chunk


def lists(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """starts, frame, count of dense values, by numpy."""
    pixel, frame = np.nonzero(values.T)
    starts = np.searchsorted(pixel, np.arange(values.shape[1] + 1))
    return starts, frame, values[frame, pixel]


def block_of(values: np.ndarray, form: str, first: int, last: int) -> Block:
    own = np.ascontiguousarray(values[:, first:last])
    if form == "frames":
        return Block(first, last, len(values), "frames", values=own)
    starts, frame, count = lists(own)
    return Block(
        first,
        last,
        len(values),
        "events",
        starts=starts.astype(np.int64),
        frame=frame.astype(np.int32),
        count=count,
    )


def write_run(folder, values: np.ndarray, edges: list[int], forms: list[str], blocks: int) -> list:
    """Dense values (frames, positions) as sorted chunks."""
    paths = []
    for start, stop, form in zip(edges[:-1], edges[1:], forms, strict=True):
        own = values[start:stop]
        total = own.sum(axis=1, dtype=np.int64)
        image = np.zeros((1, values.shape[1]), np.int64)
        sums = FrameSums(
            start,
            stop,
            total,
            total,
            total[:, None],
            np.ones(stop - start, bool),
            np.zeros(stop - start, np.uint8),
            np.zeros(stop - start, np.int64),
            image,
            image,
            image.astype(np.uint32),
            stop - start,
        )
        bounds = [block_edges(b, blocks, values.shape[1]) for b in range(blocks)]
        contents = [block_of(own, form, *edge) for edge in bounds]
        path = folder / f"{start}-{stop}.h5"
        write_sorted_chunk(
            path, sums, contents, form, values.shape[1], blocks, values.dtype, {"by": "test"}
        )
        paths.append(path)
    return paths


def assert_holds(block: Block, values: np.ndarray) -> None:
    """The block is these dense values (frames, positions of the block)."""
    assert (block.frames, block.pixels) == values.shape
    assert block.occupied == np.count_nonzero(values)
    assert block.dtype == values.dtype
    if block.form == "frames":
        assert block.values.flags.c_contiguous
        assert np.array_equal(block.values, values)
        return
    starts, frame, count = lists(values)
    assert np.array_equal(block.starts, starts)
    assert np.array_equal(block.frame, frame)
    assert block.frame.dtype == np.int32
    assert np.array_equal(block.count, count)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_chunks_blocks_and_forms_give_the_same_block(tmp_path_factory, data):
    frames, positions = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 15))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16, np.uint32, np.float32]))
    values = rng.poisson(0.4, (frames, positions)).astype(dtype)
    cuts = data.draw(st.sets(st.integers(1, frames - 1), max_size=3)) if frames > 1 else set()
    edges = [0, *sorted(cuts), frames]
    forms = [data.draw(st.sampled_from(["events", "frames"])) for _ in edges[1:]]
    blocks = data.draw(st.integers(1, 4))
    first = data.draw(st.integers(0, positions))
    last = data.draw(st.integers(first, positions))
    valid = rng.random(frames) < data.draw(st.sampled_from([0.5, 1.0]))
    paths = write_run(tmp_path_factory.mktemp("run"), values, edges, forms, blocks)
    expected = np.where(valid[:, None], values, dtype(0))[:, first:last]
    for form in ("events", "frames"):
        block = read_positions(paths[::-1], first, last, form, valid)
        assert block.form == form
        if first < last:
            assert_holds(block, expected)
        assert_holds(as_frames(block), expected.astype(block.dtype))
        assert_holds(as_events(block), expected.astype(block.dtype))


def test_the_form_follows_the_occupancy(tmp_path):
    values = np.zeros((100, 100), np.uint8)
    values.reshape(-1)[: int(10_000 * DENSE_OCCUPANCY) - 1] = 1
    sparse = write_run(tmp_path / "a", values, [0, 50, 100], ["frames", "events"], 3)
    assert read_positions(sparse, 0, 100).form == "events"
    values.reshape(-1)[int(10_000 * DENSE_OCCUPANCY) - 1] = 1
    dense = write_run(tmp_path / "b", values, [0, 50, 100], ["frames", "events"], 3)
    assert read_positions(dense, 0, 100).form == "frames"


def test_counts_of_chunks_with_different_types_are_not_narrowed(tmp_path):
    values = np.array([[1, 2], [300, 4], [70_000, 0]], np.uint32)
    paths = []
    for start, dtype in enumerate((np.uint8, np.uint16, np.uint32)):
        own = values[start : start + 1].astype(dtype)
        (path,) = write_run(tmp_path, own, [0, 1], ["events"], 1)
        with h5py.File(path, "r+") as file:
            file.attrs["start"], file.attrs["stop"] = start, start + 1
            file["blocks/0/frame"][:] += start
        paths.append(path.rename(tmp_path / f"chunk{start}.h5"))
    assert_holds(read_positions(paths, 0, 2, "events"), values)
    assert_holds(read_positions(paths, 0, 2, "frames"), values)


def test_sums_come_back(tmp_path):
    values = np.arange(12, dtype=np.uint8).reshape(4, 3)
    paths = write_run(tmp_path, values, [0, 3, 4], ["frames", "frames"], 2)
    sums = read_frame_sums(paths[0])
    assert (sums.start, sums.stop, sums.image_frames) == (0, 3, 3)
    assert sums.total.tolist() == [3, 12, 21]
    assert sums.static_sums.shape == (3, 1)


def test_a_missing_chunk_is_named(tmp_path):
    paths = write_run(tmp_path, np.ones((6, 2), np.uint8), [0, 2, 4, 6], ["frames"] * 3, 1)
    with pytest.raises(UserError, match="frame 2 was expected to come next") as error:
        read_positions([paths[0], paths[2]], 0, 2)
    assert error.value.where == str(paths[2])


def test_a_chunk_that_was_sorted_otherwise_is_named(tmp_path):
    """A job of a killed workflow may write its chunk after that of the next workflow."""
    paths = write_run(tmp_path, np.ones((6, 2), np.uint8), [0, 2, 4, 6], ["frames"] * 3, 1)
    for path, identity in zip(paths, ("now", "before", "now"), strict=True):
        with h5py.File(path, "r+") as file:
            file.attrs["identity"] = identity
    with pytest.raises(UserError, match="sorted with other settings") as error:
        read_positions(paths, 0, 2, identity="now")
    assert error.value.where == str(paths[1])
    assert read_positions(paths[:1], 0, 2, identity="now").frames == 2


def test_another_file_is_no_sorted_chunk(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(UserError, match="not a sorted chunk"):
        read_positions([tmp_path / "other.h5"], 0, 1)
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(UserError, match="not a complete HDF5 file"):
        read_frame_sums(tmp_path / "cut.h5")


def test_positions_beyond_the_map_are_a_mistake_of_the_caller(tmp_path):
    paths = write_run(tmp_path, np.ones((2, 2), np.uint8), [0, 2], ["frames"], 1)
    with pytest.raises(IndexError):
        read_positions(paths, 0, 3)
