"""Multi-tau: dense runs of two sizes and a sparse one, against scikit-beam and the memory.

`python benchmarks/correlation.py [NAME ...]` runs these alone. Seconds are per frame. Ours begins with raw
frames (or events) in memory: `kernel` makes the sums of all pixels from sorted blocks in memory, `correlate`
reads these and goes on to g2 with its errors, `sort, correlate` goes through the chunk's file as the
workflow does. scikit-beam takes the frames from memory and gives g2 without errors; of long runs it is given
the first frames only. The peer is read from
benchmarks/cache/peers, beside the packages of .venv:

    uv pip install --python .venv/bin/python --target benchmarks/cache/peers scikit-beam

Without it (or with one that does not run) its rows are left out. boost_corr needs Python 3.12 and torch,
whose wheels from the package index bring a GPU's libraries: it is not measured here.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from benchmarks.data import FULL, UNIQUE_FRAMES, Size
from benchmarks.measure import Contestant, Timing, measure
from benchmarks.results import Row, command_line, compare
from scatterflow.detectors.qmap import Partition, QMap, make_qmap
from scatterflow.frame_range import FrameRange
from scatterflow.kernels.lags import multitau_lags
from scatterflow.sources.base import DetectorInfo
from scatterflow.sources.events import Events
from scatterflow.xpcs.blocks import read_positions
from scatterflow.xpcs.correlate import correlate_block
from scatterflow.xpcs.merge import merge_blocks
from scatterflow.xpcs.multitau_file import write_block_sums
from scatterflow.xpcs.preprocess import Preprocessing
from scatterflow.xpcs.sort import sort_chunk

THREADS = 2
DYNAMIC, STATIC = 9, 5
"""Rings, and static ones in each."""
PEERS = Path(__file__).parent / "cache" / "peers"
PEER = "scikit-beam multi_tau_auto_corr"


@dataclass(frozen=True)
class Case:
    """A run: shape, frames, mean photons per pixel and frame; peer_frames: that the peer is given."""

    title: str
    shape: tuple[int, int]
    frames: int
    mean: float
    peer_frames: int

    @property
    def sparse(self) -> bool:
        """Whether its raw data are events."""
        return self.mean < 0.1


class InMemory:
    """A source whose frames, or events, are in memory."""

    def __init__(self, case: Case) -> None:
        rng = np.random.default_rng(1)
        self.frames, self.case = case.frames, case
        self.detectors = {"area": DetectorInfo(case.shape, np.dtype("u2"))}
        pixels = case.shape[0] * case.shape[1]
        if not case.sparse:
            # To draw all of them would take longer than all that is measured.
            drawn = rng.poisson(case.mean, (UNIQUE_FRAMES, *case.shape)).astype(np.uint16)
            self.raw = drawn[rng.integers(0, UNIQUE_FRAMES, case.frames)]
            return
        drawn = [
            np.unique(rng.integers(0, pixels, number)) + frame * pixels
            for frame, number in enumerate(rng.poisson(pixels * case.mean, case.frames))
        ]
        self.places = np.concatenate(drawn)

    def read(self, detector: str, start: int, stop: int) -> np.ndarray:
        """Dense frames."""
        if not self.case.sparse:
            return self.raw[start:stop]
        found = self.events(detector, start, stop)
        assert found is not None
        frames = np.zeros((stop - start, *self.case.shape), np.uint16)
        frames.reshape(stop - start, -1)[found.frame, found.pixel] = found.count
        return frames

    def events(self, detector: str, start: int, stop: int) -> Events | None:
        """Events of some frames."""
        if not self.case.sparse:
            return None
        pixels = self.case.shape[0] * self.case.shape[1]
        first, last = np.searchsorted(self.places, [start * pixels, stop * pixels])
        frame, pixel = np.divmod(self.places[first:last], pixels)
        return Events(frame - start, pixel, np.ones(frame.size, np.uint32))

    def encoded(self, detector: str, start: int, stop: int) -> None:
        """Nothing is compressed."""

    def files(self, *_: Any) -> list[Path]:
        """Nothing is on disk."""
        return []


def rings(shape: tuple[int, int]) -> QMap:
    """Rings about the middle, all pixels within the largest circle."""
    rows, columns = np.indices(shape)
    radius = np.hypot(rows - shape[0] / 2 + 0.5, columns - shape[1] / 2 + 0.5)
    edges = np.linspace(0.04 * shape[0], 0.5 * shape[0], DYNAMIC * STATIC + 1)
    static = np.digitize(radius, edges)
    static[static > DYNAMIC * STATIC] = 0

    def partition(numbers: np.ndarray) -> Partition:
        bins = int(numbers.max())
        centres = np.arange(1.0, bins + 1)
        return Partition(
            numbers.astype(np.uint32), np.arange(bins), centres[:, None], (bins, 1), (centres,)
        )

    dynamic = (static + STATIC - 1) // STATIC
    good = np.ones(shape, bool)
    return make_qmap(partition(dynamic), partition(static), good, ("q",), ("1/nm",), {}, "rings")


def sort(source: InMemory, qmap: QMap, folder: Path, threads: int) -> Path:
    """The whole run as one sorted chunk."""
    path, frames = folder / "sorted.h5", source.case.frames
    sort_chunk(
        source, "area", FrameRange(0, frames, 1, 1), 0, frames, qmap, Preprocessing({}), path,
        blocks=8, threads=threads,
    )  # fmt: skip
    return path


def correlate(path: Path, qmap: QMap, frames: int, folder: Path, threads: int) -> np.ndarray:
    """g2 of a sorted run, (T, Nd), block by block."""
    valid, lags = np.ones(frames, bool), multitau_lags(frames, 4)
    edges = np.linspace(0, qmap.pixels.size, 9).astype(int)
    paths = []
    for number in range(8):
        block = read_positions([path], edges[number], edges[number + 1])
        sums = correlate_block(block, valid, None, lags, threads)
        paths.append(folder / f"{number}.h5")
        write_block_sums(paths[-1], sums, {})
    return merge_blocks(paths, qmap, "dynamic_bins", valid, threads=threads).g2


def ours(case: Case, threads: int, folder: Path, with_sort: bool) -> Callable[[], np.ndarray]:
    """From raw (or sorted) data to g2."""
    source, qmap = InMemory(case), rings(case.shape)
    path = sort(source, qmap, folder, threads)

    def work() -> np.ndarray:
        own = sort(source, qmap, folder, threads) if with_sort else path
        return correlate(own, qmap, case.frames, folder, threads)

    return work


def kernel(case: Case, threads: int, folder: Path) -> Callable[[], None]:
    """The kernel alone, over all sorted blocks in memory."""
    source, qmap = InMemory(case), rings(case.shape)
    path = sort(source, qmap, folder, threads)
    edges = np.linspace(0, qmap.pixels.size, 9).astype(int)
    blocks = [read_positions([path], edges[b], edges[b + 1]) for b in range(8)]
    valid, lags = np.ones(case.frames, bool), multitau_lags(case.frames, 4)

    def work() -> None:
        for block in blocks:
            correlate_block(block, valid, None, lags, threads)

    return work


def memory(case: Case) -> Callable[[], None]:
    """numpy reads the pixels of the q-map once: of frames one byte a pixel, of events five."""
    pixels = rings(case.shape).pixels.size * case.frames
    number = int(5 * case.mean * pixels) if case.sparse else pixels
    words = np.ones(number // 8, np.uint64)
    return lambda: words.sum() and None


def scikit_beam(case: Case) -> Callable[[], np.ndarray]:
    """The peer, over the first frames."""
    sys.path.append(str(PEERS))
    from skbeam.core.correlation import multi_tau_auto_corr

    images = InMemory(case).read("area", 0, case.peer_frames)
    labels = rings(case.shape).dynamic.astype(np.int64)
    levels = int(multitau_lags(case.frames, 4).level[-1]) + 1

    def work() -> np.ndarray:
        return multi_tau_auto_corr(levels, 8, labels, images)[0]

    return work


def check(peer: Timing, case: Case) -> None:
    """The peer's g2 of the first frames is ours, at the delays of single frames."""
    qmap = rings(case.shape)
    values = InMemory(case).read("area", 0, case.peer_frames).reshape(case.peer_frames, -1)
    counts = np.ascontiguousarray(values[:, qmap.pixels]).astype(float)
    of_bin = [counts[:, qmap.dynamic_of_position == d] for d in range(DYNAMIC)]
    for lag in range(1, 8):
        own = [
            (bin_[:-lag] * bin_[lag:]).mean() / bin_[:-lag].mean() / bin_[lag:].mean()
            for bin_ in of_bin
        ]
        np.testing.assert_allclose(peer.result[lag], own, rtol=1e-6)


