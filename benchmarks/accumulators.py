"""Variance and quantiles of every pixel over shots, frames of 704 x 768 in memory, one thread.

`python benchmarks/accumulators.py` runs these alone. Peers: numpy on all frames at once and frame by
frame, the faster counts; and generatorpipeline's accumulators, whose figures were measured on float64
frames of the same size on two such cores, and are not measured again here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
sys.path.insert(0, str(REPOSITORY / "scripts"))

import numpy as np  # noqa: E402

from benchmarks.data import FULL, Size  # noqa: E402
from benchmarks.measure import Contestant, Timing, measure  # noqa: E402
from benchmarks.results import Row, command_line, compare  # noqa: E402

SHAPE = (704, 768)
FRAMES = 64
PASSES = 4
"""How often those that stream see the frames: what starts and ends them counts as in 256 shots. Variances and
quantiles of frames that come again are those of the frames."""
FRACTIONS = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = (-5.0, 15.0, 100)
# Frames per second of generatorpipeline c6a9ec3.
PEER_VARIANCE, PEER_MEDIAN, PEER_CDF = 256.0, 13.8, 5.0


def simulated(shape: tuple[int, int], frames: int, dtype: str) -> np.ndarray:
    """Photons with noise."""
    rng = np.random.default_rng(0)
    noisy = rng.poisson(2.0, (frames, *shape)) + 0.1 * rng.normal(size=(frames, *shape))
    return noisy.astype(dtype)


def our_variance(shape: tuple[int, int], frames: int, dtype: str) -> Callable[[], Any]:
    """Chunks of 32 shots, as a job takes them."""
    from scatterflow.shots.moments import Variance

    data = simulated(shape, frames, dtype)

    def work() -> np.ndarray:
        variance = Variance()
        for _ in range(PASSES):
            for first in range(0, frames, 32):
                variance.update(data[first : first + 32])
        return variance.finalize().population_variance

    return work


def numpy_variance(shape: tuple[int, int], frames: int, dtype: str) -> Callable[[], Any]:
    """np.var of all frames."""
    data = simulated(shape, frames, dtype)
    return lambda: np.var(data, axis=0, dtype=np.float64)


def numpy_stream(shape: tuple[int, int], frames: int, dtype: str) -> Callable[[], Any]:
    """Welford's update, frame by frame, without temporary arrays."""
    data = simulated(shape, frames, dtype)

    def work() -> np.ndarray:
        mean, squares, step, change = (np.zeros(shape) for _ in range(4))
        for number, frame in enumerate(chain(*[data] * PASSES), start=1):
            np.subtract(frame, mean, out=step)
            np.divide(step, number, out=change)
            np.add(mean, change, out=mean)
            np.subtract(frame, mean, out=change)
            np.multiply(change, step, out=change)
            np.add(squares, change, out=squares)
        return squares / (PASSES * frames)

    return work


def our_quantiles(shape: tuple[int, int], frames: int, dtype: str) -> Callable[[], Any]:
    """Counts in bins, and the quantiles from them."""
    from scatterflow.shots.quantiles import linear_sketch

    data = simulated(shape, frames, dtype)

    def work() -> np.ndarray:
        sketch = linear_sketch(*BINS)
        for _ in range(PASSES):
            for first in range(0, frames, 32):
                sketch.update(data[first : first + 32])
        return sketch.finalize(FRACTIONS).quantile

    return work


def numpy_quantiles(shape: tuple[int, int], frames: int, dtype: str) -> Callable[[], Any]:
    """np.quantile of all frames."""
    data = simulated(shape, frames, dtype)
    return lambda: np.quantile(data, FRACTIONS, axis=0, method="inverted_cdf")


def figure(name: str, rate: float, rounds: int) -> Timing:
    """A rate in frames per second that was measured elsewhere."""
    return Timing(
        Contestant(name, _nothing, threads=1, arguments={}),
        None,
        [1 / rate] * rounds,
        [1 / rate] * rounds,
    )


def _nothing() -> None:
    raise RuntimeError("a figure is not measured")


def variance(size: Size = FULL) -> list[Row]:
    """Variance of every pixel."""
    rows = []
    for dtype in ("float64", "float32", "uint16"):
        found = _measured(
            size, {"ours": our_variance, "whole": numpy_variance, "stream": numpy_stream}, dtype
        )
        np.testing.assert_allclose(found["ours"].result, found["whole"].result, rtol=1e-9)
        title = f"Variance of every pixel over shots, 704 x 768 {dtype}"
        peers = [found["whole"], found["stream"]]
        rows.append(
            compare(
                title,
                "numpy, whole or frame by frame",
                found["ours"],
                peers,
                times="faster",
                goal=3,
            )
        )
        if dtype == "float64":
            peer = figure("generatorpipeline", PEER_VARIANCE, size.rounds)
            rows.append(
                compare(
                    title,
                    "generatorpipeline Variance (its figure)",
                    found["ours"],
                    peer,
                    times="faster",
                    goal=10,
                    note="256 frames/s, measured earlier",
                )
            )
    return rows


def quantiles(size: Size = FULL) -> list[Row]:
    """Five quantiles of every pixel, 100 bins."""
    found = _measured(size, {"ours": our_quantiles, "whole": numpy_quantiles}, "float64")
    ours, exact = found["ours"].result, found["whole"].result
    half = (BINS[1] - BINS[0]) / BINS[2] / 2
    if not np.all(np.abs(ours - exact) <= half * (1 + 1e-9)):
        raise RuntimeError("the quantiles differ by more than half a bin")
    title = "Five quantiles of every pixel over shots, 704 x 768 float64, 100 bins"
    rows = [compare(title, "numpy.quantile", found["ours"], found["whole"], times="faster", goal=3)]
    for what, rate in (("median", PEER_MEDIAN), ("11-point CDF", PEER_CDF)):
        rows.append(
            compare(
                title,
                f"generatorpipeline P2 {what} (its figure)",
                found["ours"],
                figure(what, rate, size.rounds),
                times="faster",
                goal=10,
                note=f"{rate:g} frames/s, measured earlier",
            )
        )
    return rows


def _measured(size: Size, work: dict[str, Callable[..., Any]], dtype: str) -> dict[str, Timing]:
    small = size is not FULL
    shape, frames = ((44, 48), 8) if small else (SHAPE, FRAMES)
    arguments = {"shape": shape, "frames": frames, "dtype": dtype}
    contestants = [
        Contestant(name, one, arguments, frames * (1 if name == "whole" else PASSES), 1)
        for name, one in work.items()
    ]
    return measure(contestants, size.rounds, processes=size.processes)


BENCHMARKS = {"shots-variance": variance, "shots-quantiles": quantiles}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
