"""Sharing a run's frames among jobs.

The plan depends on the configuration and the run table alone, never on measured speeds or on what
is on disk, so that it is the same at every call. Results do not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from scatterflow.kernels.sizes import block_frames

# On a cluster each job runs below two Snakemake processes (measured 205 MB each).
SNAKEMAKE_MEMORY_MB = 450
# What a chunk job holds before it sees a frame: those, the interpreter and libraries (250 to 350 MB).
BASE_MEMORY_MB = SNAKEMAKE_MEMORY_MB + 400
# Zarr chunks of about this size compress well, and are read and written at disk speed.
STORED_CHUNK_BYTES = 16_000_000
# Longer chunks are multiples of this, which has many divisors for the stored chunks in them.
CHUNK_MULTIPLE = 60


@dataclass(frozen=True)
class FrameLoad:
    """What one frame costs, and what a job holds besides frames.

    pixels: of all detectors, times their integrations; raw_bytes: stored frame, all detectors;
    result_bytes: all integrated arrays; sum_bytes: the sums of frames; weights_bytes: the prepared weights;
    thread_bytes: what each of the job's threads holds besides frames; kept_bytes: what is kept of each
    frame to the end of the job.
    """

    pixels: int
    raw_bytes: int
    result_bytes: int
    sum_bytes: int
    weights_bytes: int = 0
    thread_bytes: int = 0
    threads: int = 1
    kept_bytes: int = 0


def frames_per_chunk(
    frames: int,
    load: FrameLoad,
    *,
    fixed: int | None,
    minutes: float,
    memory_mb: int,
    pixel_rate: float,
) -> int:
    """Frames per chunk job: as many as time and memory allow, shared evenly.

    frames: frames of the run; fixed: the user's choice, which wins; minutes: aim for a job's duration;
    memory_mb: a job's memory; pixel_rate: assumed speed, million pixels per second. A single
    frame may need more memory than is allowed: see `memory_estimate_mb`.
    """
    if fixed is not None:
        return min(fixed, frames)
    by_time = int(minutes * 60 * pixel_rate * 1e6 / max(load.pixels, 1))
    largest = max(1, min(by_time, frames))
    largest = _most_that_fit(largest, load, memory_mb)
    if largest == frames:
        return frames
    if largest > CHUNK_MULTIPLE:
        largest -= largest % CHUNK_MULTIPLE
    jobs = -(-frames // largest)
    even = -(-frames // jobs)
    # Up, but not beyond `largest`, which is a multiple itself.
    return -(-even // CHUNK_MULTIPLE) * CHUNK_MULTIPLE if largest > CHUNK_MULTIPLE else even


def _most_that_fit(most: int, load: FrameLoad, memory_mb: int) -> int:
    """The largest number of frames, from 1 to `most`, within the memory; 1 if none is."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        if memory_estimate_mb(load, middle) <= memory_mb:
            low = middle
        else:
            high = middle - 1
    return low


def chunk_ranges(frames: int, per_chunk: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of each chunk, in order."""
    for start in range(0, frames, per_chunk):
        yield start, min(start + per_chunk, frames)


def stored_frames(per_chunk: int, bytes_per_frame: int, frames: int | None = None) -> int:
    """Frames per stored (Zarr) chunk: a divisor of the job's frames, so that no two jobs share one.

    frames: of the whole run; a single job may divide them as it likes.
    """
    wanted = max(1, min(per_chunk, STORED_CHUNK_BYTES // max(bytes_per_frame, 1)))
    if frames is not None and per_chunk >= frames:
        return wanted
    return next(size for size in range(wanted, 0, -1) if per_chunk % size == 0)


def memory_estimate_mb(load: FrameLoad, per_chunk: int) -> int:
    """Upper estimate of a chunk job's memory, MB; never less for more frames."""
    block = block_frames(per_chunk, load.raw_bytes)
    # Each thread works on a block while others wait to be taken and one is read; a thread may hold its block
    # twice (compressed and decoded).
    frames = min(2 * per_chunk, (2 * load.threads + 1) * block) * load.raw_bytes
    threads = load.threads * load.thread_bytes
    waiting = min(per_chunk, (load.threads + 1) * block) * load.result_bytes
    # Arrays above a stored chunk are written early, the rest at the end, in one copy.
    results = 2 * min(
        per_chunk * load.result_bytes, max(8 * STORED_CHUNK_BYTES, block * load.result_bytes)
    )
    # For its checksum each array is read back, one stored chunk at a time.
    read_back = min(per_chunk * load.result_bytes // 3, max(STORED_CHUNK_BYTES, load.result_bytes))
    held = load.sum_bytes + load.weights_bytes + per_chunk * load.kept_bytes
    total = frames + threads + waiting + results + read_back + held
    return math.ceil(BASE_MEMORY_MB + total / 1e6)
