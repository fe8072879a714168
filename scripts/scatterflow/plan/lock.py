"""Snakemake's lock after a crash.

Snakemake leaves its lock files behind when it is killed, and then refuses to start until the user
unlocks the folder. Here each workflow process also holds a lock of the operating system (flock) on a
file of its own, which ends with the process, however it ends. All share that lock; whoever can have
it alone for a moment knows that no other workflow lives here, and that what is left in
`.snakemake/locks` is nobody's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

_ATTEMPTS = 20
_SECONDS_BETWEEN_ATTEMPTS = 0.05

# Held until the process ends.
_held: IO[str] | None = None


def release_stale_locks(folder: str | Path = ".snakemake") -> bool:
    """Take the workflow lock, and if nobody else holds it remove Snakemake's left-over locks.

    Returns False, and removes nothing, if another live workflow holds it (a dry run does, too), if
    the locks were left by another computer (flock may not reach across a shared file system), or if
    the file system knows no locks.
    """
    global _held
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
        file = open(folder / "workflow.lock", "a+", encoding="utf-8")  # noqa: SIM115 - held on purpose
    except OSError:
        return False
    alone = _lock(file, fcntl.LOCK_EX)
    if alone and _left_elsewhere(file, folder):
        # Shared all the same: a third workflow on this computer must see that this one lives.
        alone = False
    if alone:
        _write_host(file)
        shutil.rmtree(folder / "locks", ignore_errors=True)
    # Not alone for longer than this takes, else the next one could not tell its own life to others.
    for _ in range(_ATTEMPTS):
        if _lock(file, fcntl.LOCK_SH):
            _held = file
            break
        time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
    return alone


def _lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _left_elsewhere(file: IO[str], folder: Path) -> bool:
    """Whether there are locks, and the last workflow here ran on another computer."""
    file.seek(0)
    last_host = file.read().strip()
    locks = folder / "locks"
    try:
        left = locks.is_dir() and any(locks.iterdir())
    except OSError:
        return True
    return left and last_host not in ("", socket.gethostname())


def _write_host(file: IO[str]) -> None:
    with suppress(OSError):  # a full disk is found out by the jobs, with a message
        file.truncate(0)
        file.write(socket.gethostname())
        file.flush()
        os.fsync(file.fileno())
