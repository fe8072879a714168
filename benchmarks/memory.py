"""Peak memory of jobs: of a chunk job against its bound, of the assembly of a long run against a short one.

`python benchmarks/memory.py` runs these alone. Each job runs in a fresh process; its peak is the largest
resident memory that the kernel saw, mapped weights included.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from benchmarks.data import FULL, Size, eiger_series
from benchmarks.integration import our_job, prepared_series
from benchmarks.measure import Contestant, measure
from benchmarks.prepared import Prepared, assembly
from benchmarks.results import Row, command_line, machine

NAMES = ("azimuthal", "cake", "radial")
BASE_MB = 500


def peak_mb() -> float:
    """Largest resident memory of this process so far, MB. `ru_maxrss` would count the parent's, too."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def chunk_peak(prepared: Prepared, frames: int, threads: int) -> Callable[[], float]:
    """Peak of a chunk job."""
    job = our_job(prepared, frames, threads)

    def work() -> float:
        job()
        return peak_mb()

    return work


def assembly_peak(prepared: Prepared) -> Callable[[], float]:
    """Peak of the assembly."""
    job = assembly(prepared)

    def work() -> float:
        job()
        return peak_mb()

    return work


def memory(size: Size = FULL) -> list[Row]:
    """Eiger 4M, three integrations: chunk jobs with two threads, assembly."""
    peaks = {}
    for frames in (size.eiger_frames, 3 * size.eiger_frames):
        series = eiger_series(size, frames)
        with prepared_series(size, series, NAMES, frames) as prepared:
            weights = sum(Path(path).stat().st_size for path in prepared.weights.values()) / 1e6
            job = {"prepared": prepared, "frames": frames, "threads": 2}
            chunk = Contestant("chunk", chunk_peak, job, threads=2)
            found = measure([chunk], 0, processes=size.processes)
            peaks["chunk", frames] = found["chunk"].result
            whole = Contestant("assembly", assembly_peak, {"prepared": prepared}, threads=1)
            found = measure([whole], 0, processes=size.processes)
            peaks["assembly", frames] = found["assembly"].result
    short, long = size.eiger_frames, 3 * size.eiger_frames
    raw = short * eiger_series(size).bytes_per_frame / 1e6
    limit = 2 * raw + weights + BASE_MB
    return [
        _row(
            f"Peak memory of a chunk job, {short} Eiger 4M frames",
            "2 x the chunk's raw bytes + weights + 500 MB",
            peaks["chunk", short],
            limit,
            1.0,
        ),
        _row(
            f"Peak memory of a chunk job, {long} Eiger 4M frames",
            f"of {short} frames",
            peaks["chunk", long],
            peaks["chunk", short],
            None,
        ),
        _row(
            f"Peak memory of assembling {long} frames",
            f"of {short} frames",
            peaks["assembly", long],
            peaks["assembly", short],
            None,
        ),
    ]


def _row(benchmark: str, against: str, ours: float, limit: float, goal: float | None) -> Row:
    ratio = float(f"{ours / limit:.4g}")
    return Row(
        benchmark=benchmark,
        against=against,
        ratio=ratio,
        goal=None if goal is None else f"<= {goal:g}",
        met=None if goal is None else ratio <= goal,
        seconds=None,
        peer_seconds=None,
        machine=machine(),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        spread=(ratio, ratio),
        cpu_seconds=None,
        peer_cpu_seconds=None,
        unit="job",
        note=f"{ours:.0f} MB and {limit:.0f} MB",
    )


BENCHMARKS = {"memory": memory}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