def has_peer() -> bool:
    """Whether scikit-beam is there and runs."""
    sys.path.append(str(PEERS))
    try:
        import skbeam.core.correlation  # noqa: F401
    except ImportError as error:
        print(f"without scikit-beam: {error}", file=sys.stderr)
        return False
    finally:
        sys.path.remove(str(PEERS))
    return True


def _contestants(case: Case, folders: list[Path]) -> list[Contestant]:
    mine = [{"case": case, "threads": THREADS, "folder": folder} for folder in folders]
    contestants = [
        Contestant("correlate", ours, {**mine[0], "with_sort": False}, case.frames, THREADS),
        Contestant("sort, correlate", ours, {**mine[1], "with_sort": True}, case.frames, THREADS),
        Contestant("kernel", kernel, mine[2], case.frames, THREADS),
        Contestant("read", memory, {"case": case}, case.frames, 1),
    ]
    if has_peer():
        contestants.append(Contestant("peer", scikit_beam, {"case": case}, case.peer_frames, 1))
    return contestants


def compared(case: Case, goal: float, size: Size) -> list[Row]:
    """All rows of one case."""
    size.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=size.cache, prefix=".correlation-") as name:
        folders = [Path(name) / str(number) for number in range(3)]
        for folder in folders:
            folder.mkdir()
        found = measure(_contestants(case, folders), size.rounds, processes=size.processes)
    np.testing.assert_array_equal(found["correlate"].result, found["sort, correlate"].result)
    rows = []
    if "peer" in found:
        check(found["peer"], case)
        note = f"peer over {case.peer_frames} of {case.frames} frames"
        for name, own_goal in (("kernel", goal), ("correlate", None), ("sort, correlate", goal)):
            title = f"{case.title} ({name})"
            rows.append(
                compare(
                    title,
                    PEER,
                    found[name],
                    found["peer"],
                    times="faster",
                    goal=own_goal,
                    note=note,
                )
            )
    for name in ("kernel", "correlate", "sort, correlate"):
        title, against = f"{case.title} ({name})", "numpy sum of the same bytes (memory read)"
        rows.append(compare(title, against, found[name], found["read"], times="longer"))
    return rows


