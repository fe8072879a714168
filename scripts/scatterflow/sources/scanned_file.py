"""Event files that can only be read from their beginning: where which frames are, and their events.

UFXC counts frames with so few bits, and Timepix4 time with so few, that an event's frame follows from
what stands before it. The file is gone through once, in blocks; of each block it is kept where it is,
what has to be known to read it, and which frames it holds, so that a chunk of frames reads few blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from scatterflow.sources.raw_file import RawFile

State = TypeVar("State")
BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class Decoded(Generic[State]):
    """Events of a piece of a file.

    frame, pixel, count: (n,) in any order; frame counted from the first of the run.
    state: what has to be known to go on; used: bytes decoded, those of an unfinished rest left out.
    begins: these are the first events of the run, what came before does not belong to it.
    """

    frame: np.ndarray
    pixel: np.ndarray
    count: np.ndarray
    state: State
    used: int
    begins: bool = False


class BadEvents(ValueError):
    """A piece of a file that cannot be events; the message says why."""


@dataclass(frozen=True)
class _Block(Generic[State]):
    start: int
    size: int
    before: State
    lowest: int
    highest: int


class ScannedFile(Generic[State]):
    """One file of events; decode: from bytes and state to what is in them."""

    def __init__(
        self,
        file: RawFile,
        decode: Callable[[bytearray, State], Decoded[State]],
        begin: State,
        offset: int = 0,
    ) -> None:
        self.file = file
        self._decode = decode
        self._begin = begin
        self._offset = offset

    @property
    def last_frame(self) -> int:
        """The last frame with an event; -1 without any. The whole file is read for it, once."""
        return max((block.highest for block in self._scan[0]), default=-1)

    @property
    def fault(self) -> str:
        """What is wrong with the file, or ""."""
        return self._scan[1]

    def check_last_frame(self, frames: int) -> None:
        """Raise UserError if there is an event behind the last of so many frames."""
        if self.last_frame >= frames:
            raise self.file.count_error(
                f"the run table says {frames} frames, but there is an event in frame "
                f"{self.last_frame} (the first is 0)"
            )

    def events(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frame from `start` = 0, pixel, count of frames start..stop-1, in any order."""
        blocks, fault, lost = self._scan
        if fault and stop > lost:
            raise self.file.frame_error(fault, max(start, lost))
        parts = [_no_events()]
        for block in blocks:
            if block.lowest < stop and block.highest >= start:
                found = self._decode(self.file.read(block.start, block.size), block.before)
                wanted = (found.frame >= start) & (found.frame < stop)
                arrays = (found.frame - start, found.pixel, found.count)
                parts.append(tuple(values[wanted] for values in arrays))
        frame, pixel, count = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return frame, pixel, count

    @cached_property
    def _scan(self) -> tuple[list[_Block[State]], str, int]:
        # Blocks with events; what is wrong with the rest of the file, and the first frame that it may lack.
        blocks: list[_Block[State]] = []
        state, offset, size, highest = self._begin, self._offset, self.file.size, -1
        length = BLOCK_BYTES
        while offset < size:
            content = self.file.read(offset, length)
            try:
                found = self._decode(content, state)
            except BadEvents as error:
                return (
                    blocks,
                    f"{error}, within {len(content)} bytes from {offset}",
                    max(highest, 0),
                )
            if not found.used:
                if offset + length >= size:
                    fault = f"the file is cut off: its last {size - offset} bytes are unfinished"
                    return blocks, fault, max(highest, 0)
                length *= 2
                continue
            if found.begins:
                blocks, highest = [], -1
            if found.frame.size:
                low, high = int(found.frame.min()), int(found.frame.max())
                blocks.append(_Block(offset, found.used, state, low, high))
                highest = max(highest, high)
            state, offset, length = found.state, offset + found.used, BLOCK_BYTES
        return blocks, "", 0


def _no_events() -> tuple[np.ndarray, ...]:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint32)
