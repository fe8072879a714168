"""Photons of droplets by the greedy guess; lists of photons, maps and shares of pixels with k photons.

The guess is `droplet2Photons` of SLAC's smalldata_tools. A droplet of sum S, at A ADU a photon, holds n
photons, where k A - A/2 <= S for k = 0..n. One photon is at the droplet's centre of mass; in a droplet of one
pixel all are there. Otherwise, in units of A: every pixel first gives the whole part of its intensity;
then, until there are n, the pixel of the greatest remaining fraction f (the first of equal ones) gives one,
which sits t = 1 - f pixels off towards the neighbour that has most left: up if this has more than all three
others, then down, left, else right. The pixel is empty then, and the neighbour has t less, not below 0.

Photon maps put a photon at the pixel of its position rounded by floor(x + 1/2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scatterflow.kernels.compiled import compiled


class Photons(NamedTuple):
    """Memory for the photons of one frame: position in the tile, in pixels (centres are whole), and tile."""

    row: np.ndarray
    col: np.ndarray
    tile: np.ndarray


class Fractions(NamedTuple):
    """What the pixels of a droplet have left, by number of the pixel, and a heap of these pixels."""

    left: np.ndarray
    heap: np.ndarray
    key: np.ndarray


def new_photons(number: int) -> Photons:
    """Memory for so many photons; what is not written costs nothing."""
    return Photons(np.empty(number), np.empty(number), np.empty(number, np.int32))


def new_fractions(pixels: int) -> Fractions:
    """Memory for frames of so many pixels."""
    return Fractions(np.zeros(pixels), np.empty(pixels, np.int32), np.empty(pixels))


@compiled
def photons_in(adu, adu_per_photon):
    """Number of photons in a droplet of this sum, float64."""
    number = np.floor(adu / adu_per_photon + 0.5)
    # The boundary itself decides, not a rounded quotient.
    if number * adu_per_photon - adu_per_photon / 2 > adu:
        number -= 1
    elif (number + 1) * adu_per_photon - adu_per_photon / 2 <= adu:
        number += 1
    return max(number, 0.0)


@compiled
def count_guessed(droplets, kept, adu_per_photon):
    """Photons in the first `kept` droplets, float64 since a damaged pixel may stand for any number."""
    total = 0.0
    for d in range(kept):
        total += photons_in(droplets.adu[d], adu_per_photon)
    return total


@compiled
def guess_photons(droplets, kept, adu_per_photon, tile_rows, columns, space, photons):
    """Photons of the first `kept` droplets by the greedy guess; returns their number.

    photons: memory for at least `count_guessed`, filled in the order of the droplets. space: `left` is 0
    before and after.
    """
    found = 0
    for d in range(kept):
        number = np.int64(photons_in(droplets.adu[d], adu_per_photon))
        if number == 0:
            continue
        if number == 1 or droplets.npix[d] == 1:
            for _ in range(number):
                _put(photons, found, droplets.row[d], droplets.col[d], droplets.tile[d])
                found += 1
            continue
        found = _guess(
            droplets, d, number, adu_per_photon, tile_rows, columns, space, photons, found
        )
    return found


@compiled
def _put(photons, at, row, column, tile):
    photons.row[at] = row
    photons.col[at] = column
    photons.tile[at] = tile


@compiled
def _guess(droplets, d, number, adu_per_photon, tile_rows, columns, space, photons, found):
    """Photons of a droplet of several photons and pixels, from place `found` on; returns the next place."""
    begin, size = droplets.start[d], droplets.npix[d]
    tile = droplets.tile[d]
    first_row = tile * tile_rows
    left = space.left
    for i in range(size):
        pixel = droplets.pixel[begin + i]
        share = np.float64(droplets.value[begin + i]) / adu_per_photon
        whole = np.floor(share)
        left[pixel] = share - whole
        space.heap[i], space.key[i] = pixel, share - whole
        for _ in range(np.int64(whole)):
            _put(photons, found, pixel // columns - first_row, pixel % columns, tile)
            found += 1
            number -= 1
    if number > 0:
        for i in range(size // 2 - 1, -1, -1):
            _sink(space, i, size)
    for _ in range(number):
        _place_brightest(space, size, first_row, tile_rows, columns, tile, photons, found)
        found += 1
    for i in range(size):
        left[droplets.pixel[begin + i]] = 0.0
    return found


@compiled
def _place_brightest(space, size, first_row, tile_rows, columns, tile, photons, at):
    left = space.left
    # A pixel that a photon took from stands too high in the heap: it sinks when it comes to the top.
    while left[space.heap[0]] != space.key[0]:
        space.key[0] = left[space.heap[0]]
        _sink(space, 0, size)
    pixel = space.heap[0]
    row, column = pixel // columns - first_row, pixel % columns
    up = left[pixel - columns] if row > 0 else 0.0
    down = left[pixel + columns] if row < tile_rows - 1 else 0.0
    before = left[pixel - 1] if column > 0 else 0.0
    after = left[pixel + 1] if column < columns - 1 else 0.0
    away = 1.0 - left[pixel]
    left[pixel] = 0.0
    if up > max(down, before, after):
        left[pixel - columns] = max(up - away, 0.0)
        _put(photons, at, row - away, column, tile)
    elif down > max(up, before, after):
        left[pixel + columns] = max(down - away, 0.0)
        _put(photons, at, row + away, column, tile)
    elif before > max(up, down, after):
        left[pixel - 1] = max(before - away, 0.0)
        _put(photons, at, row, column - away, tile)
    else:
        if after > 0:
            left[pixel + 1] = max(after - away, 0.0)
        _put(photons, at, row, column + away, tile)


@compiled
def _sink(space, at, size):
    """Let an entry of the heap sink; on top is the greatest key, of equal ones the first pixel."""
    heap, key = space.heap, space.key
    pixel, own = heap[at], key[at]
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _precedes(key[child + 1], heap[child + 1], key[child], heap[child]):
            child += 1
        if not _precedes(key[child], heap[child], own, pixel):
            break
        heap[at], key[at] = heap[child], key[child]
        at = child
    heap[at], key[at] = pixel, own


@compiled
def _precedes(key, pixel, other_key, other_pixel):
    return key > other_key or (key == other_key and pixel < other_pixel)


@compiled
def add_photons(row, col, tile, counts, first, last, photon_map):
    """Add `counts` of the photons first..last-1 to their pixels; returns how many lie outside of the frame.

    row, col: float64; tile: int32; counts: photons of each entry, integers; photon_map: (tiles, rows,
    columns), integers. The greedy guess may put a photon of an edge pixel outside: it is not in the map.
    """
    outside = 0
    _, rows, columns = photon_map.shape
    for at in range(first, last):
        r, c = np.floor(row[at] + 0.5), np.floor(col[at] + 0.5)
        if 0 <= r < rows and 0 <= c < columns:
            photon_map[tile[at], np.int64(r), np.int64(c)] += counts[at]
        else:
            outside += counts[at]
    return outside


@compiled
def count_pixels(photons, found, good, photon_map, pixels):
    """Count the good pixels with k photons in pixels[k]; returns the photons in good pixels.

    Of the first `found` photons. good: (tiles, rows, columns) bool; photon_map: like it, integers, 0
    before and after; pixels: (classes,) int64, before: the number of good pixels, then 0. Pixels of more
    photons than there are classes are in none.
    """
    _, rows, columns = photon_map.shape
    total = np.int64(0)
    for adding in (True, False):
        for at in range(found):
            r, c = np.floor(photons.row[at] + 0.5), np.floor(photons.col[at] + 0.5)
            if not (0 <= r < rows and 0 <= c < columns):
                continue
            place = photons.tile[at], np.int64(r), np.int64(c)
            if adding:
                photon_map[place] += 1
                continue
            count = np.int64(photon_map[place])
            photon_map[place] = 0
            if count > 0 and good[place]:
                total += count
                pixels[0] -= 1
                if count < pixels.size:
                    pixels[count] += 1
    return total
