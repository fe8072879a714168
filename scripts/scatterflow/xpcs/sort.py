"""Sort one chunk of a run: raw frames into pixel blocks in the order of the q-map, with the sums of both.

The form of a chunk (dense values or events) follows from how many values are not 0, whatever the raw
format is, and all numbers are the same for either form, any number of threads and any way of reading.

Memory: the values of the chunk's q-map pixels in the smallest type that holds them (dense), or about
twelve bytes an event; two blocks of raw frames; and 32 bytes for each pixel of the detector.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.files.provenance import raw_file_record, software
from scatterflow.frame_range import FrameRange
from scatterflow.kernels import sorting
from scatterflow.kernels.event_sorting import sum_events
from scatterflow.kernels.moments import comparable
from scatterflow.progress import Progress, progress
from scatterflow.sources.base import Source
from scatterflow.xpcs.blocks import Block, Form, as_frames, block_edges
from scatterflow.xpcs.preprocess import (
    Corrections,
    PixelOrder,
    Preprocessing,
    corrections,
    pixel_order,
)
from scatterflow.xpcs.raw_blocks import RawBlock, dense_blocks, event_blocks, read_ahead
from scatterflow.xpcs.sort_events import (
    EventPart,
    SortedEvents,
    count_type,
    deal_events,
    deal_frames,
    sort_parts,
    tiles_of,
)
from scatterflow.xpcs.sorted_chunk import FrameReason, FrameSums, write_sorted_chunk

if TYPE_CHECKING:
    from scatterflow.detectors.qmap import QMap

STORED_OCCUPANCY = 0.1
"""Fraction of values that are not 0 from which on a chunk is stored dense: an event takes five bytes."""

# A sum of squares that may become larger is kept as float64.
MOST_EXACT = 2**62
_PIECES_AT_ONCE = 64


@dataclass(eq=False)
class _Chunk:
    """What is known so far of a chunk of n frames; pixels in the order of positions.

    bin_sums: (n, static bins + 2), see `PixelOrder`; dense: values of the q-map's pixels, {first frame:
    one array (frames, pixels) for each pixel block}; parts: events.
    """

    order: PixelOrder
    frames: int
    blocks: int
    fractions: bool
    limits: tuple[Any, Any]
    lower_level: float
    corrections: Corrections | None
    where: str
    dtype: np.dtype
    image_sum: np.ndarray
    image_squares: np.ndarray
    invalid: np.ndarray
    bin_sums: np.ndarray
    invalid_pixels: np.ndarray
    valid: np.ndarray
    reason: np.ndarray
    squares_bound: int = 0
    occupied: int = 0
    dense: dict[int, list[np.ndarray]] = field(default_factory=dict)
    parts: list[EventPart] = field(default_factory=list)
    missing: dict[int, str] = field(default_factory=dict)

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Positions of the pixel blocks."""
        return [block_edges(b, self.blocks, self.order.positions) for b in range(self.blocks)]


