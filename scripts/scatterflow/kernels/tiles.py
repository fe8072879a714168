"""The integration matrix cut into tiles of pixels, so that a tile's values stay in the cache.

A tile is TILE consecutive pixels. Its matrix entries are grouped by bin: one group is one bin and the
pixels of the tile that touch it, in ascending order. A bin's sum is taken group by group in the order of
the tiles, whatever is integrated beside it. TILE divides the blocks of the bitshuffle filter (8 KiB,
see `bitshuffle_lz4`), so that a decoded block is integrated at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.kernels.sizes import TILE


@dataclass(frozen=True)
class Tiles:
    """A sparse (bins, pixels) matrix.

    tile_start: (tiles + 1) int64, groups of each tile; group_bin: (groups) int32; group_start: (groups + 1)
    int64, entries of each group; pixel: (entries) uint16, counted within the tile; coefficient: (entries)
    float32.
    """

    tile_start: np.ndarray
    group_bin: np.ndarray
    group_start: np.ndarray
    pixel: np.ndarray
    coefficient: np.ndarray

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All of them, in their order."""
        return (
            self.tile_start,
            self.group_bin,
            self.group_start,
            self.pixel,
            self.coefficient,
        )

    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Bin and pixel of every entry, (entries) int64 each."""
        sizes = np.diff(self.group_start)
        tile = np.repeat(np.arange(self.tile_start.size - 1), np.diff(self.tile_start))
        pixel = np.repeat(tile * TILE, sizes) + self.pixel
        return np.repeat(self.group_bin, sizes).astype(np.int64), pixel


def cut_into_tiles(
    indptr: np.ndarray, indices: np.ndarray, coefficients: np.ndarray, pixels: int
) -> Tiles:
    """Tiles of a CSR matrix, a row a bin; pixels: of the detector. Entries of 0 are left out."""
    tiles = -(-pixels // TILE)
    bins = np.repeat(np.arange(indptr.size - 1, dtype=np.int32), np.diff(indptr))
    order = np.lexsort((indices, bins, indices // TILE))
    order = order[coefficients[order] != 0]
    bins, indices = bins[order], indices[order]
    tile = indices // TILE
    begins = np.ones(order.size, dtype=bool)
    begins[1:] = (tile[1:] != tile[:-1]) | (bins[1:] != bins[:-1])
    first = np.flatnonzero(begins)
    return Tiles(
        tile_start=np.searchsorted(tile[first], np.arange(tiles + 1)).astype(np.int64),
        group_bin=bins[first],
        group_start=np.append(first, order.size).astype(np.int64),
        pixel=(indices % TILE).astype(np.uint16),
        coefficient=np.ascontiguousarray(coefficients[order], dtype=np.float32),
    )
