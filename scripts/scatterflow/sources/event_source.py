"""Source for detectors that write events (and IMM, which holds events or frames): what they share.

The configuration gives a path pattern per detector; all frames of a run are in that file, or in one file
of each module. How a format is read is the matter of a reader, one for each detector.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scatterflow.errors import FrameError, UserError, suggestion
from scatterflow.sources.base import DetectorInfo, RunLocation
from scatterflow.sources.events import Events
from scatterflow.sources.own_files import OwnFiles
from scatterflow.sources.tables import table_path


class EventReader(Protocol):
    """The files of one detector in one run."""

    @property
    def paths(self) -> list[Path]:
        """All of them; none is touched for this."""

    @property
    def info(self) -> DetectorInfo:
        """Shape and dtype of the frames."""

    def check(self) -> None:
        """Raise UserError where the files contradict the run table, FrameError where one is damaged.

        Only what is quick to find; `events` and `read` find the rest.
        """

    def found(self) -> tuple[int, str]:
        """Frames that the files tell of, however many the run table says; what is wrong with the next.

        Where empty frames leave no trace, they are counted to the last with an event.
        """

    def events(self, start: int, stop: int) -> Events | None:
        """See `Source.events`."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """See `Source.read`."""

    def header(self) -> dict[str, Any]:
        """What the files say of the run: plain values."""

    def close(self) -> None:
        """Close the files; they open again when needed."""


class EventSource(OwnFiles):
    """Events of one run; see `scatterflow.sources.base.Source`."""

    def __init__(
        self, location: RunLocation, reader: Callable[[RunLocation, str], EventReader]
    ) -> None:
        """reader: from the run and the name of a detector. Raises UserError for a bad pattern."""
        self.location = location
        self.frames = location.frames
        wanted = location.recipe["frames"]
        used = [name for name in wanted if not location.shapes or name in location.shapes]
        self._readers = {name: reader(location, name) for name in used}

    def close(self) -> None:
        """Close the files; they open again when needed."""
        for reader in self._readers.values():
            reader.close()

    @cached_property
    def detectors(self) -> dict[str, DetectorInfo]:
        """Shape and dtype per detector."""
        return {name: reader.info for name, reader in self._readers.items()}

    def check(self) -> None:
        """Raise UserError where the files contradict the run table or, unless `missing: nan`, are damaged."""
        for reader in self._readers.values():
            try:
                reader.check()
            except FrameError:
                if self.location.recipe.get("missing", "error") != "nan":
                    raise

    def found(self, detector: str) -> tuple[int, str]:
        """Number of frames of a detector that its files tell of, and what is wrong with the next, or ""."""
        return self._reader(detector, 0, 0).found()

    def encoded(self, detector: str, start: int, stop: int) -> None:
        """None: there is nothing to decode elsewhere."""
        return None

    def events(self, detector: str, start: int, stop: int) -> Events | None:
        """Events of frames start..stop-1; see `Source.events`."""
        return self._reader(detector, start, stop).events(start, stop)

    def read(self, detector: str, start: int, stop: int) -> np.ndarray:
        """Frames start..stop-1; see `Source.read`."""
        return self._reader(detector, start, stop).read(start, stop)

    def files(
        self, detector: str | None = None, start: int = 0, stop: int | None = None
    ) -> list[Path]:
        """The files of these frames: all of a detector, as each holds all frames."""
        stop = self.frames if stop is None else stop
        names = list(self._readers) if detector is None else [detector]
        return [
            path
            for name in names
            if start < stop
            for path in self._reader(name, start, start).paths
        ]

    def scalar_files(self) -> list[Path]:
        """The run's table, and the files whose headers are the metadata."""
        table = table_path(self.location)
        firsts = [reader.paths[0] for reader in self._readers.values()]
        return ([table] if table else []) + firsts

    def metadata(self) -> dict[str, Any]:
        """Per detector what its files say of the run, where they say anything."""
        headers = {name: reader.header() for name, reader in self._readers.items()}
        return {name: header for name, header in headers.items() if header}

    def _reader(self, detector: str, start: int, stop: int) -> EventReader:
        if detector not in self._readers:
            known = suggestion(detector, self._readers)
            raise UserError(f"no detector {detector!r}", f"run {self.location.run}", known)
        if not 0 <= start <= stop <= self.frames:
            raise IndexError(f"frames {start}..{stop} of {self.frames}")
        return self._readers[detector]