def sort_chunk(
    source: Source,
    detector: str,
    frames: FrameRange,
    start: int,
    stop: int,
    qmap: QMap,
    preprocessing: Preprocessing,
    path: str | Path,
    *,
    blocks: int,
    threads: int = 1,
    good: np.ndarray | None = None,
    crop: dict[str, Any] | None = None,
    skip_missing: bool = False,
    label: str = "sort",
) -> None:
    """Sort processed frames start..stop-1 into `path`, see `sorted_chunk`.

    good: (rows, columns) bool, True = good, of the q-map's shape: pixels that the detector's total is of;
    None: those of the q-map. crop: see `pixel_order`. skip_missing: a frame that is missing or corrupt is
    flagged and empty, instead of raising FrameError. Raises UserError.
    """
    where = f"run sorted into {path}, detector {detector}"
    info = source.detectors[detector]
    order = pixel_order(qmap, info.shape, good, crop, where)
    chunk = _new_chunk(order, stop - start, blocks, preprocessing, info.dtype, where)
    with ThreadPoolExecutor(threads) as pool, progress(stop - start, label) as bar:
        if source.events(detector, 0, 0) is None:
            made = dense_blocks(source, detector, frames, start, stop, skip_missing, pool)
            _sort_dense(chunk, read_ahead(made) if threads > 1 else made, bar, pool, threads)
            events = None
        else:
            made = event_blocks(source, detector, frames, start, stop, skip_missing)
            pixels = info.shape[0] * info.shape[1]
            _deal(chunk, read_ahead(made) if threads > 1 else made, bar, pixels)
            events = _sorted_events(chunk, len(order.pixels), frames.average, pool)
            _sum_events(chunk, events, pool)
        form: Form = "events"
        if chunk.occupied >= STORED_OCCUPANCY * max(chunk.frames * order.positions, 1):
            form = "frames"
        contents = _contents(chunk, form, events, pool)
        write_sorted_chunk(
            path,
            _frame_sums(chunk, start),
            contents,
            form,
            order.positions,
            blocks,
            chunk.dtype,
            _provenance(chunk, source, detector, frames, start, stop),
        )


def _new_chunk(
    order: PixelOrder,
    frames: int,
    blocks: int,
    preprocessing: Preprocessing,
    dtype: np.dtype,
    where: str,
) -> _Chunk:
    fractions = preprocessing.makes_fractions(dtype)
    kind = np.float64 if fractions else np.int64
    pixels = len(order.pixels)
    return _Chunk(
        order=order,
        frames=frames,
        blocks=blocks,
        fractions=fractions,
        limits=preprocessing.limits(dtype),
        lower_level=preprocessing.lower_level,
        corrections=corrections(preprocessing, order) if fractions else None,
        where=where,
        dtype=np.dtype(np.float32 if fractions else np.uint8),
        image_sum=np.zeros(pixels, kind),
        image_squares=np.zeros(pixels, kind),
        invalid=np.zeros(pixels, np.uint32),
        bin_sums=np.zeros((frames, order.static_bins + 2), kind),
        invalid_pixels=np.zeros(frames, np.int64),
        valid=np.ones(frames, bool),
        reason=np.zeros(frames, np.uint8),
    )


def _note_missing(chunk: _Chunk, block: RawBlock) -> None:
    chunk.missing.update(block.missing)
    own = slice(block.first, block.first + block.size)
    chunk.valid[own] = block.ok
    chunk.reason[own][~block.ok] |= np.uint8(FrameReason.MISSING)


# Dense frames


def _sort_dense(
    chunk: _Chunk, made: Iterator[RawBlock], bar: Progress, pool: ThreadPoolExecutor, threads: int
) -> None:
    """Gather and sum all blocks; keep them dense, or as events where few values are not 0."""
    edges = np.searchsorted(
        chunk.order.pieces[:, 0], np.linspace(0, len(chunk.order.pixels), 4 * threads + 1)
    )
    edges[-1] = len(chunk.order.pieces)
    ranges = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    positions = chunk.order.positions
    for block in made:
        _note_missing(chunk, block)
        values = _gathered(chunk, block, ranges, pool)
        occupied = _summed(chunk, block, values, ranges, pool)
        chunk.occupied += occupied
        if occupied < STORED_OCCUPANCY * block.size * positions:
            chunk.parts.append(deal_frames(values, positions, block.first))
        else:
            chunk.dense[block.first] = [values[:, low:high].copy() for low, high in chunk.edges]
        bar.add(block.size)


