"""One watcher in a project: a lock of the operating system, which ends with its process, however it ends."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scatterflow.errors import UserError
from scatterflow.live.folder import WATCH_LOCK
from scatterflow.live.workflow_life import is_locked

SECONDS_BETWEEN_ATTEMPTS = 0.5


@contextmanager
def only_watcher(kind: str, *, wait: bool = False, path: Path = WATCH_LOCK) -> Iterator[None]:
    """Be the only watcher while the block runs. kind: what it does, in words; wait: for another one to end.

    Raises UserError where another one lives.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not wait:
                    raise UserError(
                        f"another watcher is at work here ({holder(path)})",
                        str(path.absolute()),
                        "stop it first; `scatterflow status` shows what it does",
                    ) from None
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)
        file.truncate(0)
        file.write(f"{kind}, process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
        file.truncate(0)


def holder(path: Path = WATCH_LOCK) -> str:
    """Who holds the lock, in words."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def watcher_lives(path: Path = WATCH_LOCK) -> bool:
    """Whether a watcher of this computer is at work here."""
    return path.exists() and is_locked(path)
