"""Photon map by the two-pixel rule, psana's `photons` (ImgAlgos, also `photon` in smalldata_tools).

With v = I / A (0 where the pixel is bad or v <= 0), every pixel has the whole part of v as photons
and a fraction f. A pixel whose fraction is a maximum of its row and of its column and at least 1/2
takes the brightest unused one of its four neighbours: if both fractions reach `pair_fraction` together,
there is one photon more, and both are used.

Maxima of a line are found in one scan: the first pixel is one if it is greater than the second; then,
for each inner pixel: if the next is greater, go on; else if the one before is greater, skip one; else it is
one, skip one; the last pixel is one if it is greater than the one before. Candidates are taken in the order
inner pixels, left edge, right edge, top, bottom, corners (bottom left, bottom right, top left, top right).
Of equal neighbours the last of up, down, left, right is taken.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scatterflow.kernels.compiled import compiled

MOST = 65535
"""Photons from which on all pixels share the last count of a map."""
_ROW_MAXIMUM, _COLUMN_MAXIMUM, _USED = 1, 2, 4


class PairSpace(NamedTuple):
    """Fractions of the pixels of one tile, and marks of what they are."""

    fraction: np.ndarray
    mark: np.ndarray


def new_pair_space(rows: int, columns: int) -> PairSpace:
    """Memory for tiles of this shape."""
    return PairSpace(np.empty((rows, columns), np.float32), np.empty((rows, columns), np.uint8))


@compiled
def pair_photons(tile, good, adu_per_photon, pair_fraction, least, space, photon_map):
    """Photon map of one tile; returns the photons in it.

    tile: (rows, columns) float32 or float64; good: bool; least: intensities below it count as 0; photon_map:
    (rows, columns) uint16, filled.
    """
    _split(tile, good, adu_per_photon, least, space, photon_map)
    rows, columns = tile.shape
    for row in range(rows):
        _mark_maxima(space.fraction[row], space.mark[row], np.uint8(_ROW_MAXIMUM))
    for column in range(columns):
        _mark_maxima(space.fraction[:, column], space.mark[:, column], np.uint8(_COLUMN_MAXIMUM))
    _pair(space, 1, rows - 1, 1, columns - 1, pair_fraction, photon_map)
    bottom, right = rows - 1, columns - 1
    _pair(space, 1, bottom, 0, min(1, columns), pair_fraction, photon_map)
    _pair(space, 1, bottom, max(right, 1), columns, pair_fraction, photon_map)
    _pair(space, 0, min(1, rows), 1, right, pair_fraction, photon_map)
    _pair(space, max(bottom, 1), rows, 1, right, pair_fraction, photon_map)
    for row in (bottom, 0):
        for column in (0, right):
            _pair(space, row, row + 1, column, column + 1, pair_fraction, photon_map)
    total = np.int64(0)
    for row in range(rows):
        for column in range(columns):
            total += photon_map[row, column]
    return total


@compiled
def _split(tile, good, adu_per_photon, least, space, photon_map):
    for row in range(tile.shape[0]):
        for column in range(tile.shape[1]):
            value = np.float64(tile[row, column])
            share = value / adu_per_photon
            space.mark[row, column] = 0
            # Not NaN either.
            if not (good[row, column] and share > 0 and value >= least):
                photon_map[row, column], space.fraction[row, column] = 0, 0
                continue
            whole = np.floor(share)
            if whole >= MOST:
                photon_map[row, column], space.fraction[row, column] = MOST, 0
                continue
            photon_map[row, column] = np.uint16(whole)
            space.fraction[row, column] = np.float32(share - whole)


@compiled
def _mark_maxima(line, mark, bit):
    """Mark the maxima of a line of fractions, as one scan finds them."""
    last = line.size - 1
    if last < 1:
        return
    at = 1
    if line[0] > line[1]:
        mark[0] |= bit
        at = 2
    while at < last:
        if line[at + 1] > line[at]:
            at += 1
            continue
        if not line[at - 1] > line[at]:
            mark[at] |= bit
        at += 2
    if line[last] > line[last - 1]:
        mark[last] |= bit


@compiled
def _pair(space, row_begin, row_end, column_begin, column_end, pair_fraction, photon_map):
    """Candidates of a part of the tile, with their brightest unused neighbours."""
    fraction, mark = space.fraction, space.mark
    rows, columns = fraction.shape
    both = _ROW_MAXIMUM | _COLUMN_MAXIMUM
    for row in range(row_begin, row_end):
        for column in range(column_begin, column_end):
            if mark[row, column] & both != both or fraction[row, column] < 0.5:
                continue
            brightest, at_row, at_column = np.float32(0), -1, -1
            for r, c in (
                (row - 1, column),
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
            ):
                if not (0 <= r < rows and 0 <= c < columns) or mark[r, c] & _USED:
                    continue
                if fraction[r, c] >= brightest:
                    brightest, at_row, at_column = fraction[r, c], r, c
            if np.float64(fraction[row, column]) + np.float64(brightest) < pair_fraction:
                continue
            if photon_map[row, column] < MOST:
                photon_map[row, column] += np.uint16(1)
            mark[row, column] |= np.uint8(_USED)
            if at_row >= 0:
                mark[at_row, at_column] |= np.uint8(_USED)
