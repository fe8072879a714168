"""Jobs that a killed workflow left in the queue of a Slurm cluster.

A workflow that is stopped cancels its jobs; one that is killed cannot, and they wait and run on. The
next call would submit the same jobs again, and two jobs would write one file at the same time. So it
cancels what is left over first. Snakemake names its Slurm jobs with a random UUID and starts them in the
workflow's folder, by which they are told from jobs of others.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from scatterflow.errors import UserError

UUID = re.compile(r"^(?:[\w-]+_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
ANSWER_SECONDS = 60


def cancel_left_over(folder: str | Path = ".", patience_seconds: float = 120) -> list[str]:
    """Cancel the Slurm jobs that an earlier workflow of this folder left, and wait until they are gone.

    Call it only when no other workflow lives here. Returns their numbers; none where there is no Slurm or
    where it does not answer. Raises UserError if they are still there after `patience_seconds`.
    """
    left = _left_over(Path(folder).resolve())
    if not left:
        return []
    _answer(["scancel", *left])
    deadline = time.monotonic() + patience_seconds
    while _left_over(Path(folder).resolve()):
        if time.monotonic() > deadline:
            raise UserError(
                f"{len(left)} jobs of an earlier workflow are still in the queue",
                f"Slurm jobs {', '.join(left[:10])}",
                "wait until `squeue --me` does not list them any more, then run snakemake again",
            )
        time.sleep(0.5)
    return left


def _left_over(folder: Path) -> list[str]:
    """Numbers of the workflow's jobs that wait or run; a task of an array under the array's number."""
    if shutil.which("squeue") is None:
        return []
    found: dict[str, None] = {}
    for line in _answer(["squeue", "--me", "--noheader", "--format=%F|%j|%Z"]).splitlines():
        number, _, rest = line.strip().partition("|")
        name, _, started_in = rest.partition("|")
        own = number == os.environ.get("SLURM_JOB_ID")
        if UUID.match(name) and not own and Path(started_in) == folder:
            found[number] = None
    return list(found)


def _answer(command: list[str]) -> str:
    """What a command prints; nothing if the scheduler does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
