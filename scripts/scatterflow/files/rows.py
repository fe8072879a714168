"""Rows that arrive in any number, handed on in whole stored chunks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


class RowBuffer:
    """Collects rows and hands them on `rows` at a time; what is handed on is used again afterwards."""

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype, write: Callable[[np.ndarray], None]
    ) -> None:
        """shape: (rows, ...) of a stored chunk; write: takes so many rows, the last time perhaps fewer."""
        self._rows = np.empty(shape, dtype)
        self._write = write
        self.held = 0

    def append(self, rows: np.ndarray) -> None:
        """Add rows, (any number, ...)."""
        done = 0
        while done < len(rows):
            part = rows[done : done + len(self._rows) - self.held]
            self._rows[self.held : self.held + len(part)] = part
            self.held += len(part)
            done += len(part)
            if self.held == len(self._rows):
                self.flush()

    def flush(self) -> None:
        """Hand on what is left."""
        if self.held:
            self._write(self._rows[: self.held])
            self.held = 0
