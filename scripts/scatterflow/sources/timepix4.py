"""Timepix4 files as the SPIDR4 readout writes them; the hits are put into frames of `frame_time_s`.

A file holds one half of a chip (or a whole one): 8 bytes `SPIDR4\\0\\0`, then packages, each a little-endian
64-bit header (bits 63-60 group, 59-58 encoding, 57-48 content, 44-32 stream, 31-0 size of the content in
words) and its content. Words of group 0:

    63      1: top half of the chip, whose columns and rows count from the far corner
    62-55   address of the column pair; above 0xDF a control word instead, with the time in units of
            25 ns in bits 54-0: 0xE0 heartbeat; 0xE3 T0, where time begins at 0
    54-51   super-pixel group; 50-49 super-pixel; 48-46 pixel
    45-30   time of arrival, Gray code, 25 ns; 21-17 its fine part, 1/640 MHz, that is subtracted
    29-26, 25-22   ultra-fine start and stop, 1/5.12 GHz, coded
    11-1    time over threshold, 25 ns; where it is 0, the time of arrival is one too low

column = address << 1 | pixel >> 2; row = group << 4 | super-pixel << 2 | pixel & 3; 512 rows of 448 columns.
The 16 bits of the time of arrival, 1.6 ms, are extended by the last heartbeat, to the time nearest to it.
Source: Corryvreckan's EventLoaderTimepix4 (CERN, gitlab.cern.ch/corryvreckan), Llopart et al., JINST 17
(2022) C01044. Time 0 is T0 where the file has one, and hits before it are left out; so are the eight
pixels for digital tests. Each hit counts 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scatterflow.errors import UserError
from scatterflow.sources.base import DetectorInfo, RunLocation
from scatterflow.sources.event_source import EventSource
from scatterflow.sources.events import COUNT_DTYPE, Events, dense_frames
from scatterflow.sources.modules import check_modules, configured_modules, joined_events
from scatterflow.sources.patterns import run_path
from scatterflow.sources.raw_file import RawFile
from scatterflow.sources.scanned_file import BadEvents, Decoded, ScannedFile

SHAPE = (512, 448)
WORD = np.dtype("<u8")
MAGIC = b"SPIDR4\0\0"
TICKS_PER_SECOND = 5_120_000_000
TICKS_PER_CLOCK = 128
TICKS_PER_FINE = 8
HEARTBEAT, TIME_ZERO, FIRST_CONTROL = 0xE0, 0xE3, 0xE0
TIME_MASK = (1 << 55) - 1
TOA_BITS = 16
ULTRA_FINE = np.array([4, 5, 8, 6, 8, 8, 8, 7, 3, 8, 8, 8, 2, 8, 1, 0])
"""Ultra-fine times by their codes."""
DIGITAL_PIXELS = np.array(
    [row * SHAPE[1] + column for column, row in ((0, 0), (4, 1), (441, 2), (445, 3))]
    + [row * SHAPE[1] + column for column, row in ((2, 508), (6, 509), (443, 510), (447, 511))]
)


class Clock(NamedTuple):
    """The time that the last heartbeat gave (25 ns), whether T0 has come, and hits since."""

    heartbeat: int = 0
    zero: bool = False
    hits: bool = False


def frame_ticks(frame_time_s: float, where: str) -> int:
    """Length of a frame in units of 1/5.12 GHz; raises UserError unless it is a whole number of them."""
    ticks = frame_time_s * TICKS_PER_SECOND
    if ticks < 0.5 or abs(ticks - round(ticks)) > 1e-6 * ticks:
        raise UserError(
            f"a frame of {frame_time_s} s is no multiple of the detector's clock (1/5.12 GHz = 195.3125 ps)",
            where,
            "take a multiple of 25 ns for `frame_time_s`",
        )
    return round(ticks)


def decode_hits(content: bytearray, clock: Clock, ticks: int) -> Decoded[Clock]:
    """Hits of whole packages, in frames of so many ticks; clock: as it stood before."""
    words, used = _packages(np.frombuffer(content, WORD, len(content) // WORD.itemsize))
    address = ((words >> 55) & 0xFF).astype(np.int64)
    hit, beat = address < FIRST_CONTROL, (address == HEARTBEAT) | (address == TIME_ZERO)
    zeros = np.flatnonzero(address == TIME_ZERO)
    at = np.flatnonzero(hit)
    begins = bool(zeros.size) and not clock.zero
    if begins:
        at = at[at > zeros[0]]
    _check_one_zero(at, zeros, clock)
    beats = np.concatenate(([clock.heartbeat], (words[beat] & TIME_MASK).astype(np.int64)))
    last_beat = beats[np.searchsorted(np.flatnonzero(beat), at)]
    after = Clock(
        int(beats[-1]),
        clock.zero or bool(zeros.size),
        bool(at.size) or (clock.hits and not begins),
    )
    time = arrival(words[at], last_beat)
    pixel = pixel_index(words[at])
    wanted = (time >= 0) & ~np.isin(pixel, DIGITAL_PIXELS)
    frame, pixel = time[wanted] // ticks, pixel[wanted]
    return Decoded(frame, pixel, np.ones(frame.size, COUNT_DTYPE), after, used, begins)


def arrival(words: np.ndarray, heartbeat: np.ndarray) -> np.ndarray:
    """Time of hits in units of 1/5.12 GHz, int64; heartbeat: the last before each, 25 ns."""
    toa = ((words >> 30) & 0xFFFF).astype(np.int64)
    for shift in (8, 4, 2, 1):
        toa ^= toa >> shift
    half, whole = 1 << (TOA_BITS - 1), 1 << TOA_BITS
    time = toa + (heartbeat & ~(whole - 1))
    time += whole * (time + half < heartbeat).astype(np.int64)
    time -= whole * ((time > heartbeat + half) & (time >= whole)).astype(np.int64)
    time += ((words >> 1) & 0x7FF) == 0
    fine = ((words >> 17) & 0x1F).astype(np.int64)
    start, stop = (ULTRA_FINE[((words >> bit) & 0xF).astype(np.int64)] for bit in (26, 22))
    return time * TICKS_PER_CLOCK - fine * TICKS_PER_FINE + (start - stop)


def pixel_index(words: np.ndarray) -> np.ndarray:
    """Flat index of hits in the chip, int64."""
    pixel = ((words >> 46) & 0x7).astype(np.int64)
    row = ((words >> 51) & 0xF).astype(np.int64) << 4 | ((words >> 49) & 0x3).astype(np.int64) << 2
    row |= pixel & 3
    column = ((words >> 55) & 0xFF).astype(np.int64) << 1 | pixel >> 2
    index = row * SHAPE[1] + column
    # Both coordinates are counted from the far corner.
    return np.where(words >> 63 == 1, SHAPE[0] * SHAPE[1] - 1 - index, index)


def _packages(words: np.ndarray) -> tuple[np.ndarray, int]:
    # Words of group 0 of the whole packages, and the bytes of all whole packages.
    at, contents = 0, [words[:0]]
    while at < len(words):
        header = int(words[at])
        size = header & 0xFFFFFFFF
        if at + 1 + size > len(words):
            break
        if header >> 60 == 0:
            if (header >> 58) & 3:
                raise BadEvents("a package of hits is encoded in a way that is not known")
            contents.append(words[at + 1 : at + 1 + size])
        at += 1 + size
    return np.concatenate(contents).astype(np.uint64, copy=False), at * WORD.itemsize


def _check_one_zero(hits: np.ndarray, zeros: np.ndarray, clock: Clock) -> None:
    # Hits, then another T0: two frames would have one number.
    late = clock.zero and clock.hits and zeros.size
    if late or (hits.size and zeros.size and zeros[-1] > hits[0]):
        raise BadEvents("the time begins a second time (T0 after hits)")


class Timepix4Files:
    """The files of all chips, or halves of chips; see `EventReader`."""

    def __init__(self, location: RunLocation, detector: str) -> None:
        recipe = location.recipe
        self._frames = location.frames
        self._modules = configured_modules(recipe.get("modules"))
        shape = location.shapes.get(detector, SHAPE)
        where = f"run {location.run}, detector {detector}"
        check_modules(self._modules, SHAPE, shape, where, halves=True)
        self.info = DetectorInfo(shape, COUNT_DTYPE)
        ticks = frame_ticks(recipe["frame_time_s"], where)
        base = run_path(location, recipe["frames"][detector])
        self.files = [
            ScannedFile[Clock](
                RawFile(base.with_name(base.name + module.suffix), location, detector),
                lambda content, clock: decode_hits(content, clock, ticks),
                Clock(),
                offset=len(MAGIC),
            )
            for module in self._modules
        ]

    @property
    def paths(self) -> list[Path]:
        """One file of each chip or half of a chip."""
        return [module.file.path for module in self.files]

    def close(self) -> None:
        """Close the files."""
        for module in self.files:
            module.file.close()

    def check(self) -> None:
        """Raise FrameError if a file is missing or of another kind; the frames are only known once it is
        read."""
        for module in self.files:
            if module.file.read(0, len(MAGIC)) != MAGIC:
                raise module.file.file_error(
                    "no SPIDR4 file: it does not begin with SPIDR4", "check `format` of the source"
                )

    def found(self) -> tuple[int, str]:
        """See `EventReader.found`; all files are read for it."""
        self.check()
        faults = [module.fault for module in self.files if module.fault]
        return max(module.last_frame for module in self.files) + 1, "".join(faults[:1])

    def events(self, start: int, stop: int) -> Events:
        """See `Source.events`."""
        self.check()
        own = (self._checked_events(file, start, stop) for file in self.files)
        return joined_events(self._modules, own, SHAPE, self.info.shape)

    def _checked_events(
        self, file: ScannedFile[Clock], start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        file.check_last_frame(self._frames)
        return file.events(start, stop)

    def read(self, start: int, stop: int) -> np.ndarray:
        """See `Source.read`."""
        return dense_frames(self.events(start, stop), stop - start, self.info.shape)

    def header(self) -> dict[str, Any]:
        """Nothing: these files hold events alone."""
        return {}


def timepix4_source(location: RunLocation) -> EventSource:
    """Source for Timepix4 files."""
    return EventSource(location, Timepix4Files)
