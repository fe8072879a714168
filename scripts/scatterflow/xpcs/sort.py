"""Sort one chunk of a run: raw frames into pixel blocks in the order of the q-map, with the sums of both.

The form of a chunk (dense values or events) follows from how many values are not 0, whatever the raw
format is, and all numbers are the same for either form, any number of threads and any way of reading.

Memory: the values of the chunk's q-map pixels in the smallest type that holds them (dense), or about
twelve bytes an event; two blocks of raw frames; and 32 bytes for each pixel of the detector.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.files.provenance import raw_file_record, software
from scatterflow.frame_range import FrameRange
from scatterflow.kernels.event_sorting import sum_events
from scatterflow.progress import Progress, progress
from scatterflow.sources.base import Source
from scatterflow.xpcs import sort_dense
from scatterflow.xpcs.blocks import Block, Form, as_frames
from scatterflow.xpcs.chunk_state import Chunk, bound_squares, new_chunk, note_missing
from scatterflow.xpcs.preprocess import Preprocessing, pixel_order
from scatterflow.xpcs.raw_blocks import RawBlock, dense_blocks, event_blocks, read_ahead
from scatterflow.xpcs.sort_events import (
    SortedEvents,
    check_zeros,
    count_type,
    deal_events,
    deal_frames,
    sort_parts,
    tiles_of,
)
from scatterflow.xpcs.sorted_chunk import FrameSums, write_sorted_chunk

if TYPE_CHECKING:
    from scatterflow.detectors.qmap import QMap

_PIECES_AT_ONCE = 64


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
    where: str = "",
    identity: str = "",
) -> None:
    """Sort processed frames start..stop-1 into `path`, see `sorted_chunk`.

    good: (rows, columns) bool, True = good: pixels that the detector's total is of;
    None: those of the q-map. crop: see `pixel_order`. skip_missing: a frame that is missing or corrupt is
    flagged and empty, instead of raising FrameError. where: for messages; identity: see
    `blocks.sorted_heads`. Raises UserError.
    """
    info = source.detectors[detector]
    order = pixel_order(qmap, info.shape, good, crop, where)
    chunk = new_chunk(order, stop - start, blocks, preprocessing, info.dtype, where)
    with ThreadPoolExecutor(threads) as pool, progress(stop - start, label) as bar:
        if source.events(detector, 0, 0) is None:
            made = dense_blocks(source, detector, frames, start, stop, skip_missing, pool)
            sort_dense.sort_dense(
                chunk, read_ahead(made) if threads > 1 else made, bar, pool, threads
            )
            events = None
        else:
            check_zeros(chunk.limits[0], chunk.corrections, where)
            made = event_blocks(source, detector, frames, start, stop, skip_missing)
            pixels = info.shape[0] * info.shape[1]
            deal_blocks(chunk, read_ahead(made) if threads > 1 else made, bar, pixels)
            events = sorted_events(chunk, len(order.pixels), frames.average, pool)
            sum_all_events(chunk, events, pool)
        form: Form = "events"
        if chunk.occupied >= sort_dense.STORED_OCCUPANCY * max(chunk.frames * order.positions, 1):
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
            identity,
        )


# Events


def deal_blocks(chunk: Chunk, made: Iterator[RawBlock], bar: Progress, pixels: int) -> None:
    """Deal all events out to tiles of positions."""
    position_of_pixel = chunk.order.position_of_pixel(pixels)
    for block in made:
        note_missing(chunk, block)
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


def sorted_events(
    chunk: Chunk, positions: int, average: int, pool: ThreadPoolExecutor
) -> SortedEvents:
    """The events by position, counts in the type of the chunk (which is settled now)."""
    kinds = [part.count.dtype for part in chunk.parts]
    # Sums over an average may need more bits; `count_type` refuses what 32 do not hold.
    summing = [np.uint8] if average == 1 or chunk.fractions else [np.uint32]
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


def sum_all_events(chunk: Chunk, events: SortedEvents, pool: ThreadPoolExecutor) -> None:
    """All sums, from the events of all pixels."""
    order = chunk.order
    chunk.invalid += events.invalid
    chunk.invalid_pixels += events.invalid_pixels
    chunk.occupied = int(events.starts[order.positions])
    bound_squares(chunk, events.largest, chunk.frames)

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
    chunk: Chunk, form: Form, events: SortedEvents | None, pool: ThreadPoolExecutor
) -> Iterator[Block]:
    """The pixel blocks in one form, frames counted from the chunk's start."""
    if events is None:
        if form == "events":
            for first in sorted(chunk.dense):
                values = np.concatenate(chunk.dense.pop(first), axis=1)
                chunk.parts.append(deal_frames(values, values.shape[1], first))
            chunk.parts.sort(key=lambda part: int(part.frame[0]) if len(part.frame) else -1)
        events = sorted_events(chunk, chunk.order.positions, 1, pool)
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
            parts[number] = np.zeros((0, 0), np.uint8)
        yield block
        del block


def _frame_sums(chunk: Chunk, start: int) -> FrameSums:
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
    chunk: Chunk, source: Source, detector: str, frames: FrameRange, start: int, stop: int
) -> dict[str, Any]:
    raw = frames.raw_frames(start, stop)
    files = source.files(detector, int(raw[0, 0]), int(raw[-1, -1]) + 1)
    return {
        "raw_files": [raw_file_record(path) for path in files if Path(path).exists()],
        "missing": chunk.missing,
        "software": software(),
    }
