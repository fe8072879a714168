"""A call of snakemake for the watcher: a process of its own, which outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scatterflow.live.folder import CALLS
from scatterflow.live.job_logs import error_in
from scatterflow.live.wanted import Wanted, write_wanted

DEFAULT_CONFIGURATION = "config/config.yaml"
REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Call:
    """A running or ended call. log: what it prints; started: s since 1970."""

    wanted: Wanted
    process: subprocess.Popen
    log: Path
    started: float

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    @property
    def error(self) -> str:
        """The last error that it printed, in a line; else empty."""
        lines = error_in(self.log)
        return " - ".join(line.partition(": ")[2].strip() for line in lines)

    @property
    def locked_out(self) -> bool:
        """Whether another workflow was at work in this folder."""
        return b"Directory cannot be locked" in self.log.read_bytes()

    def stop(self) -> None:
        """Have it end its jobs, and wait for that."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait()


def start_call(wanted: Wanted, configfile: str, options: Sequence[str]) -> Call:
    """Start snakemake on what is wanted."""
    write_wanted(wanted)
    now = time.time()
    CALLS.mkdir(parents=True, exist_ok=True)
    log = (
        CALLS
        / f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}.{int(now * 1000) % 1000:03d}.log"
    )
    command = [sys.executable, "-m", "snakemake", "watched"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), *options]
    if configfile != DEFAULT_CONFIGURATION:
        command += ["--configfile", configfile]
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            # Ctrl-C on the terminal, and the end of the watcher, do not reach it.
            start_new_session=True,
        )
    return Call(wanted, process, log, now)
