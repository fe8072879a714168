"""One tile of sixteen frames, added to the sums of all integrations: the inner loops of `azimuthal`.

Values out of range are 0 in the scratch and their factor is 0, so that the plain loops leave them out; a tile
in which a pixel of some bin is invalid, or that has a dead time, takes the loops with factors, which give
the same bits where all factors are 1.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from scatterflow.kernels.compiled import compiled
from scatterflow.kernels.lanes import add_entries, add_weighted_entries, load_lanes, pointer_to
from scatterflow.kernels.moments import add_floats
from scatterflow.kernels.sizes import LANES, TILE

# Columns of the table of addresses: the arrays of Tiles in their order, then those by pixel.
(
    _TILE_START,
    _GROUP_BIN,
    _GROUP_START,
    _PIXEL,
    _COEFFICIENT,
    _WEIGHT,
    _DARK,
    _DARK_VARIANCE,
) = range(8)


@compiled
def _pad(rows, at, width, frames, edge):
    """A tile at the edge of the detector or of the run, filled up with zeros."""
    for lane in range(LANES):
        padded = edge[lane]
        padded[:] = 0
        if lane < frames:
            padded[:width] = rows[lane, at : at + width]


@compiled
def _load_tile(rows, at, pixel, low, high, values, total, beyond):
    """Values of a tile that begins with `pixel`, frame beside frame.

    beyond: gets whether any of sixteen pixels is out of range. Returns whether any of the tile is.
    """
    found = False
    for i in range(0, TILE, LANES):
        beyond[i // LANES] = load_lanes(rows, at + i, low, high, values, pixel + i, total)
        found |= beyond[i // LANES]
    return found


@compiled(error_model="numpy")
def _set_factors(rows, at, width, frames, dead, factors):
    """What the dead time makes of every value."""
    for lane in range(LANES):
        for i in range(width):
            factors[i, lane] = 1.0
    for lane in range(frames):
        row = rows[lane, at : at + width]
        if dead[lane] > 0.0:
            for i in range(row.size):
                factors[i, lane] = 1.0 / (1.0 - dead[lane] * row[i])


@compiled
def _mark_invalid(
    rows, at, width, frames, pixel, low, high, dead, used, beyond, factors, bad, invalid
):
    """Factor 0 for every value that is out of range, or at which the counter was dead all the time.

    bad: gets a bit per frame for every pixel; invalid: counts values out of range. Returns whether a pixel
    that a target uses is invalid.
    """
    found = False
    for group in range((width + LANES - 1) // LANES):
        if not beyond[group]:
            continue
        begin = group * LANES
        for lane in range(frames):
            row = rows[lane, at + begin : at + min(begin + LANES, width)]
            for j in range(row.size):
                i = begin + j
                within = (row[j] >= low) & (row[j] <= high)
                if not within:
                    invalid[pixel + i] += np.uint32(1)
                elif not dead[lane] * row[j] >= 1.0:
                    continue
                if used[pixel + i]:
                    factors[i, lane] = 0.0
                    bad[i] |= 1 << lane
                    found = True
    return found


@compiled
def _note_losses(
    tile_start, group_bin, group_start, pixel, coefficient, weight, dark, dark_variance,
    has_dark, has_dark_variance, tile, first_bin, bad, sums, lost,
):  # fmt: skip
    """Add c w of every invalid pixel of a tile to `lost`, and the number of matrix entries; the dark counts
    that are subtracted in the end are added, since the pixel was not."""
    found = False
    for group in range(tile_start[tile], tile_start[tile + 1]):
        row = first_bin + group_bin[group]
        for k in range(group_start[group], group_start[group + 1]):
            bits = bad[pixel[k]]
            if bits == 0:
                continue
            found = True
            p = tile * TILE + pixel[k]
            share = np.float64(coefficient[k])
            for lane in range(LANES):
                if bits >> lane & 1:
                    lost[row, 0, lane] += share * weight[p]
                    lost[row, 1, lane] += 1.0
                    if has_dark:
                        sums[row, 0, lane] += share * dark[p]
                    if has_dark_variance:
                        sums[row, 1, lane] -= share * share * dark_variance[p]
    return found


@compiled
def add_tile(
    rows, at, width, tile, frames, low, high, dead, table, first_bins, floors,
    used, values, factors, bad, beyond, edge, sums, lost, total, rest, invalid,
):  # fmt: skip
    """Integrate pixels at..at + width - 1 of rows (>= frames, columns), which are tile number `tile`.

    Returns whether a pixel that belongs to a bin was invalid.
    """
    pixel = tile * TILE
    if frames < LANES or width < TILE:
        _pad(rows, at, width, frames, edge)
        out_of_range = _load_tile(edge, 0, pixel, low, high, values, total, beyond)
    else:
        out_of_range = _load_tile(rows, at, pixel, low, high, values, total, beyond)
    add_floats(rows, at, width, frames, low, high, pixel, total, rest)
    weighted = dead.max() > 0.0
    if weighted:
        _set_factors(rows, at, width, frames, dead, factors)
        beyond[:] = True  # any value may be one at which the counter was dead
    unusable = False
    if weighted or out_of_range:
        unusable = _mark_invalid(
            rows, at, width, frames, pixel, low, high, dead, used, beyond, factors, bad, invalid
        )
        weighted |= unusable
    found = False
    for task in range(table.shape[0]):
        place = table[task]
        tile_start = carray(pointer_to(place[_TILE_START], np.int64), tile + 2)
        first, last = tile_start[tile], tile_start[tile + 1]
        group_bin = carray(pointer_to(place[_GROUP_BIN], np.int32), last)
        group_start = carray(pointer_to(place[_GROUP_START], np.int64), last + 1)
        entries = group_start[last]
        pixels = carray(pointer_to(place[_PIXEL], np.uint16), entries)
        coefficient = carray(pointer_to(place[_COEFFICIENT], np.float32), entries)
        first_bin = first_bins[task]
        floor = floors[task]
        if weighted:
            for group in range(first, last):
                add_weighted_entries(
                    sums, np.int64(first_bin + group_bin[group]), values, factors, pixels, coefficient,
                    group_start[group], group_start[group + 1], floor,
                )  # fmt: skip
        else:
            for group in range(first, last):
                add_entries(
                    sums, np.int64(first_bin + group_bin[group]), values, factors, pixels, coefficient,
                    group_start[group], group_start[group + 1], floor,
                )  # fmt: skip
        if unusable:
            size = used.size
            found |= _note_losses(
                tile_start, group_bin, group_start, pixels, coefficient,
                carray(pointer_to(place[_WEIGHT], np.float64), size),
                carray(pointer_to(place[_DARK], np.float64), size),
                carray(pointer_to(place[_DARK_VARIANCE], np.float64), size),
                place[_DARK] != 0, place[_DARK_VARIANCE] != 0,
                tile, first_bin, bad, sums, lost,
            )  # fmt: skip
    if weighted:
        factors[:] = 1.0
        bad[:] = 0
    return found
