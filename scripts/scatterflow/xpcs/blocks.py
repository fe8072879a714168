"""Blocks of pixels over all frames of a run: what the correlators take, read from the sorted chunks.

A block holds consecutive positions of the q-map's order, either as dense values, frame by frame, or as
lists of events, pixel by pixel. Both forms say the same; which one is faster depends on how many
values are not 0 (the occupancy).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading

Form = Literal["events", "frames"]

DENSE_OCCUPANCY = 0.02
"""Fraction of values that are not 0 from which on dense values are correlated faster than events.

Measured over 20 000 pixels and 5000 frames of an EPYC with AVX-512, ns per pixel and frame: events 0.7 at
0.01, 1.6 at 0.03, 3.8 at 0.1; dense 0.6 at any, and the time and memory to expand the events.
"""

FORMAT = "scatterflow sorted chunk 2"


@dataclass(eq=False)
class Block:
    """Counts of positions first..last-1 in `frames` frames.

    form `events`: starts (pixels + 1,) int64, frame (events,) int32 ascending within each pixel, count
    (events,) uint8, uint16, uint32 or float32, never 0. form `frames`: values (frames, pixels) of such
    a type, C-contiguous. The arrays of the other form are empty.
    """

    first: int
    last: int
    frames: int
    form: Form
    starts: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    frame: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    count: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))

    @property
    def pixels(self) -> int:
        """Number of positions."""
        return self.last - self.first

    @property
    def dtype(self) -> np.dtype:
        """Type of the counts."""
        return self.count.dtype if self.form == "events" else self.values.dtype

    @property
    def occupied(self) -> int:
        """How many values are not 0."""
        if self.form == "events":
            return len(self.frame)
        return int(np.count_nonzero(self.values))


def block_edges(block: int, blocks: int, positions: int) -> tuple[int, int]:
    """First position of a pixel block and the one after its last."""
    return block * positions // blocks, (block + 1) * positions // blocks


def as_frames(block: Block) -> Block:
    """The block with dense values."""
    from scatterflow.kernels.event_lists import fill_frames

    if block.form == "frames":
        return block
    values = np.zeros((block.frames, block.pixels), block.count.dtype)
    fill_frames(block.starts, block.frame, block.count, 0, values)
    return Block(block.first, block.last, block.frames, "frames", values=values)


def as_events(block: Block) -> Block:
    """The block as lists of events."""
    if block.form == "events":
        return block
    valid = np.ones(block.frames, bool)
    return _events([(0, block)], block.first, block.last, block.frames, valid)


def read_positions(
    paths: Sequence[str | Path],
    first: int,
    last: int,
    form: Form | None = None,
    valid: np.ndarray | None = None,
    identity: str = "",
) -> Block:
    """Positions first..last-1 in all frames of a run.

    paths: its sorted chunks, in any order. form: None for the one that is correlated faster, by measured
    occupancy. valid: (frames,) bool, frames in which all is to be 0; missing ones are in any case. identity:
    see `sorted_heads`.

    Raises UserError if the chunks are not those of one whole run.
    """
    chunks = sorted_heads(paths, identity)
    frames = chunks[-1][1].stop
    if not 0 <= first <= last <= chunks[0][1].positions:
        raise IndexError(f"positions {first}..{last} of {chunks[0][1].positions}")
    if form is None:
        occupied = sum(_occupied(path, first, last) for path, _ in chunks)
        dense = occupied >= DENSE_OCCUPANCY * frames * (last - first)
        form = "frames" if dense else "events"
    valid = np.ones(frames, bool) if valid is None else valid
    if form == "frames":
        return _read_frames(chunks, first, last, frames, valid)
    parts = [
        (head.start, piece)
        for path, head in chunks
        for piece in chunk_blocks(path, head, first, last)
    ]
    return _events(parts, first, last, frames, valid)


@dataclass(frozen=True)
class ChunkHead:
    """What a sorted chunk says of itself: frames start..stop-1, form, positions, blocks, counts' type; and a
    digest of what it was made from."""

    start: int
    stop: int
    form: Form
    positions: int
    blocks: int
    dtype: np.dtype
    identity: str


def read_head(path: str | Path) -> ChunkHead:
    """The head of a sorted chunk. Raises UserError if the file is none."""
    with reading(path) as file:
        if file.attrs.get("format") != FORMAT:
            raise UserError(
                "not a sorted chunk of this version", str(path), "delete it and run snakemake again"
            )
        attributes = file.attrs
        return ChunkHead(
            int(attributes["start"]),
            int(attributes["stop"]),
            attributes["form"],
            int(attributes["positions"]),
            int(attributes["blocks"]),
            np.dtype(attributes["dtype"]),
            attributes["identity"],
        )


def sorted_heads(paths: Sequence[str | Path], identity: str) -> list[tuple[str | Path, ChunkHead]]:
    """Chunks in the order of their frames; raises UserError where they do not fit together.

    identity: what all were made from, as they were told when they were sorted. A job that outlived its
    workflow, and wrote after a newer one, is told by it.
    """
    chunks = sorted(((path, read_head(path)) for path in paths), key=lambda item: item[1].start)
    if not chunks:
        raise ValueError("no sorted chunk")
    expected = 0
    for path, head in chunks:
        if head.identity != identity:
            raise UserError(
                "the chunk was sorted with other settings, or by other code, than are valid now",
                str(path),
                "delete it and run snakemake again",
            )
        if head.start != expected or head.positions != chunks[0][1].positions:
            raise UserError(
                f"frame {expected} was expected to come next, with {chunks[0][1].positions} "
                f"positions; the chunk begins with {head.start} and has {head.positions}",
                str(path),
                "delete the folder of sorted chunks and run snakemake again",
            )
        expected = head.stop
    return chunks


def _overlaps(head: ChunkHead, first: int, last: int) -> list[tuple[int, int, int, int]]:
    """(block, its first position, from, to) of the blocks that hold positions first..last-1."""
    found = []
    for block in range(head.blocks):
        begin, end = block_edges(block, head.blocks, head.positions)
        low, high = max(begin, first), min(end, last)
        if low < high:
            found.append((block, begin, low, high))
    return found


def _occupied(path: str | Path, first: int, last: int) -> float:
    """How many values of these positions are not 0, nearly: a block's are taken as spread evenly."""
    head = read_head(path)
    with reading(path) as file:
        total = 0.0
        for block, _, low, high in _overlaps(head, first, last):
            begin, end = block_edges(block, head.blocks, head.positions)
            occupied = float(file[f"blocks/{block}"].attrs["occupied"])
            total += occupied * (high - low) / (end - begin)
        return total


