"""Timepix4 files, bit by bit: addresses, times of arrival and what extends them, packages."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.event_runs import opened, photons

from scatterflow.errors import FrameError, UserError
from scatterflow.sources import scanned_file
from scatterflow.sources.event_writers import write_timepix4
from scatterflow.sources.events import Events

TIMEPIX4 = {"format": "timepix4", "frame_time_s": 25e-9}
SHAPE = (512, 448)
T0 = 0xE3 << 55


def heartbeat(clock):
    return 0xE0 << 55 | clock


def hit(row, column, clock, fine=0, start=15, stop=15, tot=10):
    """A hit word, built as the chip does: super-pixels of 2 x 4 in groups of four, halves mirrored."""
    top = row >= 256
    if top:
        row, column = 511 - row, 447 - column
    gray = (clock & 0xFFFF) ^ ((clock & 0xFFFF) >> 1)
    word = top << 63 | (column // 2) << 55 | (row // 16) << 51 | (row // 4 % 4) << 49
    word |= (column % 2 * 4 + row % 4) << 46 | gray << 30 | start << 26 | stop << 22
    return word | fine << 17 | tot << 1


def package(*words, group=0, encoding=0):
    header = group << 60 | encoding << 58 | len(words)
    return struct.pack(f"<{len(words) + 1}Q", header, *words)


def write(path, *packages):
    path.write_bytes(b"SPIDR4\0\0" + b"".join(packages))


def source(root, *packages, frames=1000, recipe=TIMEPIX4, shape=SHAPE, **more):
    write(root / "a.x", *packages)
    return opened(root, recipe, frames, shape, **more)


def listed(events, columns=448):
    rows, columns = np.divmod(events.pixel, columns)
    return list(zip(events.frame.tolist(), rows.tolist(), columns.tolist(), strict=True))


@pytest.mark.parametrize(
    "place", [(0, 1), (1, 0), (3, 446), (4, 5), (255, 447), (256, 0), (300, 123), (511, 446)]
)
def test_where_a_hit_is(tmp_path, place):
    run = source(tmp_path, package(T0, hit(*place, 7)))
    assert listed(run.events("d", 0, 1000)) == [(7, *place)]


@given(st.integers(0, (1 << 30) - 1), st.integers(-(1 << 15) + 1, (1 << 15) - 1))
@settings(max_examples=60, deadline=None)
def test_the_time_of_arrival_is_extended_by_the_heartbeat(tmp_path_factory, beat, late):
    """16 bits and a heartbeat at most 2**15 clocks away say the whole time."""
    clock = max(beat + late, 0)
    root = tmp_path_factory.mktemp("tpx")
    run = source(root, package(T0, heartbeat(beat), hit(9, 9, clock)), frames=1 << 31)
    assert run.events("d", 0, 1 << 31).frame.tolist() == [clock]


def test_each_hit_goes_by_the_heartbeat_before_it(tmp_path):
    words = [T0, hit(9, 1, 5), heartbeat(70000), hit(9, 2, 70001), hit(9, 3, 65500)]
    words += [heartbeat(140000), hit(9, 4, 139999)]
    run = source(tmp_path, package(*words), frames=200_000)
    assert listed(run.events("d", 0, 200_000)) == [
        (5, 9, 1),
        (65500, 9, 3),
        (70001, 9, 2),
        (139999, 9, 4),
    ]


def test_fine_times_are_subtracted(tmp_path):
    """In units of 1/5.12 GHz: 128 a clock, 8 a fine step, 1 an ultra-fine one (code 14 is 1, 15 is 0)."""
    recipe = {**TIMEPIX4, "frame_time_s": 1 / 5.12e9}
    words = [T0, hit(9, 1, 3), hit(9, 2, 3, fine=2), hit(9, 3, 3, stop=14), hit(9, 4, 3, start=14)]
    words += [hit(9, 5, 3, tot=0)]
    run = source(tmp_path, package(*words), recipe=recipe)
    frames = {column: frame for frame, _, column in listed(run.events("d", 0, 1000))}
    assert frames == {1: 384, 2: 368, 3: 383, 4: 385, 5: 512}


def test_hits_before_t0_do_not_belong_to_the_run(tmp_path):
    packages = [package(heartbeat(300), hit(9, 1, 300)), package(hit(9, 2, 301), T0, hit(9, 3, 4))]
    for block in (16, 1 << 22):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scanned_file, "BLOCK_BYTES", block)
            run = source(tmp_path, *packages)
            assert listed(run.events("d", 0, 1000)) == [(4, 9, 3)]
            assert run.found("d") == (5, "")


def test_a_file_without_t0_begins_with_its_clock(tmp_path):
    run = source(tmp_path, package(heartbeat(300), hit(9, 1, 300)))
    assert listed(run.events("d", 0, 1000)) == [(300, 9, 1)]


def test_time_that_begins_twice(tmp_path):
    with pytest.raises(FrameError, match="the time begins a second time"):
        source(tmp_path, package(T0, hit(9, 1, 3), T0)).events("d", 0, 1)
    run = source(tmp_path, package(T0, hit(9, 1, 3)), package(T0, hit(9, 1, 3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanned_file, "BLOCK_BYTES", 24)
        with pytest.raises(FrameError, match="the time begins a second time"):
            run.events("d", 0, 1000)
    run = source(tmp_path, package(T0, T0), package(T0, hit(9, 1, 3)))
    assert listed(run.events("d", 0, 10)) == [(3, 9, 1)]


def test_other_packages_and_control_words_are_passed_over(tmp_path):
    other = package(hit(9, 5, 5), hit(9, 6, 5), group=7), package(hit(9, 7, 5), group=3, encoding=2)
    words = package(T0, 0xE1 << 55 | 77, hit(9, 1, 3), 0xF0 << 55, 1 << 63 | 0xFF << 55)
    assert listed(source(tmp_path, other[0], words, other[1]).events("d", 0, 10)) == [(3, 9, 1)]


def test_hits_of_an_unknown_encoding(tmp_path):
    run = source(tmp_path, package(T0, hit(9, 1, 3)), package(hit(9, 1, 4), encoding=1))
    with pytest.raises(FrameError, match="encoded in a way that is not known"):
        run.events("d", 0, 10)


def test_pixels_for_digital_tests_do_not_count(tmp_path):
    places = [(0, 0), (1, 4), (2, 441), (3, 445), (508, 2), (509, 6), (510, 443), (511, 447)]
    run = source(tmp_path, package(T0, *(hit(*place, 5) for place in places), hit(0, 4, 5)))
    assert listed(run.events("d", 0, 10)) == [(5, 0, 4)]


def test_hits_of_one_pixel_in_one_frame_add_up(tmp_path):
    recipe = {**TIMEPIX4, "frame_time_s": 1e-6}
    run = source(tmp_path, package(T0, *(hit(9, 1, clock) for clock in (0, 39, 40))), recipe=recipe)
    assert run.events("d", 0, 2).count.tolist() == [2, 1]


@pytest.mark.parametrize("block", [8, 64, 1 << 22])
def test_blocks_of_any_size_give_the_same(tmp_path, monkeypatch, block):
    monkeypatch.setattr(scanned_file, "BLOCK_BYTES", block)
    stack = photons("timepix4")
    write_timepix4(tmp_path / "a.x", stack, 1e-3)
    run = opened(tmp_path, {**TIMEPIX4, "frame_time_s": 1e-3}, 7, SHAPE)
    np.testing.assert_array_equal(run.read("d", 0, 7), stack)
    np.testing.assert_array_equal(run.read("d", 3, 4), stack[3:4])


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 5)), min_size=1, max_size=8),
    st.sampled_from([25e-9, 100e-9, 1e-6, 1e-3]),
)
@settings(max_examples=40, deadline=None)
def test_any_frames_written_are_read(tmp_path_factory, hits, frame_time):
    root = tmp_path_factory.mktemp("tpx")
    frames = np.array(sorted({frame for frame, _ in hits}))
    counts = np.array([hits[i][1] for i in range(len(frames))], np.uint32)
    events = Events(frames, np.arange(len(frames)) * 448 + 17, counts)
    write_timepix4(root / "a.x", events, frame_time)
    run = opened(root, {**TIMEPIX4, "frame_time_s": frame_time}, int(frames[-1]) + 1, SHAPE)
    found = run.events("d", 0, run.frames)
    for name in ("frame", "pixel", "count"):
        np.testing.assert_array_equal(getattr(found, name), getattr(events, name))


def test_halves_and_chips(tmp_path):
    """Two chips beside each other, the second upside down; each half in a file of its own."""
    left, right = photons("timepix4", seed=1), photons("timepix4", seed=2)
    modules = []
    for name, stack, column in (("L", left, 0), ("R", right, 450)):
        for half in ("bottom", "top"):
            suffix = f".{name}{half}"
            write_timepix4(tmp_path / f"a.x{suffix}", stack, 1e-3, half)
            place = {"suffix": suffix, "row": 0, "column": column, "turned": name == "R"}
            modules.append(place)
    recipe = {**TIMEPIX4, "frame_time_s": 1e-3, "modules": modules}
    frames = opened(tmp_path, recipe, 7, (512, 898)).read("d", 0, 7)
    np.testing.assert_array_equal(frames[:, :, :448], left)
    np.testing.assert_array_equal(frames[:, :, 450:], right[:, ::-1, ::-1])
    assert frames.sum() == int(left.sum()) + int(right.sum())


def test_a_file_cut_off(tmp_path):
    packages = package(T0, hit(9, 1, 2)), package(hit(9, 1, 5), hit(9, 1, 6))
    run = source(tmp_path, packages[0], packages[1][:-3], frames=10)
    assert listed(run.events("d", 0, 2)) == []
    with pytest.raises(FrameError, match="its last 21 bytes are unfinished") as caught:
        run.events("d", 0, 10)
    assert caught.value.where.endswith("a.x, run r1, detector d, frame 2")


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "a.x").write_bytes(b"SPIDR3\0\0" + package(T0))
    with pytest.raises(FrameError, match="no SPIDR4 file") as caught:
        opened(tmp_path, TIMEPIX4, 10, SHAPE)
    assert "format" in caught.value.how


@pytest.mark.parametrize("frame_time", [1e-10, 1.3e-10, 3.1415e-9])
def test_a_frame_time_that_the_clock_does_not_divide(tmp_path, frame_time):
    with pytest.raises(UserError, match="no multiple of the detector's clock"):
        source(tmp_path, package(T0), recipe={**TIMEPIX4, "frame_time_s": frame_time})
