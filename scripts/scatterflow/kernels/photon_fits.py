"""Photons in the pixels where they most probably were absorbed, by a model of the charge cloud.

A photon frees a cloud of charge, in projection a Gaussian of standard deviation `cloud` pixels around
where it was absorbed, so that a pixel (r, c) at offsets (x, y) from there collects

    T = [Phi((r + 1/2 - x) / cloud) - Phi((r - 1/2 - x) / cloud)] [the same of c, y]

of it. Its place within the pixel is unknown, each equally probable: along each direction the places are
gathered to a few classes by how much goes over an edge, each with its mean shares and its probability p.
Of the frame v in photons, with noise sigma and mean density k photons a pixel, the most probable photons make

    E = sum over good pixels (v - sum of T)²  -  2 sigma² sum over photons ln(k p_x p_y)

least. It is looked for from the rounded pixels on: each photon in turn, unless it leaves nothing to
explain where it is, is taken out and put back at the best of its pixel and the eight around it, in the best
class, or left out if the frame is more probable without it; then a photon is added wherever that makes
the frame more probable; all this `SWEEPS` times. Starting from whole pixels matters: photons added one by
one, best first, settle on edges between pixels.

Every step depends on the frame alone, in the order of the droplets' pixels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from scatterflow.kernels.compiled import compiled

CLASSES = 5
"""Classes of the place within a pixel, along each direction."""
SWEEPS = 2
_FINE = 2000
# A photon that was absorbed here leaves more than this behind, in photons and in noise.
_LEAST_SHARE, _LEAST_NOISE = 0.2, 1.0
# Residuals, in noise, at which a photon that shares next to nothing stays where it is.
_QUIET = 1.5


class Cloud(NamedTuple):
    """Classes of the place within a pixel along one direction.

    share: (classes, 3) float32, mean shares of the pixel before, the own and the next; square: (classes,)
    float32, sum of their squares; cost: (classes,) float32, -2 sigma² ln p; offset: (classes,) mean place
    from the pixel's centre; centre: the class of the photons that share least.
    """

    share: np.ndarray
    square: np.ndarray
    cost: np.ndarray
    offset: np.ndarray
    centre: int


class FitSpace(NamedTuple):
    """Memory for the frames of one shape and mask: tiles with a rim of one pixel, flat.

    weight: 1 for good pixels, else 0, rim included; whole: whether the 3 x 3 pixels around are all good;
    residual: the frame in photons less the photons found; dots: (3, classes); seed: where photons may be
    added.
    """

    weight: np.ndarray
    whole: np.ndarray
    residual: np.ndarray
    dots: np.ndarray
    seed: np.ndarray


class Placed(NamedTuple):
    """Memory for photons while they are moved: number in the flat frame with rims (-1: left out), classes."""

    pixel: np.ndarray
    row_class: np.ndarray
    column_class: np.ndarray


def charge_cloud(cloud: float, noise: float, classes: int = CLASSES) -> Cloud:
    """Classes for a cloud of this standard deviation (pixels) and noise (photons)."""
    place = (np.arange(_FINE) + 0.5) / _FINE - 0.5
    before, after = _beyond((place + 0.5) / cloud), _beyond((0.5 - place) / cloud)
    number = np.clip(((after - before + 0.5) * classes).astype(int), 0, classes - 1)
    kept = np.unique(number)
    groups = [number == k for k in kept]
    share = np.array(
        [
            (before[g].mean(), 1 - before[g].mean() - after[g].mean(), after[g].mean())
            for g in groups
        ],
        np.float32,
    )
    return Cloud(
        share=share,
        square=(share**2).sum(axis=1),
        cost=np.array([-2 * noise**2 * math.log(g.mean()) for g in groups], np.float32),
        offset=np.array([place[g].mean() for g in groups]),
        centre=int(np.argmax(share[:, 1])),
    )


def _beyond(distance: np.ndarray) -> np.ndarray:
    """Share of a normal distribution that lies beyond so many standard deviations."""
    return np.array([0.5 * math.erfc(d / math.sqrt(2)) for d in distance])


def new_fit_space(good: np.ndarray, cloud: Cloud) -> FitSpace:
    """Memory for frames with this mask, (tiles, rows, columns) bool."""
    weight = np.pad(good.astype(np.float32), ((0, 0), (1, 1), (1, 1)))
    whole = np.zeros(weight.shape, np.bool_)
    inner = weight > 0
    rows, columns = weight.shape[1:]
    around = [
        inner[:, 1 + r : rows - 1 + r, 1 + c : columns - 1 + c]
        for r in (-1, 0, 1)
        for c in (-1, 0, 1)
    ]
    whole[:, 1:-1, 1:-1] = np.logical_and.reduce(around)
    dots = np.empty((3, cloud.square.size), np.float32)
    return FitSpace(
        weight.ravel(),
        whole.ravel(),
        np.zeros(weight.size, np.float32),
        dots,
        np.empty(good.size, np.int32),
    )


def new_placed(number: int) -> Placed:
    """Memory for so many photons."""
    return Placed(*(np.empty(number, np.int32) for _ in range(3)))


@compiled
def count_fitted(droplets, pixels, adu_per_photon):
    """Greatest number of photons that `fit_photons` may need memory for, float64."""
    # Rounded as in `_fill_residual`, so that no photon is without memory.
    scale = np.float32(1 / adu_per_photon)
    total = SWEEPS * pixels + 0.0
    for at in range(pixels):
        total += np.floor(np.float32(droplets.value[at]) * scale + np.float32(0.5))
    return total


@compiled
def fit_photons(
    frame, good, tile_rows, maximum, droplets, pixels, adu_per_photon, noise, density, cloud, space,
    placed, photons,
):  # fmt: skip
    """Most probable photons around the pixels of the droplets of a frame; returns their number.

    frame: (rows, columns) of all tiles, float32 or float64; good: bool, like it; maximum: as for
    `find_droplets`; pixels: number of the droplets' pixels; noise: standard deviation of a pixel in photons;
    density: mean photons a pixel, above 0. placed, photons (`new_photons`): memory for
    `count_fitted`, the latter filled: pixel plus mean place of the class, tile.
    """
    columns = frame.shape[1]
    _fill_residual(frame, good, tile_rows, maximum, adu_per_photon, space.residual)
    width = columns + 2
    penalty = np.float32(-2 * noise**2 * np.log(density))
    quiet = np.float32(_QUIET * noise)
    least = np.float32(max(_LEAST_SHARE, _LEAST_NOISE * noise))
    for at in range(pixels):
        row = droplets.pixel[at] // columns
        space.seed[at] = droplets.pixel[at] + 2 * row + (2 * (row // tile_rows) + 1) * width + 1
    found = _round(pixels, cloud, space, width, placed)
    for _ in range(SWEEPS):
        for photon in range(found):
            if placed.pixel[photon] >= 0 and not _settled(
                photon, quiet, cloud, space, width, placed
            ):
                _move(photon, penalty, least, cloud, space, width, placed)
        found = _add(pixels, penalty, least, cloud, space, width, placed, found)
    return _list(tile_rows, width, cloud, placed, found, photons)


@compiled
def _fill_residual(frame, good, tile_rows, maximum, adu_per_photon, residual):
    rows, columns = frame.shape
    width = columns + 2
    scale = np.float32(1 / adu_per_photon)
    for row in range(rows):
        begin = (row + 2 * (row // tile_rows) + 1) * width + 1
        for column in range(columns):
            value = frame[row, column]
            usable = good[row, column] and value <= maximum and value >= -maximum
            residual[begin + column] = np.float32(value) * scale if usable else np.float32(0)


@compiled
def _round(pixels, cloud, space, width, placed):
    """Photons of the rounded pixels, in the class that shares least; returns their number."""
    found = 0
    for at in range(pixels):
        pixel = space.seed[at]
        for _ in range(np.int64(np.floor(space.residual[pixel] + np.float32(0.5)))):
            placed.pixel[found] = pixel
            placed.row_class[found] = cloud.centre
            placed.column_class[found] = cloud.centre
            found += 1
    for photon in range(found):
        _deposit(photon, np.float32(-1), cloud, space, width, placed)
    return found


@compiled
def _settled(photon, quiet, cloud, space, width, placed):
    """Whether a photon in the middle of its pixel leaves nothing to explain there and beside it."""
    if placed.row_class[photon] != cloud.centre or placed.column_class[photon] != cloud.centre:
        return False
    residual, pixel = space.residual, placed.pixel[photon]
    return (
        residual[pixel] > -quiet
        and max(residual[pixel - width], residual[pixel + width]) < quiet
        and max(residual[pixel - 1], residual[pixel + 1]) < quiet
    )


@compiled
def _move(photon, penalty, least, cloud, space, width, placed):
    """Put a photon where it makes the frame most probable, or leave it out."""
    own = placed.pixel[photon]
    _deposit(photon, np.float32(1), cloud, space, width, placed)
    energy, row_class, column_class = _best_class(own, cloud, space, width)
    place = own
    for r in range(-1, 2):
        for c in range(-1, 2):
            pixel = own + r * width + c
            if pixel == own or space.residual[pixel] < least or space.weight[pixel] == 0:
                continue
            other, other_row, other_column = _best_class(pixel, cloud, space, width)
            if other < energy:
                energy, row_class, column_class, place = other, other_row, other_column, pixel
    if energy > -penalty:
        placed.pixel[photon] = -1
        return
    placed.pixel[photon] = place
    placed.row_class[photon], placed.column_class[photon] = row_class, column_class
    _deposit(photon, np.float32(-1), cloud, space, width, placed)


@compiled
def _add(pixels, penalty, least, cloud, space, width, placed, found):
    """Add photons where they make the frame more probable; returns the number of all."""
    for at in range(pixels):
        pixel = space.seed[at]
        if space.residual[pixel] < least:
            continue
        energy, row_class, column_class = _best_class(pixel, cloud, space, width)
        if energy < -penalty:
            placed.pixel[found] = pixel
            placed.row_class[found], placed.column_class[found] = row_class, column_class
            _deposit(found, np.float32(-1), cloud, space, width, placed)
            found += 1
    return found


@compiled
def _best_class(pixel, cloud, space, width):
    """(change of E but for the density's part, row class, column class) of a photon more in this pixel."""
    residual, share, square, dots = space.residual, cloud.share, cloud.square, space.dots
    classes = square.size
    for r in range(3):
        at = pixel + (r - 1) * width
        left, own, right = residual[at - 1], residual[at], residual[at + 1]
        for k in range(classes):
            dots[r, k] = left * share[k, 0] + own * share[k, 1] + right * share[k, 2]
    whole = space.whole[pixel]
    best, row_class, column_class = np.float32(np.inf), 0, 0
    for i in range(classes):
        above, own, below = share[i, 0], share[i, 1], share[i, 2]
        for k in range(classes):
            size = square[i] * square[k] if whole else _size(pixel, i, k, cloud, space, width)
            dot = above * dots[0, k] + own * dots[1, k] + below * dots[2, k]
            energy = size - np.float32(2) * dot + cloud.cost[i] + cloud.cost[k]
            if energy < best:
                best, row_class, column_class = energy, i, k
    return best, row_class, column_class


@compiled
def _size(pixel, row_class, column_class, cloud, space, width):
    """Sum of squares of a photon's shares in good pixels."""
    total = np.float32(0)
    for r in range(3):
        for c in range(3):
            share = cloud.share[row_class, r] * cloud.share[column_class, c]
            total += space.weight[pixel + (r - 1) * width + c - 1] * share * share
    return total


@compiled
def _deposit(photon, sign, cloud, space, width, placed):
    """Add a photon's shares, times `sign`, to the residual of good pixels."""
    rows, columns = (
        cloud.share[placed.row_class[photon]],
        cloud.share[placed.column_class[photon]],
    )
    for r in range(3):
        at = placed.pixel[photon] + (r - 1) * width - 1
        for c in range(3):
            space.residual[at + c] += space.weight[at + c] * sign * rows[r] * columns[c]


@compiled
def _list(tile_rows, width, cloud, placed, found, photons):
    kept = 0
    for photon in range(found):
        pixel = placed.pixel[photon]
        if pixel < 0:
            continue
        row = pixel // width
        tile = row // (tile_rows + 2)
        photons.row[kept] = (
            row - tile * (tile_rows + 2) - 1 + cloud.offset[placed.row_class[photon]]
        )
        photons.col[kept] = pixel % width - 1 + cloud.offset[placed.column_class[photon]]
        photons.tile[kept] = tile
        kept += 1
    return kept
