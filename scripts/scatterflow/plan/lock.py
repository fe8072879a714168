"""Snakemake's lock after a crash.

Snakemake leaves its lock files behind when it is killed, and then refuses to start until the user
unlocks the folder. Here each workflow process also holds a lock of the operating system on a file of
its own, which ends with the process, however it ends: whoever gets it knows that a lock left in
`.snakemake/locks` is nobody's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from pathlib import Path
from typing import IO

# Held until the process ends.
_held: IO[str] | None = None


def release_stale_locks(folder: str | Path = ".snakemake") -> bool:
    """Take the workflow lock, and if that succeeds remove Snakemake's left-over locks.

    Returns False, and touches nothing, if another live workflow holds it, if the last holder was on
    another computer (locks may not reach across a shared file system), or if the file system knows no
    locks.
    """
    global _held
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
        file = open(folder / "workflow.lock", "a+", encoding="utf-8")  # noqa: SIM115 - held on purpose
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    file.seek(0)
    last_host = file.read().strip()
    here = socket.gethostname()
    if last_host not in ("", here) and (folder / "locks").is_dir():
        file.close()
        return False
    file.truncate(0)
    file.write(here)
    file.flush()
    os.fsync(file.fileno())
    _held = file
    shutil.rmtree(folder / "locks", ignore_errors=True)
    return True
