"""For how long files have not changed, as the watcher has seen it.

Time stamps alone do not tell: copies keep those of the original, and clocks of file servers differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from pathlib import Path


class Stillness:
    """Remembers of each file (or other thing) what it was like, and since when. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Hashable, tuple[Hashable, float]] = {}

    def of_value(self, key: Hashable, value: Hashable) -> float:
        """For how many seconds a thing has had this value."""
        now = self._clock()
        before = self._seen.get(key)
        if before is None or before[0] != value:
            self._seen[key] = (value, now)
            return 0.0
        return now - before[1]

    def of_file(self, path: Path) -> float:
        """For how many seconds a file has not changed; one that is not there has not, either."""
        return self.of_value(path, file_signature(path))


def file_signature(path: Path) -> tuple[int, int, int, int]:
    """Changes with the file's content: size, times, identity; zeros if there is none.

    The time of the last change of its entry (ctime) is in it, which a copy cannot set back.
    """
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