def _gathered(
    chunk: _Chunk, block: RawBlock, ranges: list[tuple[int, int]], pool: ThreadPoolExecutor
) -> np.ndarray:
    """The block's values by position (frames, positions); frames with nothing measured are noted."""
    own = slice(block.first, block.first + block.size)
    ok = chunk.valid[own]
    of_map = chunk.order.bins < chunk.order.static_bins
    while True:
        values, invalid, wrong, largest = _gather(chunk, block, ok, ranges, pool)
        if chunk.corrections is None and largest > np.iinfo(chunk.dtype).max:
            chunk.dtype = count_type(largest, chunk.where)
            continue
        invalid_pixels = wrong[of_map].sum(axis=0)
        nothing = ok & (invalid_pixels == chunk.order.positions)
        if nothing.any():
            ok &= ~nothing
            chunk.reason[own][nothing] |= np.uint8(FrameReason.NOTHING_MEASURED)
            continue
        chunk.invalid += invalid
        chunk.invalid_pixels[own] = invalid_pixels
        _bound_squares(chunk, largest, block.size)
        return values


def _gather(
    chunk: _Chunk,
    block: RawBlock,
    ok: np.ndarray,
    ranges: list[tuple[int, int]],
    pool: ThreadPoolExecutor,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Values in the chunk's type, invalid and piece_invalid of `kernels.sorting`, the largest count."""
    order, fixed, rows = chunk.order, chunk.corrections, block.rows
    assert rows is not None
    low, high = comparable(chunk.limits, rows.dtype)
    level = int(np.floor(chunk.lower_level))
    values = np.empty((block.size, len(order.pixels)), chunk.dtype)
    invalid = np.zeros(len(order.pixels), np.uint32)
    wrong = np.zeros((len(order.pieces), block.size), np.int64)
    head = rows, len(rows) // block.size, order.pixels, order.pieces
    tail = ok, values, invalid, wrong

    def gather(part: tuple[int, int]) -> int:
        if fixed is None:
            return sorting.gather_counts(*head, *part, low, high, level, *tail)
        given = fixed.dark, fixed.level, fixed.gain
        sorting.gather_corrected(*head, *part, low, high, *given, *tail)
        return 0

    return values, invalid, wrong, max(pool.map(gather, ranges))


def _summed(
    chunk: _Chunk,
    block: RawBlock,
    values: np.ndarray,
    ranges: list[tuple[int, int]],
    pool: ThreadPoolExecutor,
) -> int:
    """Add a block to all sums; returns how many values of the q-map's pixels are not 0."""
    order = chunk.order
    ok = chunk.valid[block.first : block.first + block.size]
    sums = np.zeros((len(order.pieces), block.size), chunk.image_sum.dtype)
    occupied = np.zeros(len(order.pieces), np.int64)

    def add(part: tuple[int, int]) -> None:
        sorting.sum_pieces(
            values, ok, order.pieces, *part, chunk.image_sum, chunk.image_squares, sums, occupied
        )

    list(pool.map(add, ranges))
    own = chunk.bin_sums[block.first : block.first + block.size]
    np.add.at(own.T, order.bins, sums)
    return int(occupied[order.bins < order.static_bins].sum())


def _bound_squares(chunk: _Chunk, largest: int, frames: int) -> None:
    """Sums of squares that int64 might not hold go on as float64."""
    if chunk.fractions:
        return
    chunk.squares_bound += largest**2 * frames
    if chunk.squares_bound > MOST_EXACT:
        chunk.image_squares = chunk.image_squares.astype(np.float64)


# Events


def _deal(chunk: _Chunk, made: Iterator[RawBlock], bar: Progress, pixels: int) -> None:
    """Deal all events out to tiles of positions."""
    position_of_pixel = chunk.order.position_of_pixel(pixels)
    for block in made:
        _note_missing(chunk, block)
        assert block.events is not None
        assert block.frame_of_raw is not None
        part = deal_events(
            block.events,
            block.frame_of_raw,
            position_of_pixel,
            tiles_of(len(chunk.order.pixels)),
            chunk.limits,
            chunk.lower_level,
            chunk.corrections,
        )
        chunk.parts.append(part)
        bar.add(block.size)


def _sorted_events(
    chunk: _Chunk, positions: int, average: int, pool: ThreadPoolExecutor
) -> SortedEvents:
    """The events by position, counts in the type of the chunk (which is settled now)."""
    kinds = [part.count.dtype for part in chunk.parts]
    # One pixel counts in several raw frames of an average: the sum is made where it fits.
    summing = [np.uint8] if average == 1 or chunk.fractions else [np.int64]
    found = sort_parts(
        chunk.parts,
        positions,
        chunk.order.positions,
        chunk.frames,
        np.result_type(*summing, *kinds),
        pool,
    )
    chunk.parts = []
    if not chunk.fractions:
        chunk.dtype = max(
            count_type(found.largest, chunk.where), chunk.dtype, key=lambda kind: kind.itemsize
        )
    return SortedEvents(
        found.starts,
        found.frame,
        found.count.astype(chunk.dtype, copy=False),
        found.invalid,
        found.invalid_pixels,
        found.largest,
    )


def _sum_events(chunk: _Chunk, events: SortedEvents, pool: ThreadPoolExecutor) -> None:
    """All sums, from the events of all pixels."""
    order = chunk.order
    chunk.invalid += events.invalid
    chunk.invalid_pixels += events.invalid_pixels
    chunk.occupied = int(events.starts[order.positions])
    _bound_squares(chunk, events.largest, chunk.frames)

    def add(piece: int) -> np.ndarray:
        sums = np.zeros(chunk.frames, chunk.image_sum.dtype)
        first, last = order.pieces[piece].tolist()
        sum_events(
            events.starts,
            events.frame,
            events.count,
            first,
            last,
            sums,
            chunk.image_sum,
            chunk.image_squares,
        )
        return sums

    for group in range(0, len(order.pieces), _PIECES_AT_ONCE):
        numbers = range(group, min(group + _PIECES_AT_ONCE, len(order.pieces)))
        for piece, sums in zip(numbers, pool.map(add, numbers), strict=True):
            chunk.bin_sums[:, order.bins[piece]] += sums


# What is written


def _contents(
    chunk: _Chunk, form: Form, events: SortedEvents | None, pool: ThreadPoolExecutor
) -> Iterator[Block]:
    """The pixel blocks in one form, frames counted from the chunk's start."""
    if events is None:
        if form == "events":
            for first in sorted(chunk.dense):
                values = np.concatenate(chunk.dense.pop(first), axis=1)
                chunk.parts.append(deal_frames(values, values.shape[1], first))
            chunk.parts.sort(key=lambda part: int(part.frame[0]) if len(part.frame) else -1)
        events = _sorted_events(chunk, chunk.order.positions, 1, pool)
    for number, (low, high) in enumerate(chunk.edges):
        part = slice(events.starts[low], events.starts[high])
        block = Block(
            low,
            high,
            chunk.frames,
            "events",
            starts=events.starts[low : high + 1] - events.starts[low],
            frame=events.frame[part],
            count=events.count[part],
        )
        if form == "events":
            yield block
            continue
        block = as_frames(block)
        for first, parts in chunk.dense.items():
            block.values[first : first + len(parts[number])] = parts[number]
        yield block


def _frame_sums(chunk: _Chunk, start: int) -> FrameSums:
    order = chunk.order
    static = chunk.bin_sums[:, : order.static_bins]
    total = static.sum(axis=1)
    return FrameSums(
        start,
        start + chunk.frames,
        total,
        total + chunk.bin_sums[:, order.other_good],
        np.ascontiguousarray(static),
        chunk.valid,
        chunk.reason,
        chunk.invalid_pixels,
        order.as_image(chunk.image_sum),
        order.as_image(chunk.image_squares),
        order.as_image(chunk.invalid),
        int(chunk.valid.sum()),
        order.good_pixels,
    )


def _provenance(
    chunk: _Chunk, source: Source, detector: str, frames: FrameRange, start: int, stop: int
) -> dict[str, Any]:
    raw = frames.raw_frames(start, stop)
    files = source.files(detector, int(raw[0, 0]), int(raw[-1, -1]) + 1)
    return {
        "raw_files": [raw_file_record(path) for path in files if Path(path).exists()],
        "missing": chunk.missing,
        "software": software(),
    }
