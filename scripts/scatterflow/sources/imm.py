"""IMM files of APS 8-ID-I: frame after frame, each with a header of 1024 bytes, no index.

Little-endian. The payload of a dense frame is `dlen` = rows * columns pixels of `bytes` bytes, row by
row; of a sparse one `dlen` flat row-major indices (4 bytes), then `dlen` counts (2 bytes). Counts are
unsigned, though other readers take them as signed, and wrap above 32767. The header: see HEADER, after
XPCS-Eigen (github.com/AdvancedPhotonSource/xpcs-eigen).
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scatterflow.sources.base import DetectorInfo, RunLocation
from scatterflow.sources.event_source import EventSource
from scatterflow.sources.events import COUNT_DTYPE, Events, dense_frames, gathered
from scatterflow.sources.patterns import run_path
from scatterflow.sources.raw_file import RawFile

HEADER_BYTES = 1024
DENSE = 0
SPARSE = 6
_EVENT_BYTES = 6
_PIXEL_DTYPES: dict[int, np.dtype] = {2: np.dtype("<u2"), 4: np.dtype("<u4")}
_PROCESS_VARIABLES = [
    field
    for number in range(1, 11)
    for field in ((f"pv{number}_name", "S40"), (f"pv{number}", "<f4"))
]
HEADER = np.dtype(
    [
        ("mode", "<i4"),
        ("compression", "<i4"),
        ("date", "S32"),
        ("prefix", "S16"),
        ("number", "<i4"),
        ("suffix", "S16"),
        ("monitor", "<i4"),
        ("shutter", "<i4"),
        ("row_beg", "<i4"),
        ("row_end", "<i4"),
        ("col_beg", "<i4"),
        ("col_end", "<i4"),
        ("row_bin", "<i4"),
        ("col_bin", "<i4"),
        ("rows", "<i4"),
        ("cols", "<i4"),
        ("bytes", "<i4"),
        ("kinetics", "<i4"),
        ("kinwinsize", "<i4"),
        ("elapsed", "<f8"),
        ("preset", "<f8"),
        ("topup", "<i4"),
        ("inject", "<i4"),
        ("dlen", "<u4"),
        ("roi_number", "<i4"),
        ("buffer_number", "<i4"),
        ("systick", "<u4"),
        *_PROCESS_VARIABLES,
        ("imageserver", "<f4"),
        ("CPUspeed", "<f4"),
        ("immversion", "<i4"),
        ("corecotick", "<i4"),
        ("cameratype", "<i4"),
        ("threshold", "<f4"),
        ("byte632", "S1"),
    ]
)
# compression; rows, cols, bytes; dlen: all that hopping from frame to frame needs.
_HOP = struct.Struct("<4xi100x3i32xI")


class _Layout(NamedTuple):
    """What all frames of a file have in common."""

    sparse: bool
    shape: tuple[int, int]
    itemsize: int


@dataclass(frozen=True)
class _Index:
    """Where the frames are.

    offsets: of the header of each whole frame, then of what follows the last.
    layout: as the first header says; None if there is no sound one.
    fault: what is wrong with the frame after the last whole one; "" if there is nothing.
    """

    offsets: array[int]
    layout: _Layout | None
    fault: str

    @property
    def frames(self) -> int:
        """Number of whole frames."""
        return len(self.offsets) - 1


class ImmFile:
    """One IMM file; see `EventReader`."""

    def __init__(self, location: RunLocation, detector: str) -> None:
        self._frames = location.frames
        self._nan = location.recipe.get("missing", "error") == "nan"
        self._file = RawFile(
            run_path(location, location.recipe["frames"][detector]), location, detector
        )

    @property
    def paths(self) -> list[Path]:
        """The file."""
        return [self._file.path]

    @property
    def info(self) -> DetectorInfo:
        """Shape and dtype: uint32 for sparse frames, else as stored."""
        layout = self._layout
        dtype = COUNT_DTYPE if layout.sparse else _PIXEL_DTYPES[layout.itemsize]
        return DetectorInfo(layout.shape, dtype.newbyteorder("="))

    @cached_property
    def index(self) -> _Index:
        """Found by hopping from header to header, without reading what lies between."""
        return _index(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def check(self) -> None:
        """Raise where the file has another number of frames, or is cut off."""
        found = self.index.frames
        if found > self._frames or (found < self._frames and not self.index.fault):
            if found < self._frames and self._nan:
                return
            raise self._file.count_error(
                f"the run table says {self._frames} frames, the raw files say {found}"
            )
        if self.index.fault:
            self._check_range(found, found + 1)

    def found(self) -> tuple[int, str]:
        """See `EventReader.found`."""
        fault = self.index.fault
        return self.index.frames, f"frame {self.index.frames}: {fault}" if fault else ""

    def events(self, start: int, stop: int) -> Events | None:
        """See `Source.events`; None if the frames are dense."""
        index, layout = self.index, self._layout
        if not layout.sparse:
            return None
        self._check_range(start, stop)
        content = self._content(start, stop)
        first = index.offsets[start]
        frame, pixel, count = [], [], []
        for number in range(start, stop):
            at = index.offsets[number] - first + HEADER_BYTES
            size = (index.offsets[number + 1] - first - at) // _EVENT_BYTES
            pixel.append(np.frombuffer(content, "<i4", size, at))
            count.append(np.frombuffer(content, "<u2", size, at + 4 * size))
            frame.append(np.full(size, number - start))
        pixels = layout.shape[0] * layout.shape[1]
        joined = Events(*(_joined(parts) for parts in (frame, pixel, count)))
        beyond = np.flatnonzero((joined.pixel < 0) | (joined.pixel >= pixels))
        if beyond.size:
            raise self._file.frame_error(
                f"an event has the pixel index {joined.pixel[beyond[0]]}, the detector has {pixels}",
                start + int(joined.frame[beyond[0]]),
            )
        return gathered(joined.frame, joined.pixel, joined.count, pixels)

    def read(self, start: int, stop: int) -> np.ndarray:
        """See `Source.read`."""
        layout, info = self._layout, self.info
        events = self.events(start, stop)
        if events is not None:
            return dense_frames(events, stop - start, info.shape, info.dtype)
        self._check_range(start, stop)
        # Dense frames are equally long, headers included.
        content = np.frombuffer(self._content(start, stop), np.uint8)
        size = HEADER_BYTES + info.shape[0] * info.shape[1] * layout.itemsize
        pixels = np.ascontiguousarray(content.reshape(stop - start, size)[:, HEADER_BYTES:])
        stored = pixels.view(_PIXEL_DTYPES[layout.itemsize])
        return stored.astype(info.dtype, copy=False).reshape(stop - start, *info.shape)

    def header(self) -> dict[str, Any]:
        """Fields of the first frame's header that are not empty."""
        content = self._file.read(0, HEADER.itemsize)
        if len(content) < HEADER.itemsize:
            self._check_range(0, 1)
        values = np.frombuffer(content, HEADER)[0]
        fields = {name: values[name].item() for name in HEADER.names or ()}
        texts = {
            name: value.decode("latin-1").strip() if isinstance(value, bytes) else value
            for name, value in fields.items()
        }
        return {name: value for name, value in texts.items() if value not in ("", 0)}

    @property
    def _layout(self) -> _Layout:
        if self.index.layout is None:
            self._check_range(0, 1)
        assert self.index.layout is not None
        return self.index.layout

    def _content(self, start: int, stop: int) -> bytearray:
        # Headers and payloads of frames start..stop-1.
        offsets = self.index.offsets
        return self._file.read(offsets[start], offsets[stop] - offsets[start])

    def _check_range(self, start: int, stop: int) -> None:
        whole = self.index.frames
        if stop <= whole:
            return
        frame = max(start, whole)
        what = self.index.fault or f"the file ends after {whole} frames"
        if self.index.fault and frame > whole:
            what = f"out of reach, as frame {whole} is damaged: {what}"
        raise self._file.frame_error(what, frame)


