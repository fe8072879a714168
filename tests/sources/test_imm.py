"""IMM files, byte by byte, and what is wrong with them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.event_runs import opened

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.event_writers import write_imm
from scatterflow.sources.events import Events
from scatterflow.sources.imm import HEADER

SHAPE = (4, 5)
IMM = {"format": "imm"}


def header(compression, length, rows=4, columns=5, itemsize=2):
    """The 1024 bytes of a header, by the offsets of the format."""
    content = bytearray(1024)
    struct.pack_into("<i", content, 4, compression)
    struct.pack_into("<ii", content, 108, rows, columns)
    struct.pack_into("<i", content, 116, itemsize)
    struct.pack_into("<I", content, 152, length)
    return bytes(content)


def sparse(indices, counts, **fields):
    size = len(indices)
    payload = struct.pack(f"<{size}i", *indices) + struct.pack(f"<{size}H", *counts)
    return header(6, size, **fields) + payload


def dense(values, **fields):
    return header(0, 20, **fields) + struct.pack("<20H", *values)


def source(root, *frames, count=None, **more):
    (root / "a.x").write_bytes(b"".join(frames))
    return opened(root, IMM, len(frames) if count is None else count, SHAPE, **more)


def test_the_header_has_its_fields_where_the_format_has_them():
    offsets = {
        "mode": 0,
        "compression": 4,
        "date": 8,
        "prefix": 40,
        "number": 56,
        "suffix": 60,
        "monitor": 76,
        "row_beg": 84,
        "row_bin": 100,
        "rows": 108,
        "cols": 112,
        "bytes": 116,
        "elapsed": 128,
        "preset": 136,
        "dlen": 152,
        "systick": 164,
        "pv1_name": 168,
        "pv1": 208,
        "pv2_name": 212,
        "pv10": 604,
        "imageserver": 608,
        "immversion": 616,
        "corecotick": 620,
        "cameratype": 624,
        "threshold": 628,
        "byte632": 632,
    }
    assert {name: HEADER.fields[name][1] for name in offsets} == offsets


def test_a_sparse_file_made_by_hand(tmp_path):
    run = source(tmp_path, sparse([3, 19], [1, 40000]), sparse([], []), sparse([0], [7]))
    events = run.events("d", 0, 3)
    assert events.frame.tolist() == [0, 0, 2]
    assert events.pixel.tolist() == [3, 19, 0]
    assert events.count.tolist() == [1, 40000, 7]
    frames = run.read("d", 0, 3)
    assert frames[0, 0, 3] == 1
    assert frames[0, 3, 4] == 40000  # as int16 it would be negative
    assert frames.sum() == 40008


def test_a_dense_file_made_by_hand(tmp_path):
    values = [0, 32767, 32768, 65535, *range(16)]
    run = source(tmp_path, dense(values), dense(values[::-1]))
    assert run.detectors["d"].dtype == np.uint16
    np.testing.assert_array_equal(run.read("d", 0, 1)[0].ravel(), values)
    np.testing.assert_array_equal(run.read("d", 1, 2)[0].ravel(), values[::-1])


def test_dense_pixels_of_four_bytes(tmp_path):
    values = np.arange(20, dtype="<u4") + 2**31
    run = source(tmp_path, header(0, 20, itemsize=4) + values.tobytes())
    assert run.detectors["d"].dtype == np.uint32
    np.testing.assert_array_equal(run.read("d", 0, 1)[0].ravel(), values)


def test_events_in_any_order_are_sorted_and_repeated_ones_added(tmp_path):
    run = source(tmp_path, sparse([7, 3, 7, 2, 3], [65535, 1, 65535, 0, 2]))
    events = run.events("d", 0, 1)
    assert events.pixel.tolist() == [3, 7]
    assert events.count.tolist() == [3, 131070]
    assert run.read("d", 0, 1).sum() == 131073


FIELDS = st.lists(
    st.dictionaries(st.integers(0, 19), st.integers(1, 65535), max_size=6), min_size=1, max_size=6
)


@given(FIELDS)
@settings(max_examples=30, deadline=None)
def test_anything_written_is_read(tmp_path_factory, frames):
    root = tmp_path_factory.mktemp("imm")
    stack = np.zeros((len(frames), *SHAPE), np.uint16)
    for image, lit in zip(stack, frames, strict=True):
        for pixel, count in lit.items():
            image.flat[pixel] = count
    for form in (False, True):
        write_imm(root / "a.x", stack, dense=form)
        run = opened(root, IMM, len(frames), SHAPE)
        np.testing.assert_array_equal(run.read("d", 0, len(frames)), stack)


def test_the_writer_writes_the_fields_it_is_given(tmp_path):
    none = Events(*(np.zeros(0, kind) for kind in ("i8", "i8", "u4")))
    given_fields = {"elapsed": [0.5, 0.75], "preset": 0.25, "prefix": b"A001"}
    write_imm(tmp_path / "a.x", none, shape=SHAPE, frames=2, header=given_fields)
    content = (tmp_path / "a.x").read_bytes()
    assert len(content) == 2048
    assert struct.unpack_from("<d", content, 1024 + 128) == (0.75,)
    assert struct.unpack_from("<d", content, 136) == (0.25,)
    assert content[1012:1024] == b"\xff" * 12
    metadata = opened(tmp_path, IMM, 2, SHAPE).metadata()["d"]
    assert (metadata["elapsed"], metadata["prefix"], metadata["rows"]) == (0.5, "A001", 4)
    with pytest.raises(UserError, match="no field 'elapsd'") as caught:
        write_imm(tmp_path / "b.x", none, shape=SHAPE, frames=2, header={"elapsd": 1})
    assert "elapsed" in caught.value.how
    with pytest.raises(UserError, match="count of 65536"):
        write_imm(tmp_path / "b.x", np.full((1, *SHAPE), 65536))
    assert not (tmp_path / "b.x").exists()


WHOLE = (sparse([3], [1]), sparse([4, 5], [1, 2]))
CUTS = [
    (WHOLE[0] + WHOLE[1] + WHOLE[0][:500], "frame 2", "its header is cut off: 500 of 1024 bytes"),
    (WHOLE[0] + WHOLE[1] + WHOLE[0][:1027], "frame 2", "its pixels are cut off: 3 of 6 bytes"),
    (WHOLE[0][:1024], "frame 0", "its pixels are cut off: 0 of 6 bytes"),
    (WHOLE[0][:3], "frame 0", "its header is cut off: 3 of 1024 bytes"),
    (b"", "frame 0", "the file is empty"),
    (WHOLE[0] + header(6, 1, rows=5) + bytes(6), "frame 1", "its header says sparse, 5 x 5 pixels"),
    (WHOLE[0] + dense(range(20)), "frame 1", "its header says dense"),
    (WHOLE[0] + bytes(1024), "frame 1", "its header says 0 x 0 pixels"),
    (header(0, 19) + bytes(38), "frame 0", "its header says 19 values for 4 x 5 pixels"),
    (header(6, 1, itemsize=3) + bytes(6), "frame 0", "its header says 3 bytes a value"),
]


@pytest.mark.parametrize(("content", "frame", "what"), CUTS)
def test_what_is_wrong_is_said_with_file_and_frame(tmp_path, content, frame, what):
    with pytest.raises(FrameError) as caught:
        source(tmp_path, content, count=3)
    assert caught.value.what.startswith(what)
    assert caught.value.where.endswith(f"a.x, run r1, detector d, {frame}")


def test_policy_nan_reads_what_is_whole(tmp_path):
    run = source(tmp_path, *WHOLE, WHOLE[0][:1027], count=4, missing="nan")
    assert run.read("d", 0, 2).sum() == 4
    assert run.events("d", 1, 2).count.tolist() == [1, 2]
    for read in (run.read, run.events):
        with pytest.raises(FrameError, match=r"cut off: 3 of 6") as caught:
            read("d", 1, 3)
        assert caught.value.where.endswith("frame 2")
    with pytest.raises(FrameError, match="out of reach, as frame 2 is damaged") as caught:
        run.read("d", 3, 4)
    assert caught.value.where.endswith("frame 3")


def test_fewer_frames_than_the_run_table_says(tmp_path):
    with pytest.raises(UserError, match="says 3 frames, the raw files say 2") as caught:
        source(tmp_path, *WHOLE, count=3)
    assert not isinstance(caught.value, FrameError)
    run = source(tmp_path, *WHOLE, count=3, missing="nan")
    with pytest.raises(FrameError, match="the file ends after 2 frames"):
        run.read("d", 2, 3)


@pytest.mark.parametrize("index", [20, -1, 2**31 - 1])
def test_an_index_beyond_the_detector(tmp_path, index):
    run = source(tmp_path, WHOLE[0], sparse([3, index, 4], [1, 1, 1]))
    with pytest.raises(FrameError, match=rf"pixel index {index}, the detector has 20") as caught:
        run.events("d", 0, 2)
    assert caught.value.where.endswith("frame 1")
    assert run.events("d", 0, 1).pixel.tolist() == [3]


def test_a_real_file(real_data):
    """Known answers: README of the data set."""
    path = real_data("aps-8idi-imm") / "B020_bluesky_demo_00001-00021.imm"
    run = opened(path.parent, {**IMM, "frames": {"d": path.name}}, 21, (516, 1556))
    assert path.stat().st_size == 22692
    events = run.events("d", 0, 21)
    lit = np.bincount(events.frame, minlength=21)
    expected = [6, 10, 10, 8, 11, 8, 9, 10, 11, 10, 10, 10, 10, 11, 10, 8, 11, 7, 12, 8, 8]
    assert lit.tolist() == expected
    first = events.frame == 0
    assert events.pixel[first].tolist() == [26707, 26708, 26709, 35824, 257535, 259091]
    assert events.count[first].tolist() == [2, 2, 2, 4095, 3229, 1008]
    assert events.count[events.pixel == 35824].tolist() == [4095] * 21
    frames = run.read("d", 0, 21)
    assert frames.shape == (21, 516, 1556)
    assert (frames.reshape(21, -1)[:, 35824] == 4095).all()
    assert run.metadata()["d"]["date"] == "Tue Dec 10 09:48:12 2019"
    np.testing.assert_array_equal(run.events("d", 13, 14).pixel, events.pixel[events.frame == 13])
