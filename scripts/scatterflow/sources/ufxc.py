"""UFXC detectors: one 32-bit word for each pixel that counts, no header.

Little-endian words: bits 31-21 frame, 16-15 count, 14-0 pixel. 128 x 256 pixels, numbered column by column.
The 11 bits of the frame wrap every 2048 frames, and around a wrap words may be late: a step of more
than 2000 backwards is a wrap, one of more than 2000 forwards a late word (XPCS-Eigen). So a word is
taken to be at most 47 frames late; more than 2000 empty frames in a row cannot be told from a late word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.sources.base import DetectorInfo, RunLocation
from scatterflow.sources.event_source import EventSource
from scatterflow.sources.events import COUNT_DTYPE, Events, dense_frames, gathered
from scatterflow.sources.patterns import run_path
from scatterflow.sources.raw_file import RawFile
from scatterflow.sources.scanned_file import BadEvents, Decoded, ScannedFile

SHAPE = (128, 256)
WORD = np.dtype("<u4")
FRAME_SHIFT = 21
COUNT_SHIFT = 15
FRAMES_TO_WRAP = 2048
COUNT_MASK = 3
LATEST = 47
"""Frames by which a word may be late."""


def decode_words(content: bytearray, last: int | None) -> Decoded[int | None]:
    """Events of words; last: frame of the word before, None for the first."""
    used = len(content) - len(content) % WORD.itemsize
    words = np.frombuffer(content, WORD, used // WORD.itemsize).astype(np.int64)
    if not words.size:
        return Decoded(words, words, words, last, 0)
    counted = words >> FRAME_SHIFT
    before = int(counted[0]) if last is None else last
    steps = np.diff(counted, prepend=before % FRAMES_TO_WRAP)
    frame = before + np.cumsum((steps + LATEST) % FRAMES_TO_WRAP - LATEST)
    if frame.min() < 0:
        raise BadEvents("a word is from a frame before the first")
    column, row = np.divmod(words & ((1 << COUNT_SHIFT) - 1), SHAPE[0])
    count = ((words >> COUNT_SHIFT) & COUNT_MASK).astype(COUNT_DTYPE)
    return Decoded(frame, row * SHAPE[1] + column, count, int(frame[-1]), used)


class UfxcFile:
    """One UFXC file; see `EventReader`."""

    info = DetectorInfo(SHAPE, COUNT_DTYPE)

    def __init__(self, location: RunLocation, detector: str) -> None:
        self._frames = location.frames
        file = RawFile(run_path(location, location.recipe["frames"][detector]), location, detector)
        self.file = ScannedFile[int | None](file, decode_words, None)

    @property
    def paths(self) -> list[Path]:
        """The file."""
        return [self.file.file.path]

    def close(self) -> None:
        """Close the file."""
        self.file.file.close()

    def check(self) -> None:
        """Raise FrameError if the file is missing; the frames are only known once it is read."""
        _ = self.file.file.size

    def found(self) -> tuple[int, str]:
        """See `EventReader.found`; the whole file is read for it."""
        return self.file.last_frame + 1, self.file.fault

    def events(self, start: int, stop: int) -> Events:
        """See `Source.events`."""
        self.file.check_last_frame(self._frames)
        return gathered(*self.file.events(start, stop), SHAPE[0] * SHAPE[1])

    def read(self, start: int, stop: int) -> np.ndarray:
        """See `Source.read`."""
        return dense_frames(self.events(start, stop), stop - start, SHAPE)

    def header(self) -> dict[str, Any]:
        """Nothing: these files hold events alone."""
        return {}


def ufxc_source(location: RunLocation) -> EventSource:
    """Source for UFXC files."""
    return EventSource(location, UfxcFile)
