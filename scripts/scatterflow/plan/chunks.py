"""Sharing a run's frames among jobs.

The plan depends on the configuration and the run table alone, never on measured speeds or on what
is on disk, so that it is the same at every call. Results do not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# What a chunk job holds before it sees a frame: the interpreter and the libraries (measured 200 to 300 MB).
BASE_MEMORY_MB = 400
# Zarr chunks of about this size compress well, and are read and written at disk speed.
STORED_CHUNK_BYTES = 16_000_000
# Frames held at once while a chunk job streams through its range.
BLOCK_BYTES = 256_000_000


@dataclass(frozen=True)
class FrameLoad:
    """What one frame costs. pixels: of all detectors, times their integrations; raw_bytes: stored frame,
    all detectors; result_bytes: all integrated arrays; sum_bytes: the running sums of frames."""

    pixels: int
    raw_bytes: int
    result_bytes: int
    sum_bytes: int


def frames_per_chunk(
    frames: int,
    load: FrameLoad,
    *,
    fixed: int | None,
    minutes: float,
    memory_mb: int,
    pixel_rate: float,
) -> int:
    """Frames per chunk job.

    frames: frames of the run; fixed: the user's choice, which wins; minutes: aim for a job's duration;
    memory_mb: a job's memory; pixel_rate: assumed speed, million pixels per second.
    """
    if fixed is not None:
        return min(fixed, frames)
    by_time = int(minutes * 60 * pixel_rate * 1e6 / max(load.pixels, 1))
    free = memory_mb * 1e6 - BASE_MEMORY_MB * 1e6 - load.sum_bytes
    # Profiles are buffered for the whole chunk, frames only for a block.
    by_memory = int((free - min(BLOCK_BYTES, free / 2)) / max(load.result_bytes, 1))
    largest = max(1, min(by_time, by_memory, frames))
    jobs = -(-frames // largest)
    return -(-frames // jobs)  # jobs of equal length


def chunk_ranges(frames: int, per_chunk: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of each chunk, in order."""
    for start in range(0, frames, per_chunk):
        yield start, min(start + per_chunk, frames)


def stored_frames(per_chunk: int, bytes_per_frame: int) -> int:
    """Frames per stored (Zarr) chunk: a divisor of the job's frames, so that no two jobs share one."""
    wanted = max(1, min(per_chunk, STORED_CHUNK_BYTES // max(bytes_per_frame, 1)))
    return next(size for size in range(wanted, 0, -1) if per_chunk % size == 0)


def block_frames(per_chunk: int, raw_bytes: int) -> int:
    """Frames that a job reads at once."""
    return max(1, min(per_chunk, BLOCK_BYTES // max(raw_bytes, 1), 64))


def memory_estimate_mb(load: FrameLoad, per_chunk: int, weights_bytes: int) -> int:
    """Upper estimate of a chunk job's memory, MB."""
    block = block_frames(per_chunk, load.raw_bytes)
    # Reading may hold a block twice (compressed and decoded); arrays above a stored chunk are flushed early.
    frames = 2 * block * load.raw_bytes
    results = 2 * min(per_chunk * load.result_bytes, max(STORED_CHUNK_BYTES * 8, load.result_bytes))
    return int(BASE_MEMORY_MB + (frames + results + load.sum_bytes + weights_bytes) / 1e6)
