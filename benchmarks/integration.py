"""Azimuthal integration against CHAP's loop, pyFAI's engines, the decoder and the memory.

`python benchmarks/integration.py [NAME ...]` runs these alone. Seconds are per frame.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np

from benchmarks import chap, engine
from benchmarks.data import FULL, Series, Size, eiger_series, pilatus_series
from benchmarks.measure import Contestant, Timing, measure
from benchmarks.prepared import DETECTOR, Prepared, chunk_job, configuration, prepare
from benchmarks.results import Row, command_line, compare

PEER_FRAMES = 4
METHODS = ("csr", "csc", "lut", "histogram")
CHAP = "CHAP's loop: pyFAI MultiGeometry and integrate_radial, frame by frame"


# Contestants: each is prepared once and returns the work ------------------------------------------


def read_frames(series: Series, frames: int) -> np.ndarray:
    """The first frames of an HDF5 series, one by one through the standard filter."""
    import h5py
    import hdf5plugin  # noqa: F401 (registers the filter)

    with h5py.File(series.raw / series.entry, "r", locking=False) as file:
        data = file["entry/data/data"]
        return np.stack([data[i] for i in range(frames)])


def our_memory(
    prepared: Prepared, series: Series, frames: int, threads: int
) -> Callable[[], engine.FirstBlock]:
    """The engine alone, frames in memory."""
    stack = read_frames(series, frames)
    work = engine.work_of(prepared)
    return lambda: engine.integrate_memory(stack, work, threads)


def our_source(prepared: Prepared, frames: int, threads: int) -> Callable[[], engine.FirstBlock]:
    """Read, decode and integrate; nothing is written."""
    source = engine.source_of(prepared)
    work = engine.work_of(prepared)
    return lambda: engine.integrate_source(source, frames, work, threads)


def our_job(prepared: Prepared, frames: int, threads: int) -> Callable[[], None]:
    """The whole chunk job: read, integrate, sum frames, write the container and its checksums."""
    return chunk_job(prepared, 0, frames, threads)


def our_reader(prepared: Prepared, frames: int) -> Callable[[], None]:
    """The job's reading alone."""
    source = engine.source_of(prepared)

    def work() -> None:
        for first in range(0, frames, engine.BLOCK):
            source.read(DETECTOR, first, min(first + engine.BLOCK, frames))

    return work


def multi_geometry(series: Series, bins: int, frames: int) -> Callable[[], dict[str, np.ndarray]]:
    """pyFAI's MultiGeometry with variances, frames in memory."""
    stack = read_frames(series, frames)
    integrate = chap.integrate_1d(series, bins, "poisson")
    return lambda: _intensity_and_sigma([integrate(frame) for frame in stack])


def fastest_method(series: Series, bins: int, frames: int) -> Callable[[], dict[str, Any]]:
    """pyFAI's `integrate1d` with variances, in the quickest of its CPU engines for this detector."""
    stack = read_frames(series, frames)
    mask = (~series.good()).astype(np.int8)
    turns = {}
    for method in METHODS:
        integrator = chap.integrator(series)

        def work(integrator: Any = integrator, method: str = method) -> dict[str, Any]:
            found = [
                integrator.integrate1d(
                    frame,
                    bins,
                    mask=mask,
                    unit=chap.UNIT,
                    radial_range=chap.radial_range(series),
                    azimuth_range=chap.AZIMUTHS,
                    method=("bbox", method, "cython"),
                    error_model="poisson",
                )
                for frame in stack
            ]
            return {**_intensity_and_sigma(found), "method": method}

        turns[method] = work
    return turns[_quickest(turns)]


def _quickest(turns: dict[str, Callable[[], Any]]) -> str:
    from benchmarks.measure import timed

    for work in turns.values():  # tables are made
        work()
    tried = {name: min(timed(work)[0] for _ in range(3)) for name, work in turns.items()}
    return min(tried, key=lambda name: tried[name])


def _intensity_and_sigma(results: list[Any]) -> dict[str, np.ndarray]:
    return {
        "azimuthal": np.asarray([result.intensity for result in results], np.float64),
        "sigma": np.asarray([result.sigma for result in results], np.float64),
    }


def chap_hdf5(
    series: Series, bins: tuple[int, int, int], frames: int
) -> Callable[[], dict[str, np.ndarray]]:
    """CHAP's loop over an HDF5 series, reading included."""
    integrate = chap.three_integrations(series, bins)
    return lambda: integrate(read_frames(series, frames))


