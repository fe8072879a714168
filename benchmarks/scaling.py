"""How time grows with frames, pixels, bins, threads and photons; the curves of images/scaling.png.

`python benchmarks/scaling.py [NAME ...]` runs these alone. Each point is a row of its own, ours against the
peer in the same run; what grows with the number of jobs is measured by scheduling.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from benchmarks import correlation, integration
from benchmarks.data import FULL, Size, eiger_series
from benchmarks.measure import Contestant, measure
from benchmarks.results import Row, command_line, compare

PYFAI = "pyFAI integrate1d per frame, its fastest CPU engine"
DECODER = "decoding alone with the standard filter (h5py)"
MEMORY = "numpy sum of the same bytes (memory read)"
SHAPES = ((195, 487), (619, 487), (1065, 1030), (2167, 2070), (4371, 4150))
BINS = (100, 300, 1_000, 3_000, 10_000)
FRAMES = (16, 64, 256, 1_024)
RUN_LENGTHS = (250, 500, 1_000, 2_000, 4_000, 8_000)
PHOTONS = (0.001, 0.003, 0.01, 0.03)
ROUNDS = 3


def pixels(size: Size = FULL) -> list[Row]:
    """1-D integration of detectors from 0.1 to 18 million pixels, frames in memory."""
    shapes = SHAPES if size is FULL else ((20, 30), (40, 30))
    return [
        row
        for shape in shapes
        for row in _profiles(
            replace(size, eiger=shape), "pixels", shape[0] * shape[1], f"{shape[0]} x {shape[1]}"
        )
    ]


def bins(size: Size = FULL) -> list[Row]:
    """1-D integration of a million pixels into 100 to 10 000 bins, frames in memory."""
    numbers = BINS if size is FULL else (10, 20)
    shape = SHAPES[2] if size is FULL else (40, 30)
    return [
        row
        for number in numbers
        for row in _profiles(
            replace(size, eiger=shape, bins=(number, *size.bins[1:])),
            "bins",
            number,
            f"{number} bins",
        )
    ]


def _profiles(size: Size, curve: str, at: float, title: str) -> list[Row]:
    # Enough for whole blocks of the engine, which takes frames together.
    series = eiger_series(size, 32 if size.eiger_frames == FULL.eiger_frames else 2)
    frames, theirs = series.frames, min(2, series.frames)
    with integration.prepared_series(size, series, ("azimuthal",), frames) as prepared:
        mine = {"prepared": prepared, "series": series, "frames": frames, "threads": 1}
        peer = {"series": series, "bins": size.bins[0], "frames": theirs}
        found = measure(
            [
                Contestant("ours", integration.our_memory, mine, frames, 1),
                Contestant("peer", integration.fastest_method, peer, theirs, 1),
            ],
            min(ROUNDS, size.rounds),
            processes=size.processes,
        )
    integration.same_profiles(found["ours"], found["peer"], series, per_steradian=False)
    row = compare(f"1-D of {title}", PYFAI, found["ours"], found["peer"], times="faster")
    return [replace(row, curve=curve, at=at)]


def frames(size: Size = FULL) -> list[Row]:
    """Chunk jobs of 16 to 1024 frames of 0.3 million pixels: what is fixed in a job is shared."""
    numbers = FRAMES if size is FULL else (2, 4)
    small = replace(size, eiger=SHAPES[1] if size is FULL else (40, 30))
    return [
        replace(row, curve="frames", at=number)
        for number in numbers
        for row in _job(small, number, 1, f"Chunk job of {number} frames of 0.3 million pixels")
    ]


def threads(size: Size = FULL) -> list[Row]:
    """A chunk job of Eiger 4M frames on one thread, two, and so on to all cores."""
    cores = len(os.sched_getaffinity(0))
    numbers = [number for number in (1, 2, 4, 8, 16, 32, 64) if number <= cores]
    return [
        replace(row, curve="threads", at=number)
        for number in numbers
        for row in _job(size, size.eiger_frames, number, f"Chunk job of Eiger 4M, {number} threads")
    ]


def _job(size: Size, number: int, threads: int, title: str) -> list[Row]:
    series = eiger_series(size, number)
    names = ("azimuthal", "cake", "radial")
    with integration.prepared_series(size, series, names, number) as prepared:
        mine = {"prepared": prepared, "frames": number, "threads": threads}
        found = measure(
            [
                Contestant("ours", integration.our_job, mine, number, threads),
                Contestant(
                    "peer", integration.decode, {"series": series, "frames": number}, number, 1
                ),
            ],
            min(ROUNDS, size.rounds),
            processes=size.processes,
        )
    return [compare(title, DECODER, found["ours"], found["peer"], times="longer")]


def run_length(size: Size = FULL) -> list[Row]:
    """Multi-tau of 250 to 8000 dense frames: seconds a frame grow with the number of levels at most."""
    numbers = RUN_LENGTHS if size is FULL else (60, 120)
    shape = (256, 256) if size is FULL else (40, 40)
    cases = [
        (number, correlation.Case(f"Multi-tau of {number} frames", shape, number, 5.0, 0))
        for number in numbers
    ]
    return _correlated(cases, "run length", size)


def photons(size: Size = FULL) -> list[Row]:
    """Multi-tau of events, 0.001 to 0.03 photons a pixel and frame: time goes with photons, not pixels."""
    numbers = PHOTONS if size is FULL else (0.01, 0.03)
    shape, length = ((512, 512), 5_000) if size is FULL else ((40, 50), 300)
    cases = [
        (number, correlation.Case(f"Multi-tau, {number:g} photons/px", shape, length, number, 0))
        for number in numbers
    ]
    return _correlated(cases, "photons", size)


def _correlated(
    cases: Sequence[tuple[float, correlation.Case]], curve: str, size: Size
) -> list[Row]:
    rows = []
    size.cache.mkdir(parents=True, exist_ok=True)
    for at, case in cases:
        with tempfile.TemporaryDirectory(dir=size.cache, prefix=".scaling-") as name:
            mine = {
                "case": case,
                "threads": correlation.THREADS,
                "folder": Path(name),
                "with_sort": True,
            }
            found = measure(
                [
                    Contestant("ours", correlation.ours, mine, case.frames, correlation.THREADS),
                    Contestant("peer", correlation.memory, {"case": case}, case.frames, 1),
                ],
                min(ROUNDS, size.rounds),
                processes=size.processes,
            )
        title = f"{case.title} (sort, correlate)"
        row = compare(title, MEMORY, found["ours"], found["peer"], times="longer")
        rows.append(replace(row, curve=curve, at=at))
    return rows


BENCHMARKS = {
    "scaling-pixels": pixels,
    "scaling-bins": bins,
    "scaling-frames": frames,
    "scaling-threads": threads,
    "scaling-run-length": run_length,
    "scaling-photons": photons,
}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