def chunk_blocks(path: str | Path, head: ChunkHead, first: int, last: int) -> list[Block]:
    """The chunk's positions first..last-1, block by block; frames of events are numbered as in the run."""
    pieces = []
    with reading(path) as file:
        for block, begin, low, high in _overlaps(head, first, last):
            group = file[f"blocks/{block}"]
            if head.form == "frames":
                values = group["values"][:, low - begin : high - begin]
                pieces.append(Block(low, high, len(values), "frames", values=values))
                continue
            starts = group["first"][low - begin : high - begin + 1]
            part = slice(starts[0], starts[-1])
            pieces.append(
                Block(
                    low,
                    high,
                    head.stop,
                    "events",
                    starts=starts - starts[0],
                    frame=group["frame"][part],
                    count=group["count"][part],
                )
            )
    return pieces


def _read_frames(
    chunks: list[tuple[str | Path, ChunkHead]],
    first: int,
    last: int,
    frames: int,
    valid: np.ndarray,
) -> Block:
    from scatterflow.kernels.event_lists import fill_frames

    dtype = np.result_type(*(head.dtype for _, head in chunks))
    values = np.zeros((frames, last - first), dtype)
    for path, head in chunks:
        for piece in chunk_blocks(path, head, first, last):
            target = values[head.start : head.stop, piece.first - first : piece.last - first]
            if piece.form == "frames":
                target[:] = piece.values
            else:
                fill_frames(piece.starts, piece.frame, piece.count, head.start, target)
    values[~valid] = 0
    return Block(first, last, frames, "frames", values=values)


def _events(
    parts: list[tuple[int, Block]], first: int, last: int, frames: int, valid: np.ndarray
) -> Block:
    """Lists of events out of parts in the order of their frames, each with the number of its first frame."""
    from scatterflow.kernels import event_lists

    number = np.zeros(last - first, np.int64)
    for start, block in parts:
        own = number[block.first - first : block.last - first]
        if block.form == "frames":
            here = valid[start : start + len(block.values)]
            event_lists.count_occupied(block.values, here, own)
            continue
        if not valid.all():
            event_lists.keep_valid(block.starts, block.frame, block.count, valid)
        own += np.diff(block.starts)
    starts = np.concatenate(([0], np.cumsum(number)))
    frame = np.empty(starts[-1], np.int32)
    count = np.empty(starts[-1], np.result_type(np.uint8, *(block.dtype for _, block in parts)))
    free = starts[:-1].copy()
    for start, block in parts:
        own = free[block.first - first : block.last - first]
        if block.form == "frames":
            here = valid[start : start + len(block.values)]
            event_lists.append_occupied(block.values, here, start, own, frame, count)
        else:
            event_lists.append_events(block.starts, block.frame, block.count, own, frame, count)
    return Block(first, last, frames, "events", starts=starts, frame=frame, count=count)
