"""Stored values of frames to ADU or photons, tile by tile while a tile is in the cache.

    value = (stored - pedestal_m - common mode) factor_m        m: gain mode, told by bits of the stored word

Common mode: the baseline that pixels read out together share, shot by shot. In blocks of a tile, one after
the other (a row, a column, a bank of either), the median of the pixels without a photon is taken off, as the
corrections of ePix, CsPad and Icarus cameras at LCLS do. Pixels beyond a level (of either sign, so that the
noise is cut evenly), bad ones and those in another gain mode do not count; a block with too few of the
others, or of too large a median, is left as it is and counted.

Arithmetic is float64, constants and results are float32. Bad pixels are 0; a good pixel that cannot be
told in one frame (gain bits that mean nothing, NaN, no constants of its gain mode) is NaN there, and counted.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from scatterflow.kernels.compiled import compiled

INSERTION = 12
"""Of so few values the middle is found by sorting."""


def split_word(stored, value_mask, gain_mask, gain_shift, mode_of_bits):
    """Value and gain mode of a stored word, in compiled code; -1: bits that mean nothing."""
    raise NotImplementedError


@overload(split_word)
def _choose_split_word(stored, value_mask, gain_mask, gain_shift, mode_of_bits):
    return _split_integer if isinstance(stored, types.Integer) else _split_float


def _split_integer(stored, value_mask, gain_mask, gain_shift, mode_of_bits):
    word = np.int64(stored)
    return np.float64(word & value_mask), mode_of_bits[(word & gain_mask) >> gain_shift]


def _split_float(stored, value_mask, gain_mask, gain_shift, mode_of_bits):
    return np.float64(stored), mode_of_bits[0]


@compiled
def calibrate_frames(
    stored, first, last, value_mask, gain_mask, gain_shift, mode_of_bits, pedestal, factor, good, level,
    neighbours, blocks, least, largest, mode, usable, lists, counts, shifts, out, invalid, uncorrected,
):  # fmt: skip
    """Calibrate frames first..last-1.

    stored: (n, tiles, rows, columns) integer or float. value_mask, gain_mask, gain_shift: int64;
    mode_of_bits: int8, mode of each value of the gain bits, -1 none; gain_mask 0: all are mode 0 and the
    value is the word. pedestal, factor: (modes, tiles, rows, columns) float32. good: (tiles, rows,
    columns) bool. level: the same shape, float32, ADU. neighbours: whether the four beside a pixel beyond its
    level do not count either. blocks: (steps, 2) int64, rows and columns of the blocks; least: (steps,)
    int64, pixels that a median needs; largest: float64, ADU. mode: (rows, columns) int8, usable: (rows,
    columns) bool, lists: (blocks side by side x pixels of one, of any step) float32, counts: (columns,)
    int64, shifts: (columns,) float64, all of this thread. out: (n, tiles, rows, columns) float32. invalid,
    uncorrected: (n,) int64, good pixels that are NaN, blocks without a correction.
    """
    for frame in range(first, last):
        invalid[frame] = 0
        uncorrected[frame] = 0
        for tile in range(stored.shape[1]):
            own = out[frame, tile]
            if gain_mask == 0:
                _subtract_pedestal(stored[frame, tile], pedestal[0, tile], own)
                mode[:] = 0
            else:
                _subtract_pedestal_of_mode(
                    stored[frame, tile], value_mask, gain_mask, gain_shift, mode_of_bits,
                    pedestal[:, tile], mode, own,
                )  # fmt: skip
            if blocks.shape[0] > 0:
                _mark_usable(own, mode, good[tile], level[tile], neighbours, usable)
            for step in range(blocks.shape[0]):
                uncorrected[frame] += _subtract_medians(
                    own, mode, usable, blocks[step, 0], blocks[step, 1], least[step], largest, lists,
                    counts, shifts,
                )  # fmt: skip
            invalid[frame] += _scale(mode, factor[:, tile], good[tile], own)


@compiled
def _subtract_pedestal(stored, pedestal, out):
    for row in range(stored.shape[0]):
        for column in range(stored.shape[1]):
            level = np.float64(pedestal[row, column])
            out[row, column] = np.float32(np.float64(stored[row, column]) - level)


@compiled
def _subtract_pedestal_of_mode(
    stored, value_mask, gain_mask, gain_shift, mode_of_bits, pedestal, mode, out
):
    for row in range(stored.shape[0]):
        for column in range(stored.shape[1]):
            value, m = split_word(
                stored[row, column], value_mask, gain_mask, gain_shift, mode_of_bits
            )
            mode[row, column] = m
            level = np.float64(pedestal[max(m, 0), row, column])
            out[row, column] = np.float32(value - level)


@compiled
def _mark_usable(values, mode, good, level, neighbours, usable):
    rows, columns = values.shape
    for row in range(rows):
        for column in range(columns):
            within = abs(values[row, column]) <= level[row, column]
            usable[row, column] = good[row, column] and mode[row, column] == 0 and within
    if not neighbours:
        return
    for row in range(rows):
        for column in range(columns):
            if good[row, column] and values[row, column] > level[row, column]:
                usable[max(row - 1, 0), column] = False
                usable[min(row + 1, rows - 1), column] = False
                usable[row, max(column - 1, 0)] = False
                usable[row, min(column + 1, columns - 1)] = False


@compiled
def _subtract_medians(
    values, mode, usable, block_rows, block_columns, least, largest, lists, counts, shifts
):
    """Take the median off each block; returns how many blocks were left as they are.

    Blocks beside each other are gathered together, row by row, as the memory lies.
    """
    left = 0
    rows, columns = values.shape
    across = (columns + block_columns - 1) // block_columns
    size = block_rows * block_columns
    for top in range(0, rows, block_rows):
        bottom = min(top + block_rows, rows)
        counts[:across] = 0
        for row in range(top, bottom):
            for block in range(across):
                count, start = counts[block], block * size
                begin = block * block_columns
                for column in range(begin, min(begin + block_columns, columns)):
                    lists[start + count] = values[row, column]
                    count += usable[row, column]
                counts[block] = count
        for block in range(across):
            middle = np.nan
            if counts[block] >= max(least, 1):
                middle = median(lists[block * size : (block + 1) * size], counts[block])
            found = abs(middle) <= largest
            left += not found
            begin = block * block_columns
            shifts[begin : begin + block_columns] = middle if found else 0.0
        for row in range(top, bottom):
            for column in range(columns):
                shift = shifts[column] if mode[row, column] == 0 else 0.0
                values[row, column] = np.float32(np.float64(values[row, column]) - shift)
    return left


@compiled
def _scale(mode, factor, good, values):
    invalid = 0
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            if not good[row, column]:
                values[row, column] = 0.0
                continue
            m = mode[row, column]
            if m >= 0:
                scaled = np.float64(values[row, column]) * np.float64(factor[m, row, column])
                values[row, column] = np.float32(scaled)
            else:
                values[row, column] = np.nan
            if not np.isfinite(values[row, column]):
                values[row, column] = np.nan
                invalid += 1
    return invalid


@compiled
def median(values, count):
    """Median of values[:count], count above 0, as float64; their order is lost."""
    middle = count // 2
    upper = select(values, count, middle)
    if count % 2 == 1:
        return np.float64(upper)
    lower = values[0]  # all before the middle are not above it
    for i in range(1, middle):
        lower = max(lower, values[i])
    return 0.5 * (np.float64(lower) + np.float64(upper))


@compiled
def select(values, count, rank):
    """The value that is `rank`-th, from 0, of values[:count] in order; none before its place is above it.

    Hoare's algorithm 65, Comm. ACM 4 (1961) 321, the pivot a median of three. What goes before the pivot
    is moved without a branch: of noise none can be foretold.
    """
    low, high = 0, count - 1
    while high - low >= INSERTION:
        a, b, c = values[low], values[(low + high) // 2], values[high]
        pivot = max(min(a, b), min(max(a, b), c))
        below = low
        for i in range(low, high + 1):
            value = values[i]
            values[i] = values[below]
            values[below] = value
            below += value < pivot
        if rank < below:
            high = below - 1
            continue
        upto = below
        for i in range(below, high + 1):
            value = values[i]
            values[i] = values[upto]
            values[upto] = value
            upto += value <= pivot
        if rank < upto:
            return values[rank]
        low = upto
    for i in range(low + 1, high + 1):
        value, j = values[i], i - 1
        while j >= low and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value
    return values[rank]
