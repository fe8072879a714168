"""Progress of a job that works on many frames: a bar on a terminal, lines at intervals elsewhere."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts frames done; `add` after each block."""

    def __init__(self, total: int, label: str, unit: str = "frames") -> None:
        self.total = total
        self.label = label
        self.unit = unit
        self.done = 0
        self._started = self._last_line = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            # tqdm draws nothing on a terminal that does not tell its size; this falls back to 80 x 24.
            width, height = shutil.get_terminal_size()
            self._bar = tqdm(
                total=total, desc=label, unit=f" {unit}", leave=False, ncols=width, nrows=height
            )

    def add(self, count: int) -> None:
        """`count` more are done."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        now = time.monotonic()
        if now - self._last_line >= SECONDS_BETWEEN_LINES or self.done >= self.total:
            self._last_line = now
            logger.info(self.line())

    def line(self) -> str:
        """`label: 40 of 100 frames (40 %), 12.3 frames/s`."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        return (
            f"{self.label}: {self.done} of {self.total} {self.unit} "
            f"({100 * self.done / max(self.total, 1):.0f} %), {self.done / seconds:.1f} {self.unit}/s"
        )

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def progress(total: int, label: str, unit: str = "frames") -> Iterator[Progress]:
    """A `Progress` that is closed at the end."""
    tracker = Progress(total, label, unit)
    try:
        yield tracker
    finally:
        tracker.close()