def chap_files(
    series: Series, bins: tuple[int, int, int], frames: int
) -> Callable[[], dict[str, np.ndarray]]:
    """CHAP's loop over one image file a frame, reading included."""
    import fabio

    integrate = chap.three_integrations(series, bins)
    pattern = series.source["frames"]["area"]
    paths = [series.raw / pattern.format(raw=series.entry, frame=i) for i in range(frames)]

    def work() -> dict[str, np.ndarray]:
        frames = []
        for path in paths:
            with fabio.open(str(path)) as image:
                frames.append(image.data)
        return integrate(np.stack(frames))

    return work


def decode(series: Series, frames: int) -> Callable[[], None]:
    """h5py and the standard filter read every frame, nothing else."""
    import h5py
    import hdf5plugin  # noqa: F401

    file = h5py.File(series.raw / series.entry, "r", locking=False)
    data = file["entry/data/data"]
    frame = np.empty(series.shape, series.dtype)

    def work() -> None:
        for i in range(frames):
            data.read_direct(frame, np.s_[i])

    return work


def memory_read(series: Series, frames: int) -> Callable[[], None]:
    """numpy reads the decoded bytes once, as 64-bit integers."""
    words = _words(series, frames)
    return lambda: words.sum() and None


def memory_copy(series: Series, frames: int) -> Callable[[], None]:
    """numpy copies the decoded bytes."""
    words = _words(series, frames)
    copy = np.empty_like(words)
    return lambda: np.copyto(copy, words)


def _words(series: Series, frames: int) -> np.ndarray:
    stack = read_frames(series, frames).reshape(-1)
    return stack[: stack.size // 2 * 2].view(np.uint64)


# Benchmarks ---------------------------------------------------------------------------------------


@contextmanager
def prepared_series(
    size: Size, series: Series, names: tuple[str, ...], chunk_frames: int
) -> Iterator[Prepared]:
    """Mask, weights and container of a series, in a folder that goes away."""
    size.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=size.cache, prefix=".prepared-") as name:
        folder = Path(name)
        settings = configuration(series, folder, size.bins, names=names, chunk_frames=chunk_frames)
        yield prepare(settings, folder)


def profiles_in_memory(size: Size = FULL) -> list[Row]:
    """1-D with bounding-box splitting and Poisson variance, frames in memory, one thread."""
    series = eiger_series(size)
    ours, theirs = min(32, series.frames), min(PEER_FRAMES, series.frames)
    with prepared_series(size, series, ("azimuthal",), series.frames) as prepared:
        peer = {"series": series, "bins": size.bins[0], "frames": theirs}
        memory = {"series": series, "frames": ours}
        found = measure(
            [
                Contestant(
                    "ours",
                    our_memory,
                    {"prepared": prepared, "series": series, "frames": ours, "threads": 1},
                    ours,
                    1,
                ),
                Contestant("MultiGeometry", multi_geometry, peer, theirs, 1),
                Contestant("fastest", fastest_method, peer, theirs, 1),
                Contestant("read", memory_read, memory, ours, 1),
                Contestant("copy", memory_copy, memory, ours, 1),
            ],
            size.rounds,
            processes=size.processes,
        )
    for name in ("MultiGeometry", "fastest"):
        per_steradian = name == "MultiGeometry"
        same_profiles(found["ours"], found[name], series, per_steradian=per_steradian)
    method = found["fastest"].result["method"]
    title = "Eiger 4M: 1-D with splitting and variance, frames in memory"
    mine = found["ours"]
    return [
        compare(
            title,
            "pyFAI MultiGeometry.integrate1d per frame",
            mine,
            found["MultiGeometry"],
            times="faster",
            goal=25,
        ),
        compare(
            title,
            "pyFAI integrate1d per frame, its fastest CPU engine",
            mine,
            found["fastest"],
            times="faster",
            note=f"engine {method}, of {', '.join(METHODS)}",
        ),
        compare(
            title, "numpy sum of the same bytes (memory read)", mine, found["read"], times="longer"
        ),
        compare(title, "numpy copy of the same bytes", mine, found["copy"], times="longer"),
    ]


