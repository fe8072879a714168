"""Unpacking of 64-bit event words; their bits: `scatterflow.kernels.event_bits`."""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled
from scatterflow.kernels.event_bits import (
    BEYOND,
    COUNT_MASK,
    FRAME_SHIFT,
    NOT_ASCENDING,
    PIXEL_MASK,
    PIXEL_SHIFT,
    SOUND,
)


@compiled
def unpack_words(
    words: np.ndarray,
    frames: tuple[int, int],
    pixel_mask: int,
    shape: tuple[int, int],
    by_columns: bool,
    frame: np.ndarray,
    pixel: np.ndarray,
    count: np.ndarray,
) -> tuple[int, int]:
    """Unpack the words of frames frames[0]..frames[1]-1, (n,) uint64.

    pixel_mask: bits of the index that count; shape: (rows, columns) of the module; by_columns: its pixels
    are numbered column by column.
    Fills frame (n,) int64, counted from frames[0], pixel (n,) int64, row by row, count (n,) uint32.
    Returns (SOUND, n), or what is wrong with which word: NOT_ASCENDING, its frame is less than that
    before or out of the range; BEYOND, its index is beyond the module.
    """
    start, stop = frames
    rows, columns = shape
    pixels = rows * columns
    before = np.int64(0)
    for i in range(words.size):
        word = words[i]
        number = np.int64(word >> np.uint64(FRAME_SHIFT)) - start
        index = np.int64((word >> np.uint64(PIXEL_SHIFT)) & np.uint64(PIXEL_MASK)) & pixel_mask
        if number < before or number >= stop - start:
            return NOT_ASCENDING, i
        if index >= pixels:
            return BEYOND, i
        if by_columns:
            index = index % rows * columns + index // rows
        before = number
        frame[i] = number
        pixel[i] = index
        count[i] = np.uint32(word & np.uint64(COUNT_MASK))
    return SOUND, words.size
