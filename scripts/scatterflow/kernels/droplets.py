"""Droplets: connected groups of pixels that share the charge of one photon or of several.

Two thresholds, high >= low, per pixel. A good pixel of intensity I > 0 not above the maximum is

    strong   if I >= high
    marked   if it is strong, or I >= low and one of its four neighbours in the same tile is strong

and a droplet is a group of marked pixels that are connected through their edges, so that droplets that
touch by weak pixels only are one. This is the `droplet` of SLAC's smalldata_tools (thresholds
`threshold` and `thresholdLow`, `relabel` on), here found as connected components by union-find
(Wu, Otoo and Suzuki, Pattern Anal. Appl. 12 (2009) 117) over lists of the pixels above the low
threshold: the frame itself is read once, and all else costs as much as there are such pixels.

A frame of a detector with tiles, (tiles, rows, columns), is handed in as (tiles * rows, columns) with
the rows of a tile; pixels are numbered through all tiles, row by row. Droplets come in the order of their
first pixel, the pixels of a droplet in the order of their numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scatterflow.kernels.compiled import compiled


class Droplets(NamedTuple):
    """Memory for the droplets of one frame; what counts after `find_droplets` are its returned lengths.

    adu: sum of the intensities; npix; row, col: centre of mass in the tile; tile. The pixels of droplet d
    are pixel[start[d] : start[d + 1]] (numbers in the frame) with intensities `value`.
    """

    adu: np.ndarray
    npix: np.ndarray
    row: np.ndarray
    col: np.ndarray
    tile: np.ndarray
    start: np.ndarray
    pixel: np.ndarray
    value: np.ndarray


class Workspace(NamedTuple):
    """Lists of the pixels above the low threshold, while droplets are made of them.

    Of each pixel: its number, whether it is marked, the pixel above it in the list (-1: none), and its
    parent in the tree of its group, later its droplet. Of each row: where its pixels begin.
    """

    pixel: np.ndarray
    marked: np.ndarray
    above: np.ndarray
    parent: np.ndarray
    row_start: np.ndarray


def new_droplets(pixels: int, dtype: np.dtype) -> Droplets:
    """Memory for the droplets of a frame of so many pixels; what is not written costs nothing."""
    return Droplets(
        adu=np.empty(pixels, np.float64),
        npix=np.empty(pixels, np.int32),
        row=np.empty(pixels, np.float64),
        col=np.empty(pixels, np.float64),
        tile=np.empty(pixels, np.int32),
        start=np.empty(pixels + 2, np.int64),
        pixel=np.empty(pixels, np.int32),
        value=np.empty(pixels, dtype),
    )


def new_workspace(rows: int, columns: int) -> Workspace:
    """Memory for frames of so many rows, those of all tiles."""
    pixels = rows * columns
    return Workspace(
        pixel=np.empty(pixels + 1, np.int32),
        marked=np.empty(pixels, np.bool_),
        above=np.empty(pixels, np.int32),
        parent=np.empty(pixels, np.int32),
        row_start=np.empty(rows + 1, np.int64),
    )


def pixel_limits(threshold: np.ndarray, good: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Least intensities of a frame's type that reach `threshold` (float64), infinite in bad pixels.

    threshold and good: arrays that broadcast. Rounded up, so that I >= limit for just those I of `dtype`
    (float32 or float64) that are >= threshold.
    """
    with np.errstate(over="ignore"):
        limits = threshold.astype(dtype)
    limits = np.where(limits < threshold, np.nextafter(limits, np.array(np.inf, dtype)), limits)
    limits = np.maximum(limits, np.finfo(dtype).tiny)
    return np.ascontiguousarray(np.where(good & ~np.isnan(threshold), limits, np.inf), dtype)


@compiled
def find_droplets(frame, tile_rows, lowest, low, high, maximum, least, space, droplets):
    """Find the droplets of a frame; returns (droplets before the cut by `least`, after it, their pixels).

    frame: (rows, columns) float32 or float64, of several tiles one below the other, tile_rows each. low:
    `pixel_limits`, like frame; lowest: (rows,), its minimum in each row; high: like low, or (1, 1) if it is
    the same for all pixels. maximum: greatest intensity that counts; NaN never counts. least: droplets of
    a lower sum are left out. space, droplets: memory, the latter filled.
    """
    _mark(frame, lowest, low, maximum, space)
    _link(frame, tile_rows, high, space)
    _unite(space)
    found = _measure(frame, tile_rows, space, droplets)
    kept, pixels = _select(found, least, space, droplets)
    _list_pixels(frame, space, droplets)
    return found, kept, pixels


@compiled
def _mark(frame, lowest, low, maximum, space):
    """Pixels above the low threshold, row by row."""
    rows, columns = frame.shape
    pixel = space.pixel
    found = 0
    for row in range(rows):
        space.row_start[row] = found
        begin, first = row * columns, found
        limit = lowest[row]
        for column in range(columns):
            # Written always, kept or overwritten: a branch would be mispredicted at every photon.
            pixel[found] = begin + column
            found += frame[row, column] >= limit
        # Only now the limits of single pixels: few are read, and memory is what a frame waits for.
        last, found = found, first
        for at in range(first, last):
            column = pixel[at] - begin
            value = frame[row, column]
            pixel[found] = pixel[at]
            found += (value >= low[row, column]) & (value <= maximum)
    space.row_start[rows] = found