def dense(size: Size = FULL) -> list[Row]:
    """512 x 512, 2000 frames, 5 photons per pixel."""
    case = Case("Multi-tau, 512 x 512 x 2000, 5 photons/px", (512, 512), 2000, 5.0, 100)
    if size is not FULL:
        case = Case("Multi-tau, small", (40, 40), 60, 5.0, 30)
    return compared(case, 80, size)


def large(size: Size = FULL) -> list[Row]:
    """A million pixels, 1000 frames, 1 photon per pixel."""
    case = Case("Multi-tau, 1030 x 1030 x 1000, 1 photon/px", (1030, 1030), 1000, 1.0, 30)
    if size is not FULL:
        case = Case("Multi-tau, small, 1 photon/px", (40, 50), 60, 1.0, 30)
    return compared(case, 80, size)


def sparse(size: Size = FULL) -> list[Row]:
    """1024 x 1024, 5000 frames, 0.01 photons per pixel, as events."""
    case = Case("Multi-tau, 1024 x 1024 x 5000, 0.01 photons/px", (1024, 1024), 5000, 0.01, 30)
    if size is not FULL:
        case = Case("Multi-tau, small, 0.01 photons/px", (40, 50), 300, 0.01, 100)
    return compared(case, 150, size)


BENCHMARKS = {"multitau-dense": dense, "multitau-large": large, "multitau-sparse": sparse}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