def _index(file: RawFile) -> _Index:
    size, offset = file.size, 0
    offsets = array("q", [0])
    first: _Layout | None = None
    fault = "" if size else "the file is empty"
    while offset < size:
        if size - offset < HEADER_BYTES:
            fault = f"its header is cut off: {size - offset} of {HEADER_BYTES} bytes are there"
            break
        compression, rows, columns, itemsize, length = _HOP.unpack(file.read(offset, _HOP.size))
        layout = _Layout(compression != DENSE, (rows, columns), itemsize)
        fault = _header_fault(layout, length, first or layout)
        if fault:
            break
        first = layout
        payload = length * (_EVENT_BYTES if layout.sparse else itemsize)
        there = size - offset - HEADER_BYTES
        if there < payload:
            fault = f"its pixels are cut off: {there} of {payload} bytes are there"
            break
        offset += HEADER_BYTES + payload
        offsets.append(offset)
    return _Index(offsets, first, fault)


def _header_fault(layout: _Layout, length: int, first: _Layout) -> str:
    (rows, columns), itemsize = layout.shape, layout.itemsize
    if rows < 1 or columns < 1:
        return f"its header says {rows} x {columns} pixels"
    if itemsize not in _PIXEL_DTYPES or (layout.sparse and itemsize != 2):
        return f"its header says {itemsize} bytes a value"
    if layout != first:
        return f"its header says {_words(layout)}, that of the first frame {_words(first)}"
    if not layout.sparse and length != rows * columns:
        return f"its header says {length} values for {rows} x {columns} pixels"
    return ""


def _words(layout: _Layout) -> str:
    form = "sparse" if layout.sparse else "dense"
    return f"{form}, {layout.shape[0]} x {layout.shape[1]} pixels, {layout.itemsize} bytes a value"


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def imm_source(location: RunLocation) -> EventSource:
    """Source for IMM files."""
    return EventSource(location, ImmFile)