@compiled
def _link(frame, tile_rows, high, space):
    """Neighbours above, and which pixels are marked."""
    columns = frame.shape[1]
    pixel, marked, above, strong = space.pixel, space.marked, space.above, space.parent
    step = 0 if high.size == 1 else 1
    for row in range(frame.shape[0]):
        begin, end = space.row_start[row], space.row_start[row + 1]
        # No pixel of the last tile is above those of a tile's first row.
        upper, upper_end = space.row_start[max(row - 1, 0)], begin
        if row % tile_rows == 0:
            upper = upper_end
        for at in range(begin, end):
            number = pixel[at]
            column = number - row * columns
            strong[at] = frame[row, column] >= high[row * step, column * step]
            marked[at] = strong[at]
            while upper < upper_end and pixel[upper] < number - columns:
                upper += 1
            above[at] = -1
            if upper < upper_end and pixel[upper] == number - columns:
                above[at] = upper
                _spread(strong, marked, at, upper)
            if at > begin and pixel[at - 1] == number - 1:
                _spread(strong, marked, at, at - 1)


@compiled
def _spread(strong, marked, one, other):
    marked[one] |= strong[other] != 0
    marked[other] |= strong[one] != 0


@compiled
def _unite(space):
    """Trees of connected marked pixels; the root is the first pixel."""
    pixel, marked, above, parent = space.pixel, space.marked, space.above, space.parent
    for row in range(space.row_start.size - 1):
        begin, end = space.row_start[row], space.row_start[row + 1]
        for at in range(begin, end):
            parent[at] = at
            if not marked[at]:
                continue
            if at > begin and marked[at - 1] and pixel[at - 1] == pixel[at] - 1:
                parent[at] = _root(parent, at - 1)
            if above[at] >= 0 and marked[above[at]]:
                one, other = _root(parent, at), _root(parent, above[at])
                parent[max(one, other)] = min(one, other)


@compiled
def _root(parent, at):
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at


@compiled
def _measure(frame, tile_rows, space, droplets):
    """Sums of every droplet; `parent` becomes the droplet of each pixel, -1: none."""
    columns = frame.shape[1]
    pixel, marked, droplet_of = space.pixel, space.marked, space.parent
    found = 0
    for row in range(frame.shape[0]):
        tile = row // tile_rows
        row_in_tile = row - tile * tile_rows
        for at in range(space.row_start[row], space.row_start[row + 1]):
            if not marked[at]:
                droplet_of[at] = -1
                continue
            column = pixel[at] - row * columns
            if droplet_of[at] == at:
                d, found = found, found + 1
                droplets.tile[d] = tile
                droplets.npix[d] = 0
                droplets.adu[d], droplets.row[d], droplets.col[d] = 0.0, 0.0, 0.0
            else:
                # The parent comes earlier in the list and has its droplet already.
                d = droplet_of[droplet_of[at]]
            droplet_of[at] = d
            value = np.float64(frame[row, column])
            droplets.adu[d] += value
            droplets.row[d] += value * row_in_tile
            droplets.col[d] += value * column
            droplets.npix[d] += 1
    return found


@compiled
def _select(found, least, space, droplets):
    """Leave out faint droplets; `start` is one place late, for `_list_pixels`; (droplets, pixels)."""
    start, droplet_of = droplets.start, space.parent
    kept, pixels = 0, 0
    number = space.above  # of no use any more
    start[0] = 0
    for d in range(found):
        adu = droplets.adu[d]
        if adu < least:
            number[d] = -1
            continue
        number[d] = kept
        droplets.adu[kept] = adu
        droplets.row[kept] = droplets.row[d] / adu
        droplets.col[kept] = droplets.col[d] / adu
        droplets.npix[kept] = droplets.npix[d]
        droplets.tile[kept] = droplets.tile[d]
        start[kept + 1] = pixels
        pixels += droplets.npix[kept]
        kept += 1
    for at in range(space.row_start[space.row_start.size - 1]):
        if droplet_of[at] >= 0:
            droplet_of[at] = number[droplet_of[at]]
    return kept, pixels


@compiled
def _list_pixels(frame, space, droplets):
    columns = frame.shape[1]
    for row in range(frame.shape[0]):
        for at in range(space.row_start[row], space.row_start[row + 1]):
            d = space.parent[at]
            if d >= 0:
                place = droplets.start[d + 1]
                droplets.pixel[place] = space.pixel[at]
                droplets.value[place] = frame[row, space.pixel[at] - row * columns]
                droplets.start[d + 1] = place + 1


@compiled
def droplet_shapes(droplets, first, last, tile_rows, columns, box, moments):
    """Bounding boxes and second central moments of droplets first..last-1.

    box: (droplets, 4) int32, first row, first column, last row, last column in the tile. moments:
    (droplets, 3) float64, weighted by intensity, pixels²: variance of the rows, covariance, variance of
    the columns.
    """
    for d in range(first, last):
        box[d, 0], box[d, 1], box[d, 2], box[d, 3] = tile_rows, columns, -1, -1
        moments[d] = 0.0
        for at in range(droplets.start[d], droplets.start[d + 1]):
            row = droplets.pixel[at] // columns - droplets.tile[d] * tile_rows
            column = droplets.pixel[at] % columns
            box[d, 0], box[d, 2] = min(box[d, 0], row), max(box[d, 2], row)
            box[d, 1], box[d, 3] = min(box[d, 1], column), max(box[d, 3], column)
            weight = droplets.value[at] / droplets.adu[d]
            row_off, column_off = row - droplets.row[d], column - droplets.col[d]
            moments[d, 0] += weight * row_off * row_off
            moments[d, 1] += weight * row_off * column_off
            moments[d, 2] += weight * column_off * column_off