def same_profiles(ours: Timing, peer: Timing, series: Series, *, per_steradian: bool) -> None:
    """Raise AssertionError where the peer's intensities or sigmas are not ours."""
    _, variance, normalisation = ours.result.named()["azimuthal"]
    scaled = ("azimuthal",) if per_steradian else ()
    intensity = {"azimuthal": peer.result["azimuthal"]}
    chap.same_intensities(ours.result.named(), intensity, series, per_steradian=scaled)
    sigma = {"azimuthal": peer.result["sigma"]}
    errors = {"azimuthal": (np.sqrt(variance), variance, normalisation)}
    chap.same_intensities(errors, sigma, series, per_steradian=scaled)


def eiger_three_integrations(size: Size = FULL) -> list[Row]:
    """1-D, cake and radial from bslz4 HDF5, two threads."""
    series = eiger_series(size)
    frames, theirs = series.frames, min(PEER_FRAMES, series.frames)
    names = ("azimuthal", "cake", "radial")
    with prepared_series(size, series, names, frames) as prepared:
        peer = {"series": series, "bins": size.bins, "frames": theirs}
        mine = {"prepared": prepared, "frames": frames, "threads": 2}
        memory = {"series": series, "frames": min(32, frames)}
        found = measure(
            [
                Contestant("ours", our_source, mine, frames, 2),
                Contestant("job", our_job, mine, frames, 2),
                Contestant("CHAP, default threads", chap_hdf5, peer, theirs, None),
                Contestant("CHAP, one thread", chap_hdf5, peer, theirs, 1),
                Contestant("decode", decode, {"series": series, "frames": frames}, frames, 1),
                Contestant("read", memory_read, memory, memory["frames"], 1),
            ],
            size.rounds,
            processes=size.processes,
        )
    peers = [found["CHAP, default threads"], found["CHAP, one thread"]]
    chap.same_intensities(found["ours"].result.named(), peers[0].result, series)
    rows = []
    for name, title in (
        ("ours", "Eiger 4M bslz4 HDF5: 1-D, cake, radial (read, decode, integrate)"),
        ("job", "Eiger 4M bslz4 HDF5: 1-D, cake, radial (whole chunk job)"),
    ):
        own = found[name]
        rows += [
            compare(title, CHAP, own, peers, times="faster", goal=15),
            compare(
                title,
                "decoding alone with the standard filter (h5py)",
                own,
                found["decode"],
                times="longer",
                goal=1.5,
            ),
            compare(
                title,
                "numpy sum of the decoded bytes (memory read)",
                own,
                found["read"],
                times="longer",
            ),
        ]
    return rows


def pilatus_files(kind: str, size: Size = FULL) -> list[Row]:
    """1-D, cake and radial of a file series, whole chunk job."""
    series = pilatus_series(kind, size)
    frames, theirs = series.frames, min(40, series.frames)
    names = ("azimuthal", "cake", "radial")
    with prepared_series(size, series, names, frames) as prepared:
        peer = {"series": series, "bins": size.bins, "frames": theirs}
        mine = {"prepared": prepared, "frames": frames, "threads": 2}
        found = measure(
            [
                Contestant("ours", our_source, mine, frames, 2),
                Contestant("job", our_job, mine, frames, 2),
                Contestant(
                    "reader", our_reader, {"prepared": prepared, "frames": frames}, frames, 1
                ),
                Contestant("CHAP, default threads", chap_files, peer, theirs, None),
                Contestant("CHAP, one thread", chap_files, peer, theirs, 1),
            ],
            size.rounds,
            processes=size.processes,
        )
    peers = [found["CHAP, default threads"], found["CHAP, one thread"]]
    chap.same_intensities(found["ours"].result.named(), peers[0].result, series)
    rows = []
    for name, what in (("ours", "read, integrate"), ("job", "whole chunk job")):
        share = found["reader"].seconds / found[name].seconds
        rows.append(
            compare(
                f"Pilatus 300k {kind.upper()} series: 1-D, cake, radial ({what})",
                CHAP,
                found[name],
                peers,
                times="faster",
                goal=10,
                note=f"reading alone takes {100 * share:.0f} % of our time",
                # Whatever follows the reader cannot make it ten times faster.
                excused=share > 0.5,
            )
        )
    return rows


def pilatus_tiff(size: Size = FULL) -> list[Row]:
    """TIFF files."""
    return pilatus_files("tif", size)


def pilatus_cbf(size: Size = FULL) -> list[Row]:
    """CBF files."""
    return pilatus_files("cbf", size)


BENCHMARKS = {
    "profiles-in-memory": profiles_in_memory,
    "eiger-three-integrations": eiger_three_integrations,
    "pilatus-tiff": pilatus_tiff,
    "pilatus-cbf": pilatus_cbf,
}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
