"""The stop-watch: contestants timed by turns, each in a fresh process of its own.

A contestant is prepared once (imports, tables, opened files), does its work once unmeasured (compiled code
is loaded, files are in the page cache; this result is what is compared), and is then timed round by
round. In each round every contestant has its turn, one at a time, so that whatever else the machine does
meets all alike; a ratio is the median of the rounds' ratios, its spread the lowest and the highest. Wall
seconds compare programs; CPU seconds beside them show what the machine took away.

The number of threads is fixed through the environment before anything is imported (OMP_NUM_THREADS and
its like); None leaves each library its own choice.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
)  # fmt: skip
ROUNDS = 5


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    prepare: module-level function; called with `arguments` it returns the work, a function without arguments
    whose result can be pickled. units: what its seconds are divided by (frames). threads: as above.
    """

    name: str
    prepare: Callable[..., Callable[[], Any]]
    arguments: dict[str, Any]
    units: float = 1
    threads: int | None = None


@dataclass(frozen=True)
class Timing:
    """Seconds per unit of each round, wall and CPU, and the result of the unmeasured first turn."""

    contestant: Contestant
    result: Any
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Median wall seconds per unit."""
        return median(self.wall)

    @property
    def cpu_seconds(self) -> float:
        """Median CPU seconds per unit, all threads and child processes."""
        return median(self.cpu)


def measure(
    contestants: Sequence[Contestant], rounds: int = ROUNDS, *, processes: bool = True
) -> dict[str, Timing]:
    """Time all contestants by turns; returns their timings by name.

    processes: each in a fresh process (False: all in this one, with its threads, for tests).
    Raises RuntimeError with the contestant's traceback if one fails.
    """
    with ExitStack() as stack:
        start = fresh_process if processes else this_process
        turns = [stack.enter_context(start(contestant)) for contestant in contestants]
        timings = [
            Timing(contestant, turn()[2])
            for contestant, turn in zip(contestants, turns, strict=True)
        ]
        for _ in range(rounds):
            for timing, turn in zip(timings, turns, strict=True):
                wall, cpu, _ = turn()
                timing.wall.append(wall / timing.contestant.units)
                timing.cpu.append(cpu / timing.contestant.units)
    return {timing.contestant.name: timing for timing in timings}


def fastest(timings: Sequence[Timing]) -> Timing:
    """The one with the lowest median."""
    return min(timings, key=lambda timing: timing.seconds)


def ratios(above: Timing, below: Timing) -> list[float]:
    """Ratio of wall seconds, round by round."""
    return [a / b for a, b in zip(above.wall, below.wall, strict=True)]


Turn = Callable[[], tuple[float, float, Any]]


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, CPU seconds and result of one turn."""
    cpu, wall = _cpu_seconds(), time.perf_counter()
    result = work()
    return time.perf_counter() - wall, _cpu_seconds() - cpu, result


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


@contextmanager
def this_process(contestant: Contestant) -> Iterator[Turn]:
    """Turns of a contestant in this process."""
    work = contestant.prepare(**contestant.arguments)
    yield lambda: timed(work)


@contextmanager
def fresh_process(contestant: Contestant) -> Iterator[Turn]:
    """Turns of a contestant in a process of its own, which waits between them."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(contestant, there), daemon=False)
    with _threads(contestant.threads):
        process.start()
    there.close()

    def turn() -> tuple[float, float, Any]:
        try:
            here.send("go")
            done, answer = here.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            process.join()
            done, answer = False, f"its process ended with exit code {process.exitcode}"
        if not done:
            raise RuntimeError(f"{contestant.name} failed: {answer}")
        return answer

    try:
        yield turn
    finally:
        here.close()
        process.join(timeout=10)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(contestant: Contestant, pipe: Any) -> None:
    first = True
    work: Callable[[], Any] | None = None
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        try:
            if work is None:
                work = contestant.prepare(**contestant.arguments)
            wall, cpu, result = timed(work)
            pipe.send((True, (wall, cpu, result if first else None)))
            first = False
        except Exception:
            pipe.send((False, traceback.format_exc()))


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    for name in THREAD_VARIABLES:
        if number is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = str(number)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
