"""Two-time correlation against BLAS alone: dense runs short and long, and sparse ones.

`python benchmarks/correlation_twotime.py [NAME ...]` runs these alone. Seconds are per dynamic bin. Ours
begins with stored counts in memory and ends with the normalised map, g2 with errors, windows, ages and
the variance over time; the peer does nothing but `ssyrk` on the same counts, already float32.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from benchmarks.data import FULL, Size
from benchmarks.measure import Contestant, measure
from benchmarks.results import Row, command_line, compare
from scatterflow.kernels.twotime import syrk
from scatterflow.xpcs.blocks import Block
from scatterflow.xpcs.twotime import TwoTimeSettings, correlate_bin

STATIC = 5
"""Static bins in each dynamic one."""
THREADS = 2
PEER = "ssyrk alone, per static bin, counts in memory as float32"
SETTINGS = TwoTimeSettings("static", ages=5, partial=5, chi4=False)


def dense_counts(frames: int, pixels: int, mean: float) -> np.ndarray:
    """Counts of one dynamic bin, (frames, pixels) uint8."""
    rng = np.random.default_rng(1)
    return rng.poisson(mean, (frames, pixels)).astype(np.uint8)


def sparse_block(frames: int, pixels: int, mean: float) -> Block:
    """Events of one dynamic bin, at most one photon a pixel and frame."""
    rng = np.random.default_rng(2)
    events = np.unique(rng.integers(0, frames * pixels, rng.poisson(frames * pixels * mean)))
    starts = np.searchsorted(events, np.arange(pixels + 1) * frames)
    frame = (events % frames).astype(np.int32)
    return Block(
        0, pixels, frames, "events", starts=starts, frame=frame, count=np.ones(len(frame), np.uint8)
    )


def block_of(form: str, frames: int, pixels: int, mean: float) -> Block:
    """One dynamic bin in the form in which it would be read."""
    if form == "events":
        return sparse_block(frames, pixels, mean)
    return Block(0, pixels, frames, "frames", values=dense_counts(frames, pixels, mean))


def groups(pixels: int) -> np.ndarray:
    """Static bin of each pixel."""
    return np.arange(pixels) * STATIC // pixels


def ours(
    form: str, frames: int, pixels: int, mean: float, bins: int, threads: int
) -> Callable[[], np.ndarray]:
    """All of the two-time correlation of `bins` dynamic bins; returns g2 of the last."""
    block = block_of(form, frames, pixels, mean)
    valid, scale = np.ones(frames, bool), np.ones(frames)

    def work() -> np.ndarray:
        for _ in range(bins):
            found = correlate_bin(block, groups(pixels), valid, scale, SETTINGS, 0, threads)
        return found.g2

    return work


def blas(form: str, frames: int, pixels: int, mean: float, bins: int) -> Callable[[], None]:
    """Products of the same counts, and nothing else."""
    block = block_of(form, frames, pixels, mean)
    if form == "events":
        values = np.zeros((frames, pixels), np.float32)
        values[block.frame, np.repeat(np.arange(pixels), np.diff(block.starts))] = block.count
    else:
        values = block.values
    edges = np.searchsorted(groups(pixels), np.arange(STATIC + 1))
    panels = [
        np.ascontiguousarray(values[:, first:last], np.float32) for first, last in pairwise(edges)
    ]
    del values
    out = np.empty((frames, frames), np.float32)

    def work() -> None:
        for _ in range(bins):
            for panel in panels:
                syrk(panel, out, False)

    return work


def check(g2: np.ndarray, form: str, frames: int, pixels: int, mean: float) -> None:
    """Uncorrelated counts have g2 = 1 within what so many pixels and pairs of frames leave to chance."""
    half = frames // 2
    noise = 1 / np.sqrt(pixels * mean**2 * half)
    if not np.all(np.abs(g2[1:half] - 1) < 6 * noise + 2 * STATIC / (pixels * mean)):
        raise RuntimeError(f"g2 of uncorrelated counts is off by {np.abs(g2[1:half] - 1).max()}")


def against_blas(
    title: str,
    case: dict[str, Any],
    bins: int,
    peer_bins: int,
    size: Size,
    goal: float,
    faster: bool,
) -> Row:
    """One case measured beside ssyrk on the same counts."""
    found = measure(
        [
            Contestant("ours", ours, {**case, "bins": bins, "threads": THREADS}, bins, THREADS),
            Contestant("ssyrk", blas, {**case, "bins": peer_bins}, peer_bins, THREADS),
        ],
        size.rounds,
        processes=size.processes,
    )
    check(found["ours"].result, **case)
    return compare(
        title,
        PEER,
        found["ours"],
        found["ssyrk"],
        times="faster" if faster else "longer",
        goal=goal,
        unit="bin",
        note=f"{bins} bins of {case['pixels']} pixels",
    )


def dense(size: Size = FULL) -> list[Row]:
    """512 x 512 x 2000 at 5 photons per pixel, nine bins."""
    frames, pixels = (2000, 21_667) if size is FULL else (60, 300)
    case = {"form": "frames", "frames": frames, "pixels": pixels, "mean": 5.0}
    title = f"Two-time, dense, {frames} frames, 5 photons/px"
    return [against_blas(title, case, 9, 9, size, 1.3, False)]


def long(size: Size = FULL) -> list[Row]:
    """10 000 frames."""
    frames, pixels = (10_000, 8000) if size is FULL else (70, 300)
    case = {"form": "frames", "frames": frames, "pixels": pixels, "mean": 1.0}
    title = f"Two-time, dense, {frames} frames, 1 photon/px"
    return [against_blas(title, case, 1, 1, size, 1.3, False)]


def sparse(size: Size = FULL) -> list[Row]:
    """1024 x 1024 x 5000 at 0.01 photons per pixel, nine bins."""
    frames, pixels = (5000, 86_574) if size is FULL else (80, 5000)
    case = {"form": "events", "frames": frames, "pixels": pixels, "mean": 0.01}
    title = f"Two-time, sparse, {frames} frames, 0.01 photons/px"
    return [against_blas(title, case, 9, 1, size, 10, True)]


BENCHMARKS = {"twotime-dense": dense, "twotime-long": long, "twotime-sparse": sparse}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
