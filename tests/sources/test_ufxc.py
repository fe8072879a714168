"""UFXC files, bit by bit: frames that wrap, late words."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.event_runs import opened

from scatterflow.errors import FrameError, UserError
from scatterflow.sources import scanned_file
from scatterflow.sources.event_writers import write_ufxc
from scatterflow.sources.events import Events

UFXC = {"format": "ufxc"}
SHAPE = (128, 256)


def word(frame, pixel, count=1):
    return struct.pack("<I", (frame % 2048) << 21 | count << 15 | pixel)


def source(root, *words, frames, **more):
    (root / "a.x").write_bytes(b"".join(words))
    return opened(root, UFXC, frames, SHAPE, **more)


def test_a_file_made_by_hand(tmp_path):
    run = source(tmp_path, word(0, 1, 3), word(0, 128, 2), word(4, 32767, 1), frames=6)
    frames = run.read("d", 0, 6)
    # Pixels are numbered column by column.
    assert (frames[0, 1, 0], frames[0, 0, 1], frames[4, 127, 255]) == (3, 2, 1)
    assert frames.sum() == 6


def test_frames_wrap(tmp_path):
    wanted = [0, 5, 2000, 2047, 2048, 2100, 4095, 4096, 6000, 8000, 9999]
    run = source(tmp_path, *(word(frame, i) for i, frame in enumerate(wanted)), frames=10000)
    assert run.events("d", 0, 10000).frame.tolist() == wanted
    assert run.events("d", 2048, 4096).frame.tolist() == [0, 52, 2047]


def test_words_may_be_late_around_a_wrap(tmp_path):
    wanted = [0, 1900, 2047, 2048, 2046, 2049, 2047, 3000, 4090, 4097, 4095, 4100]
    run = source(tmp_path, *(word(frame, i) for i, frame in enumerate(wanted)), frames=5000)
    events = run.events("d", 0, 5000)
    assert events.frame.tolist() == sorted(wanted)
    assert sorted(events.pixel.tolist()) == sorted((i % 128) * 256 for i in range(len(wanted)))


@given(
    steps=st.lists(st.integers(0, 2000), min_size=1, max_size=40),
    block=st.sampled_from([4, 12, 64, 4096]),
)
@settings(max_examples=40, deadline=None)
def test_any_gaps_to_2000_frames_in_blocks_of_any_size(tmp_path_factory, steps, block):
    frame = np.cumsum(steps) - steps[0]
    events = Events(frame, np.arange(len(steps)), np.ones(len(steps), np.uint32))
    root = tmp_path_factory.mktemp("ufxc")
    words = [word(int(f), (i % 256) * 128 + i // 256) for i, f in enumerate(frame)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanned_file, "BLOCK_BYTES", block)
        run = source(root, *words, frames=int(frame[-1]) + 1)
        whole = run.events("d", 0, run.frames)
        np.testing.assert_array_equal(whole.frame, frame)
        np.testing.assert_array_equal(whole.pixel, events.pixel)
        middle = run.frames // 2
        parts = [run.events("d", 0, middle), run.events("d", middle, run.frames)]
        np.testing.assert_array_equal(np.concatenate([p.pixel for p in parts]), events.pixel)
    write_ufxc(root / "b.x", events)
    assert (root / "b.x").read_bytes() == b"".join(words)


def test_a_file_cut_off_within_a_word(tmp_path):
    words = [word(0, 1), word(3, 2), word(4, 3)[:2]]
    run = source(tmp_path, *words, frames=6)
    assert run.events("d", 0, 3).count.tolist() == [1]
    with pytest.raises(FrameError, match="its last 2 bytes are unfinished") as caught:
        run.events("d", 0, 6)
    assert caught.value.where.endswith("a.x, run r1, detector d, frame 3")
    assert run.found("d")[1].startswith("the file is cut off")


def test_a_word_from_before_the_first_frame(tmp_path):
    run = source(tmp_path, word(3, 1), word(2040, 2), frames=6)
    with pytest.raises(FrameError, match="a frame before the first"):
        run.events("d", 0, 6)


def test_what_a_ufxc_cannot_hold_is_not_written(tmp_path):
    one = np.zeros((1, *SHAPE), np.uint8)
    for stack in (one + 4, one[:, :5]):
        with pytest.raises(UserError):
            write_ufxc(tmp_path / "a.x", stack + 1)
    far = Events(np.array([0, 2001]), np.zeros(2, np.int64), np.ones(2, np.uint32))
    with pytest.raises(UserError, match="no events of a UFXC"):
        write_ufxc(
            tmp_path / "a.x",
            far,
        )
    assert not list(tmp_path.iterdir())
