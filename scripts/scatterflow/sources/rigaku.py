"""Rigaku detectors of APS 8-ID-I: one 64-bit word for each pixel that counts, no header.

Little-endian words, sorted by frame: bits 63-40 frame, from 0; 36-16 flat pixel index; 11-0 count. A
frame without photons leaves no trace, so only the run table knows the number of frames. 500K: one file;
3M: six, see `scatterflow.sources.modules`, where an index may have 2**20 added. Files of some years number
the pixels column by column (XPCS-Eigen reads them so, boost_corr row by row).
"""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import FrameError
from scatterflow.kernels.event_bits import (
    FRAME_BITS,
    FRAME_SHIFT,
    NOT_ASCENDING,
    PIXEL_MASK,
    PIXEL_SHIFT,
)
from scatterflow.sources.base import DetectorInfo, RunLocation
from scatterflow.sources.event_source import EventSource
from scatterflow.sources.events import COUNT_DTYPE, Events, dense_frames
from scatterflow.sources.modules import (
    RIGAKU_3M_SHAPE,
    RIGAKU_MODULE,
    check_modules,
    configured_modules,
    joined_events,
)
from scatterflow.sources.patterns import run_path
from scatterflow.sources.raw_file import RawFile

WORD = np.dtype("<u8")
# Set in the indices of the modules of a 3M; no module has so many pixels.
_MODULE_FLAG = 1 << 20
_FIRST_WORDS = 1000


class WordFile:
    """One file of words; its events have the pixel indices of the module."""

    def __init__(
        self, file: RawFile, shape: tuple[int, int], by_columns: bool, flagged: bool
    ) -> None:
        self.file = file
        self._shape = shape
        self._by_columns = by_columns
        self._pixel_mask = _MODULE_FLAG - 1 if flagged else PIXEL_MASK

    @property
    def words(self) -> int:
        """Number of whole words."""
        return self.file.size // WORD.itemsize

    def last_frame(self) -> int:
        """Frame of the last word; -1 without any."""
        return self._frame(self.words - 1) if self.words else -1

    def fault(self) -> str:
        """What is wrong with the end of the file, or ""."""
        over = self.file.size % WORD.itemsize
        return f"the file ends within a word, {over} bytes of 8 are there" if over else ""

    def check_end(self, stop: int) -> None:
        """Raise FrameError if one of the frames before `stop` may be cut off."""
        last = max(self.last_frame(), 0)
        if stop > last and (fault := self.fault()):
            raise self.file.frame_error(fault, last)

    def check_kind(self) -> None:
        """Raise FrameError if the first words cannot be events."""
        self._unpack(0, min(self.words, _FIRST_WORDS), 0, 1 << FRAME_BITS)

    def events(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frame from `start` = 0, pixel, count of the words of frames start..stop-1, as stored."""
        self.check_end(stop)
        words = range(self.words)
        # However the words are ordered, each one is found by one range of frames.
        first = bisect_left(words, start, key=self._frame)
        last = bisect_left(words, stop, key=self._frame)
        return self._unpack(first, last, start, stop)

    def _unpack(
        self, first: int, last: int, start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # Words first..last-1, which are those of frames start..stop-1.
        from scatterflow.kernels.event_words import unpack_words

        content = self.file.read(first * WORD.itemsize, (last - first) * WORD.itemsize)
        words = np.frombuffer(content, WORD).astype(np.uint64, copy=False)
        frame, pixel = np.empty(words.size, np.int64), np.empty(words.size, np.int64)
        count = np.empty(words.size, COUNT_DTYPE)
        fault, at = unpack_words(
            words,
            (start, stop),
            self._pixel_mask,
            self._shape,
            self._by_columns,
            frame,
            pixel,
            count,
        )
        if fault:
            raise self._word_error(words, at, start, stop, fault)
        return frame, pixel, count

    def _word_error(
        self, words: np.ndarray, at: int, start: int, stop: int, fault: int
    ) -> FrameError:
        frame = int(words[at]) >> FRAME_SHIFT
        if fault == NOT_ASCENDING:
            among = f"among frames {start} to {stop - 1}"
            before = f"after frame {int(words[at - 1]) >> FRAME_SHIFT}" if at else among
            return self.file.frame_error(
                f"the frame numbers do not ascend: frame {frame} {before}",
                min(max(frame, start), stop - 1),
                "the file is damaged, or of another format: check `format` of the source",
            )
        index = (int(words[at]) >> PIXEL_SHIFT) & self._pixel_mask
        rows, columns = self._shape
        return self.file.frame_error(
            f"an event has the pixel index {index}, the detector has {rows * columns} "
            f"({rows} x {columns})",
            frame,
            "check the shape of the detector, and whether it has `modules`",
        )

    def _frame(self, word: int) -> int:
        content = self.file.read(word * WORD.itemsize, WORD.itemsize)
        return int.from_bytes(content, "little") >> FRAME_SHIFT


class RigakuFiles:
    """The file of a 500K, or those of the modules of a 3M; see `EventReader`."""

    def __init__(self, location: RunLocation, detector: str) -> None:
        recipe = location.recipe
        given = recipe.get("modules")
        default = RIGAKU_3M_SHAPE if given == "rigaku_3m" else RIGAKU_MODULE
        shape = location.shapes.get(detector, default)
        self._frames = location.frames
        self._module_shape = shape if given is None else RIGAKU_MODULE
        self._modules = configured_modules(given)
        where = f"run {location.run}, detector {detector}"
        check_modules(self._modules, self._module_shape, shape, where)
        self.info = DetectorInfo(shape, COUNT_DTYPE)
        base = run_path(location, recipe["frames"][detector])
        by_columns = recipe.get("pixel_order", "row") == "column"
        self.files = [
            WordFile(
                RawFile(base.with_name(base.name + module.suffix), location, detector),
                self._module_shape,
                by_columns,
                flagged=given is not None,
            )
            for module in self._modules
        ]

    @property
    def paths(self) -> list[Path]:
        """One file of each module."""
        return [module.file.path for module in self.files]

    def close(self) -> None:
        """Close the files."""
        for module in self.files:
            module.file.close()

    def found(self) -> tuple[int, str]:
        """See `EventReader.found`."""
        for module in self.files:
            module.check_kind()
        faults = [fault for module in self.files if (fault := module.fault())]
        return max(module.last_frame() for module in self.files) + 1, "".join(faults[:1])

    def check(self) -> None:
        """Raise where a file is missing, cut off, or has an event behind the last frame."""
        for module in self.files:
            last = module.last_frame()
            if last >= self._frames:
                raise module.file.count_error(
                    f"the run table says {self._frames} frames, but there is an event in frame "
                    f"{last} (the first is 0)"
                )
            module.check_end(self._frames)

    def events(self, start: int, stop: int) -> Events:
        """See `Source.events`."""
        own = (file.events(start, stop) for file in self.files)
        return joined_events(self._modules, own, self._module_shape, self.info.shape)

    def read(self, start: int, stop: int) -> np.ndarray:
        """See `Source.read`."""
        return dense_frames(self.events(start, stop), stop - start, self.info.shape)

    def header(self) -> dict[str, Any]:
        """Nothing: these files hold events alone."""
        return {}


def rigaku_source(location: RunLocation) -> EventSource:
    """Source for Rigaku files."""
    return EventSource(location, RigakuFiles)
