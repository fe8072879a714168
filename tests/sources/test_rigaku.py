"""Rigaku files, bit by bit, and what is wrong with them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from tests.sources.event_runs import opened, photons

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.event_writers import write_rigaku, write_rigaku_3m

SHAPE = (4, 5)
RIGAKU = {"format": "rigaku"}
THREE_M = {"format": "rigaku", "modules": "rigaku_3m"}


def word(frame, pixel, count):
    return struct.pack("<Q", frame << 40 | pixel << 16 | count)


def source(root, *words, frames=10, shape=SHAPE, recipe=RIGAKU, **more):
    (root / "a.x").write_bytes(b"".join(words))
    return opened(root, recipe, frames, shape, **more)


def listed(events):
    return list(
        zip(events.frame.tolist(), events.pixel.tolist(), events.count.tolist(), strict=True)
    )


def test_a_file_made_by_hand(tmp_path):
    """The first frame, the last one of 24 bits, 12-bit counts, empty frames in between."""
    last = (1 << 24) - 1
    words = [word(0, 19, 300), word(0, 2, 4095), word(3, 7, 1), word(last, 1, 2)]
    run = source(tmp_path, *words, frames=1 << 24)
    assert listed(run.events("d", 0, 5)) == [(0, 2, 4095), (0, 19, 300), (3, 7, 1)]
    assert listed(run.events("d", last, last + 1)) == [(0, 1, 2)]
    assert run.read("d", 0, 1)[0, 3, 4] == 300  # in 8 bits it would be 44
    assert run.detectors["d"].dtype == np.uint32


def test_bits_without_a_meaning_are_ignored(tmp_path):
    stray = struct.pack("<Q", 1 << 40 | 7 << 37 | 3 << 16 | 0xF << 12 | 5)
    assert listed(source(tmp_path, stray).events("d", 0, 10)) == [(1, 3, 5)]


def test_a_repeated_event_is_added(tmp_path):
    run = source(tmp_path, word(2, 3, 4095), word(2, 1, 1), word(2, 3, 4095), word(2, 4, 0))
    assert listed(run.events("d", 0, 10)) == [(2, 1, 1), (2, 3, 8190)]


def test_old_files_number_the_pixels_by_columns(tmp_path):
    run = source(tmp_path, word(0, 1, 1), word(0, 4, 2), recipe={**RIGAKU, "pixel_order": "column"})
    frame = run.read("d", 0, 1)[0]
    assert (frame[1, 0], frame[0, 1], frame.sum()) == (1, 2, 3)


def test_a_pixel_index_of_21_bits(tmp_path):
    """XPCS-Eigen would cut it to 20."""
    run = source(tmp_path, word(0, (1 << 21) - 1, 1), shape=(2048, 1024))
    assert run.events("d", 0, 1).pixel.tolist() == [2**21 - 1]


@pytest.mark.parametrize("pixel", [20, (1 << 20) + 3])
def test_an_index_beyond_the_detector(tmp_path, pixel):
    run = source(tmp_path, word(1, 3, 1), word(4, pixel, 1))
    with pytest.raises(FrameError, match=f"pixel index {pixel}, the detector has 20") as caught:
        run.events("d", 0, 10)
    assert caught.value.where.endswith("a.x, run r1, detector d, frame 4")
    assert listed(run.events("d", 0, 4)) == [(1, 3, 1)]


def test_frame_numbers_that_do_not_ascend(tmp_path):
    run = source(tmp_path, *(word(frame, 1, 1) for frame in (0, 1, 5, 4, 6)))
    with pytest.raises(FrameError, match="do not ascend: frame 4 after frame 5"):
        run.events("d", 0, 10)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 10])
def test_some_chunk_finds_frame_numbers_that_do_not_ascend(tmp_path, size):
    """However the run is cut, a word in the wrong place is found."""
    rng = np.random.default_rng(5)
    for _ in range(30):
        frames = np.sort(rng.integers(0, 10, 12))
        one, other = rng.choice(12, 2, replace=False)
        frames[[one, other]] = frames[[other, one]]
        run = source(tmp_path, *(word(int(frame), 1, 1) for frame in frames), missing="nan")
        if frames[-1] >= 10:
            continue
        faults, total = 0, 0
        for start in range(0, 10, size):
            try:
                total += run.events("d", start, min(start + size, 10)).count.sum()
            except FrameError:
                faults += 1
        ascending = bool(np.all(np.diff(frames) >= 0))
        assert (faults == 0) == ascending
        assert total == 12 or faults


def test_a_file_cut_off_within_a_word(tmp_path):
    words = [word(0, 1, 1), word(2, 2, 2), word(5, 3, 3)[:5]]
    with pytest.raises(FrameError, match="5 bytes of 8 are there") as caught:
        source(tmp_path, *words)
    assert caught.value.where.endswith("frame 2")
    run = source(tmp_path, *words, missing="nan")
    # Of frame 2 more events may be lost; those before it are whole.
    assert listed(run.events("d", 0, 2)) == [(0, 1, 1)]
    for frame in (2, 9):
        with pytest.raises(FrameError, match="within a word"):
            run.events("d", frame, frame + 1)


def test_a_count_that_does_not_fit_is_not_written(tmp_path):
    with pytest.raises(UserError, match="a count of 4096"):
        write_rigaku(tmp_path / "a.x", np.full((1, *SHAPE), 4096))
    with pytest.raises(UserError, match="give `shape`"):
        write_rigaku(tmp_path / "a.x", opened_events())
    assert not list(tmp_path.iterdir())


def opened_events():
    from scatterflow.sources.events import sparse_events

    return sparse_events(np.ones((1, *SHAPE), np.uint8))


def test_the_files_of_a_3m_have_their_places(tmp_path):
    """Files in reading order 5, 0 / 4, 1 / 3, 2; the first pixel of each counts its number + 1."""
    for number in range(6):
        (tmp_path / f"a.x.{number:03d}").write_bytes(word(0, 0, number + 1))
    frame = opened(tmp_path, THREE_M, 1, (1676, 2100)).read("d", 0, 1)[0]
    corners = frame[[0, 582, 1164]][:, [0, 1076]]
    assert corners.tolist() == [[6, 1], [5, 2], [4, 3]]
    assert frame.sum() == 21


def test_the_last_pixels_and_the_flag_of_the_modules(tmp_path):
    last = 512 * 1024 - 1
    for number in range(6):
        words = word(0, last, 1) + word(0, 1 << 20 | last, 2)
        (tmp_path / f"a.x.{number:03d}").write_bytes(words)
    frame = opened(tmp_path, THREE_M, 1, (1676, 2100)).read("d", 0, 1)[0]
    assert (frame[[511, 1093, 1675]][:, [1023, 2099]] == 3).all()
    assert frame.sum() == 18


def test_a_3m_has_the_frames_of_its_longest_file(tmp_path):
    stack = photons("rigaku 3m").copy()
    stack[-1, :512, :1024] = 5  # the module of file 5
    write_rigaku_3m(tmp_path / "a.x", stack)
    run = opened(tmp_path, THREE_M, 7, (1676, 2100))
    assert run.found("d") == (7, "")
    np.testing.assert_array_equal(run.read("d", 6, 7), stack[6:])
    with pytest.raises(UserError, match="an event in frame 6") as caught:
        opened(tmp_path, THREE_M, 6, (1676, 2100))
    assert "a.x.005" in caught.value.where


def test_a_module_that_is_missing(tmp_path):
    write_rigaku_3m(tmp_path / "a.x", photons("rigaku 3m"))
    (tmp_path / "a.x.003").unlink()
    with pytest.raises(FrameError, match="missing") as caught:
        opened(tmp_path, THREE_M, 7, (1676, 2100))
    assert "a.x.003" in caught.value.where


def test_events_between_the_modules_are_not_written(tmp_path):
    stack = np.zeros((1, 1676, 2100), np.uint8)
    stack[0, 520, 3] = 1
    with pytest.raises(UserError, match="no events of a Rigaku 3M"):
        write_rigaku_3m(tmp_path / "a.x", stack)
    assert not list(tmp_path.iterdir())


def test_modules_of_ones_own(tmp_path):
    modules = [
        {"suffix": ".1", "row": 0, "column": 0},
        {"suffix": ".2", "row": 512, "column": 10, "turned": True},
    ]
    (tmp_path / "a.x.1").write_bytes(word(0, 1025, 1))
    (tmp_path / "a.x.2").write_bytes(word(0, 1025, 2))
    frame = opened(tmp_path, {**RIGAKU, "modules": modules}, 1, (1024, 1034)).read("d", 0, 1)[0]
    assert frame[1, 1] == 1
    assert frame[512 + 510, 10 + 1022] == 2
    assert frame.sum() == 3
    with pytest.raises(UserError, match=r"module \.2 reaches to row 1024, column 1034"):
        opened(tmp_path, {**RIGAKU, "modules": modules}, 1, (1024, 1033))
    modules[1]["row"] = 511
    with pytest.raises(UserError, match=r"modules \.1 and \.2 lie upon each other"):
        opened(tmp_path, {**RIGAKU, "modules": modules}, 1, (1024, 1034))
