"""The chunk planner: what must hold for all frames, sizes and limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels.sizes import block_frames
from scatterflow.plan.chunks import (
    BASE_MEMORY_MB,
    STORED_CHUNK_BYTES,
    FrameLoad,
    chunk_ranges,
    frames_per_chunk,
    memory_estimate_mb,
    stored_frames,
)

LOADS = st.builds(
    FrameLoad,
    pixels=st.integers(1, 10**9),
    raw_bytes=st.integers(1, 10**9),
    result_bytes=st.integers(1, 10**9),
    sum_bytes=st.integers(0, 10**9),
    weights_bytes=st.integers(0, 10**10),
    thread_bytes=st.integers(0, 10**9),
    threads=st.integers(1, 64),
)
LIMITS = {
    "minutes": st.floats(1e-6, 1e5),
    "memory_mb": st.integers(1000, 10**8),
    "pixel_rate": st.floats(1e-6, 1e6),
}
SMALL = FrameLoad(pixels=10_000, raw_bytes=40_000, result_bytes=24_000, sum_bytes=120_000)


@given(st.integers(1, 3000), st.integers(1, 3500))
def test_chunks_cover_every_frame_once_in_order(frames, per_chunk):
    ranges = list(chunk_ranges(frames, per_chunk))
    covered = [frame for start, stop in ranges for frame in range(start, stop)]
    assert covered == list(range(frames))
    assert all(stop - start == per_chunk for start, stop in ranges[:-1])
    assert 1 <= ranges[-1][1] - ranges[-1][0] <= per_chunk


@settings(max_examples=300)
@given(frames=st.integers(1, 10**8), load=LOADS, **LIMITS)
def test_planned_chunks_keep_the_limits_wherever_that_is_possible(frames, load, **limits):
    size = frames_per_chunk(frames, load, fixed=None, **limits)
    assert 1 <= size <= frames
    if size > 1:
        assert memory_estimate_mb(load, size) <= limits["memory_mb"]
        seconds = size * load.pixels / (limits["pixel_rate"] * 1e6)
        assert seconds <= limits["minutes"] * 60 * (1 + 1e-9)


@settings(max_examples=200)
@given(frames=st.integers(1, 10**8), load=LOADS, **LIMITS)
def test_chunks_are_not_smaller_than_they_must_be(frames, load, **limits):
    """Doubling a chunk (and rounding) breaks a limit, or it is the whole run."""
    size = frames_per_chunk(frames, load, fixed=None, **limits)
    larger = 2 * size + 60
    if size < frames and larger < frames:
        too_long = larger * load.pixels > limits["minutes"] * 60 * limits["pixel_rate"] * 1e6
        too_large = memory_estimate_mb(load, larger) > limits["memory_mb"]
        assert too_long or too_large


@settings(max_examples=200)
@given(st.integers(1, 10**6), st.integers(1, 10**9), st.integers(1, 10**6))
def test_no_stored_chunk_belongs_to_two_jobs(per_chunk, bytes_per_frame, frames):
    stored = stored_frames(per_chunk, bytes_per_frame, frames)
    assert 1 <= stored <= per_chunk
    assert stored == 1 or stored * bytes_per_frame <= STORED_CHUNK_BYTES
    if per_chunk < frames:  # several jobs
        assert per_chunk % stored == 0


def test_stored_chunks_are_of_a_good_size():
    # 8 kB a frame: up to 2000 frames make 16 MB.
    assert stored_frames(6000, 8000) == 2000
    assert stored_frames(1000, 8000) == 1000
    assert stored_frames(2400, 8000) == 1200
    assert stored_frames(4001, 8000) == 1  # a prime number of frames, shared by several jobs
    assert stored_frames(4001, 8000, 4001) == 2000  # one job has all of it
    assert stored_frames(10, 10**9) == 1


@given(frames=st.integers(2000, 10**6), load=LOADS)
def test_planned_chunks_can_be_divided_well(frames, load):
    size = frames_per_chunk(frames, load, fixed=None, minutes=5, memory_mb=8000, pixel_rate=20)
    if 60 < size < frames:
        assert size % 60 == 0


@settings(max_examples=200)
@given(LOADS, st.integers(1, 10**6), st.integers(1, 10**6))
def test_more_frames_never_need_less_memory(load, one, other):
    one, other = sorted((one, other))
    assert memory_estimate_mb(load, one) <= memory_estimate_mb(load, other)


def test_the_memory_estimate_counts_what_a_job_holds():
    mega = 1_000_000
    load = FrameLoad(
        pixels=1,
        raw_bytes=4 * mega,
        result_bytes=3 * mega,
        sum_bytes=12 * mega,
        weights_bytes=24 * mega,
        thread_bytes=5 * mega,
        threads=2,
    )
    # Ten frames, read and decoded; their results, waiting to be written and while they are, twice, and one of
    # the three arrays read back.
    expected = BASE_MEMORY_MB + 2 * 10 * 4 + 10 * 3 + 2 * 10 * 3 + 10 + 12 + 24 + 2 * 5
    assert memory_estimate_mb(load, 10) == expected
    # Of many frames, two blocks a thread and one being read; three blocks of results waiting.
    many = memory_estimate_mb(load, 10_000) - memory_estimate_mb(load, 1_000)
    assert many == 0


def test_a_block_is_bounded_in_bytes_and_frames():
    assert block_frames(1000, 1000) == 16
    assert block_frames(10, 1000) == 10
    assert block_frames(1000, 64_000_000) == 9
    assert block_frames(1000, 10**12) == 1


def plan(frames=10_000, load=SMALL, fixed=None, minutes=5.0, memory_mb=4000, pixel_rate=20.0):
    return frames_per_chunk(
        frames, load, fixed=fixed, minutes=minutes, memory_mb=memory_mb, pixel_rate=pixel_rate
    )


def test_the_users_choice_wins():
    assert plan(fixed=7, memory_mb=1000, minutes=1e-6) == 7
    assert plan(fixed=10**9) == 10_000


def test_jobs_last_about_as_long_as_wanted():
    # 10 000 pixels at 1 million a second: 100 frames a second, 600 in 6 s.
    assert plan(pixel_rate=1.0, minutes=0.1) == 600
    # Rounded to what can be divided, and shared evenly: 1000 frames in two jobs.
    assert plan(frames=1000, pixel_rate=1.0, minutes=0.1) == 540


def test_a_small_run_is_one_job():
    assert plan(frames=41) == 41
    assert plan(frames=1) == 1


def test_a_frame_beyond_all_limits_is_still_planned():
    huge = FrameLoad(pixels=10**9, raw_bytes=10**10, result_bytes=10**10, sum_bytes=10**10)
    assert plan(frames=5, load=huge) == 1


@pytest.mark.parametrize("memory_mb", [1000, 2000, 4000, 64_000])
def test_more_memory_never_means_more_jobs(memory_mb):
    load = FrameLoad(pixels=1, raw_bytes=10**6, result_bytes=5 * 10**6, sum_bytes=10**6)
    assert plan(load=load, memory_mb=memory_mb) <= plan(load=load, memory_mb=memory_mb + 1000)
