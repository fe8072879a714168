"""Writers of event formats, for the demo and for tests: IMM, Rigaku, UFXC, Timepix4.

Equal arguments give equal bytes. Every file appears whole or not at all. Formats: see the readers,
`scatterflow.sources.imm`, `.rigaku`, `.ufxc` and `.timepix4`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.files.atomic import whole_file, write_bytes
from scatterflow.kernels.event_bits import COUNT_MASK, FRAME_BITS, FRAME_SHIFT, PIXEL_SHIFT
from scatterflow.sources import rigaku, timepix4, ufxc
from scatterflow.sources.events import Events, dense_frames, frame_range, sparse_events
from scatterflow.sources.imm import DENSE, HEADER, HEADER_BYTES, SPARSE
from scatterflow.sources.modules import (
    RIGAKU_3M,
    RIGAKU_3M_SHAPE,
    RIGAKU_MODULE,
    events_of_module,
)

IMM_VERSION = 12
IMM_CAMERA = 160
"""Version of the header and type of the camera that 8-ID-I wrote."""
WORDS_PER_PACKAGE = 1024
TIME_OVER_THRESHOLD = 10
"""Of each simulated hit, in units of 25 ns."""


def write_imm(
    path: str | Path,
    data: Events | np.ndarray,
    *,
    shape: tuple[int, int] | None = None,
    frames: int | None = None,
    dense: bool = False,
    header: Mapping[str, Any] | None = None,
) -> None:
    """Write an IMM file.

    data: frames (n, rows, columns) of integers 0..65535, or events, then with `shape` (rows,
        columns) and the number of `frames`.
    dense: all pixels of each frame, else those that count something.
    header: {name of a field of `imm.HEADER`: value, or one value per frame}.

    Raises UserError: counts above 65535, an unknown field.
    """
    events, shape, frames = _as_events(path, data, shape, frames)
    _check_counts(path, events, 0xFFFF)
    fields = _imm_fields(path, shape, frames, dense, header or {})
    ends = np.searchsorted(events.frame, np.arange(frames + 1))
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        for frame in range(frames):
            part = slice(ends[frame], ends[frame + 1])
            fields["dlen"][frame] = shape[0] * shape[1] if dense else part.stop - part.start
            _write_imm_header(file, fields[frame])
            if dense:
                image = dense_frames(
                    frame_range(events, frame, frame + 1), 1, shape, np.dtype(np.uint16)
                )
                file.write(image.astype("<u2").tobytes())
            else:
                file.write(events.pixel[part].astype("<i4").tobytes())
                file.write(events.count[part].astype("<u2").tobytes())


def _imm_fields(
    path: str | Path, shape: tuple[int, int], frames: int, dense: bool, header: Mapping[str, Any]
) -> np.ndarray:
    fields = np.zeros(frames, HEADER)
    rows, columns = shape
    given = {
        "mode": 0 if dense else 2,
        "compression": DENSE if dense else SPARSE,
        "number": np.arange(frames),
        "row_end": rows,
        "col_end": columns,
        "row_bin": 1,
        "col_bin": 1,
        "rows": rows,
        "cols": columns,
        "bytes": 2,
        "immversion": IMM_VERSION,
        "cameratype": IMM_CAMERA,
        **header,
    }
    for name, value in given.items():
        if name not in (HEADER.names or ()):
            raise UserError(
                f"an IMM header has no field {name!r}",
                str(path),
                suggestion(name, HEADER.names or ()),
            )
        fields[name] = value
    return fields


def _write_imm_header(file: BinaryIO, fields: np.void) -> None:
    header = bytearray(HEADER_BYTES)
    header[: HEADER.itemsize] = fields.tobytes()
    header[-12:] = b"\xff" * 12
    file.write(header)


def write_rigaku(
    path: str | Path,
    data: Events | np.ndarray,
    *,
    shape: tuple[int, int] | None = None,
    pixel_order: str = "row",
) -> None:
    """Write a Rigaku file of 64-bit events; empty frames leave no trace in it.

    data, shape: as `write_imm`; counts to 4095. pixel_order: `row` or `column` (old files).
    """
    events, shape, _ = _as_events(path, data, shape, None)
    pixel = events.pixel
    if pixel_order == "column":
        row, column = np.divmod(pixel, shape[1])
        pixel = column * shape[0] + row
    write_bytes(path, _rigaku_words(path, Events(events.frame, pixel, events.count)))


def write_rigaku_3m(path: str | Path, data: Events | np.ndarray) -> list[Path]:
    """Write the six files of a Rigaku 3M, `path` with `.000` to `.005` behind it; returns them.

    data: as `write_rigaku`, of 1676 x 2100 pixels. Raises UserError for events in the gaps.
    """
    events, shape, _ = _as_events(path, data, RIGAKU_3M_SHAPE, None)
    parts = [
        events_of_module(events, module, RIGAKU_MODULE, RIGAKU_3M_SHAPE[1]) for module in RIGAKU_3M
    ]
    if shape != RIGAKU_3M_SHAPE or sum(part.pixel.size for part in parts) != events.pixel.size:
        raise UserError(
            "these are no events of a Rigaku 3M",
            str(path),
            "its frames have 1676 x 2100 pixels, of which those between the modules count nothing",
        )
    paths = []
    for module, part in zip(RIGAKU_3M, parts, strict=True):
        paths.append(Path(f"{path}{module.suffix}"))
        write_bytes(paths[-1], _rigaku_words(path, part))
    return paths


def _rigaku_words(path: str | Path, events: Events) -> bytes:
    _check_counts(path, events, COUNT_MASK)
    if events.frame.size and events.frame.max() >> FRAME_BITS:
        raise UserError(f"frame {events.frame.max()}", str(path), "Rigaku frames have 24 bits")
    words = events.frame.astype(np.uint64) << FRAME_SHIFT
    words |= events.pixel.astype(np.uint64) << PIXEL_SHIFT
    # Column by column the pixels of a frame are in another order.
    return np.sort(words | events.count).astype(rigaku.WORD).tobytes()


def write_ufxc(path: str | Path, data: Events | np.ndarray) -> None:
    """Write a UFXC file; empty frames leave no trace in it.

    data: as `write_imm`, of 128 x 256 pixels; counts to 3, no more than 2000 empty frames in a row.
    """
    events, shape, _ = _as_events(path, data, ufxc.SHAPE, None)
    _check_counts(path, events, ufxc.COUNT_MASK)
    gaps = np.diff(events.frame, prepend=0)
    if shape != ufxc.SHAPE or gaps.max(initial=0) >= ufxc.FRAMES_TO_WRAP - ufxc.LATEST:
        raise UserError(
            "these are no events of a UFXC",
            str(path),
            "its frames have 128 x 256 pixels, with no more than 2000 empty ones in a row",
        )
    row, column = np.divmod(events.pixel, shape[1])
    words = (events.frame % ufxc.FRAMES_TO_WRAP) << ufxc.FRAME_SHIFT
    words |= events.count.astype(np.int64) << ufxc.COUNT_SHIFT
    write_bytes(path, (words | (column * shape[0] + row)).astype(ufxc.WORD).tobytes())


def write_timepix4(
    path: str | Path, data: Events | np.ndarray, frame_time_s: float, half: str = "both"
) -> None:
    """Write a Timepix4 file: T0, then a hit for each count, spread evenly over the frame, and heartbeats.

    data: as `write_imm`, of 512 x 448 pixels; the eight pixels for digital tests must count nothing.
    half: `bottom` (rows 0 to 255), `top` or `both`: which hits go into this file.
    """
    events, shape, _ = _as_events(path, data, timepix4.SHAPE, None)
    if shape != timepix4.SHAPE or np.isin(events.pixel, timepix4.DIGITAL_PIXELS).any():
        raise UserError(
            "these are no hits of a Timepix4",
            str(path),
            "its frames have 512 x 448 pixels, of which eight are for digital tests alone",
        )
    frame, pixel = (np.repeat(values, events.count) for values in (events.frame, events.pixel))
    time = _spread(frame, timepix4.frame_ticks(frame_time_s, str(path)))
    in_top = pixel >= _pixels(shape) // 2
    wanted = np.full(pixel.size, True) if half == "both" else in_top == (half == "top")
    words = _with_heartbeats(_hits(pixel[wanted], time[wanted]), time[wanted])
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        file.write(timepix4.MAGIC)
        for first in range(0, len(words), WORDS_PER_PACKAGE):
            package = words[first : first + WORDS_PER_PACKAGE]
            # Group 0, content 0, stream 0: what is left of the header is the size.
            file.write(np.array([len(package)], timepix4.WORD).tobytes() + package.tobytes())


def _spread(frame: np.ndarray, ticks: int) -> np.ndarray:
    # Times of hits, (n,) sorted by frame, in units of 1/5.12 GHz.
    first = np.searchsorted(frame, frame)
    hits = np.searchsorted(frame, frame, side="right") - first
    return frame * ticks + (np.arange(frame.size) - first) * ticks // np.maximum(hits, 1)


def _hits(pixel: np.ndarray, time: np.ndarray) -> np.ndarray:
    top = pixel >= _pixels(timepix4.SHAPE) // 2
    index = np.where(top, _pixels(timepix4.SHAPE) - 1 - pixel, pixel)
    row, column = np.divmod(index, timepix4.SHAPE[1])
    clock = -(-time // timepix4.TICKS_PER_CLOCK)
    fine, ultra_fine = np.divmod(clock * timepix4.TICKS_PER_CLOCK - time, timepix4.TICKS_PER_FINE)
    codes = np.array([int(np.flatnonzero(value == timepix4.ULTRA_FINE)[0]) for value in range(8)])
    toa = clock & 0xFFFF
    fields = (
        (top, 63),
        (column >> 1, 55),
        (row >> 4, 51),
        (row >> 2 & 3, 49),
        ((column & 1) << 2 | row & 3, 46),
        (toa ^ toa >> 1, 30),
        (codes[0], 26),
        (codes[ultra_fine], 22),
        (fine, 17),
        (TIME_OVER_THRESHOLD, 1),
    )
    words = np.zeros(pixel.size, np.uint64)
    for value, shift in fields:
        words |= np.asarray(value).astype(np.uint64) << np.uint64(shift)
    return words.astype(timepix4.WORD)


def _with_heartbeats(hits: np.ndarray, time: np.ndarray) -> np.ndarray:
    # T0, and a heartbeat before the first hit of each quarter of the range of the time of arrival.
    beat = time // timepix4.TICKS_PER_CLOCK >> (timepix4.TOA_BITS - 2)
    at = np.flatnonzero(np.diff(beat, prepend=-1))
    beats = (beat[at] << (timepix4.TOA_BITS - 2)) | timepix4.HEARTBEAT << 55
    zero = np.array([timepix4.TIME_ZERO << 55], timepix4.WORD)
    return np.concatenate((zero, np.insert(hits, at, beats.astype(timepix4.WORD))))


def _pixels(shape: tuple[int, int]) -> int:
    return shape[0] * shape[1]


def _as_events(
    path: str | Path,
    data: Events | np.ndarray,
    shape: tuple[int, int] | None,
    frames: int | None,
) -> tuple[Events, tuple[int, int], int]:
    # Events, shape of a frame, number of frames.
    if isinstance(data, Events):
        if shape is None:
            raise UserError("events without the shape of the frames", str(path), "give `shape`")
        last = int(data.frame[-1]) if data.frame.size else -1
        if frames is not None and last >= frames:
            raise UserError(f"an event in frame {last} of {frames}", str(path), "")
        return data, shape, last + 1 if frames is None else frames
    data = np.asarray(data)
    if data.ndim != 3 or data.dtype.kind not in "iu" or data.min(initial=0) < 0:
        raise UserError(
            f"frames of shape {data.shape}, type {data.dtype}",
            str(path),
            "give (n, rows, columns) of integers from 0",
        )
    return sparse_events(data), (data.shape[1], data.shape[2]), len(data)


def _check_counts(path: str | Path, events: Events, most: int) -> None:
    highest = int(events.count.max(initial=0))
    if highest > most:
        raise UserError(f"a count of {highest}", str(path), f"this format holds {most} at most")
