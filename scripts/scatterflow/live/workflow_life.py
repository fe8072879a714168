"""Whether a workflow runs in a project's folder now, found out without disturbing it.

Snakemake's locks (`.snakemake/locks`) stay behind when it is killed; the workflow lock (flock, see
`scatterflow.plan.lock`) ends with the process. A workflow lives where both are there. The lock is looked up
in /proc/locks: taking it, if only for a moment, would tell a workflow that starts just then that it is not
alone.
"""

from __future__ import annotations

import socket
from pathlib import Path

PROC_LOCKS = Path("/proc/locks")


def workflow_lives(folder: str | Path = ".snakemake") -> bool:
    """Whether jobs are being run. One that was started on another computer is believed to live for as long
    as its locks are there."""
    folder = Path(folder)
    try:
        if not any((folder / "locks").iterdir()):
            return False
    except OSError:
        return False
    lock = folder / "workflow.lock"
    try:
        host = lock.read_text(encoding="utf-8").strip()
    except OSError:
        return True
    return host not in ("", socket.gethostname()) or is_locked(lock)


def is_locked(path: str | Path) -> bool:
    """Whether any process of this computer holds a lock on a file; True where that cannot be told."""
    try:
        status = Path(path).stat()
        lines = PROC_LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return PROC_LOCKS.exists() is False and Path(path).exists()
    except OSError:
        return True
    inode = f":{status.st_ino}"
    # `1: FLOCK  ADVISORY  WRITE 708 00:14:31234 0 EOF`; blocked ones have an arrow before their kind. The
    # device is left out: some file systems report another one here than to stat.
    return any(
        word.endswith(inode) for line in lines for word in line.split()[4:7] if "->" not in line
    )
