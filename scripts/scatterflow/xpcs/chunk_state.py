"""What is known of a chunk of frames while it is sorted: values or events, and sums of frames and pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scatterflow.xpcs.blocks import block_edges
from scatterflow.xpcs.preprocess import Corrections, PixelOrder, Preprocessing, corrections
from scatterflow.xpcs.raw_blocks import RawBlock
from scatterflow.xpcs.sort_events import EventPart
from scatterflow.xpcs.sorted_chunk import FrameReason

# A sum of squares that may become larger is kept as float64.
MOST_EXACT = 2**62


@dataclass(eq=False)
class Chunk:
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


def new_chunk(
    order: PixelOrder,
    frames: int,
    blocks: int,
    preprocessing: Preprocessing,
    dtype: np.dtype,
    where: str,
) -> Chunk:
    fractions = preprocessing.makes_fractions(dtype)
    kind = np.float64 if fractions else np.int64
    pixels = len(order.pixels)
    return Chunk(
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


def note_missing(chunk: Chunk, block: RawBlock) -> None:
    chunk.missing.update(block.missing)
    own = slice(block.first, block.first + block.size)
    chunk.valid[own] = block.ok
    chunk.reason[own][~block.ok] |= np.uint8(FrameReason.MISSING)


def bound_squares(chunk: Chunk, largest: int, frames: int) -> None:
    """Sums of squares that int64 might not hold go on as float64."""
    if chunk.fractions:
        return
    chunk.squares_bound += largest**2 * frames
    if chunk.squares_bound > MOST_EXACT:
        chunk.image_squares = chunk.image_squares.astype(np.float64)
