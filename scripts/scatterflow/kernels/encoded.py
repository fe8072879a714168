"""Integration of bitshuffle + LZ4 frames that never stand decoded in memory.

Of sixteen compressed frames the same block is decoded (8 KiB each, see `bitshuffle_lz4`), and its pixels
are integrated while they are in the cache: the sums are those of the decoded frames, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numba import carray

from scatterflow.kernels.azimuthal import Integrator, Sums
from scatterflow.kernels.bitshuffle_lz4 import (
    DECODED_TYPES,
    HEADER,
    block_elements,
    decode_block,
    decode_rest,
    scratch,
)
from scatterflow.kernels.compiled import compiled
from scatterflow.kernels.lanes import aligned_zeros, pointer_to
from scatterflow.kernels.moments import PixelSums, comparable
from scatterflow.kernels.sizes import LANES, TILE
from scatterflow.kernels.tile_sums import add_tile

# Columns to spare, so that the sixteen rows of a block do not fall onto the same lines of the cache.
_SPARE = 16


def integrates_encoded(chunks: Sequence[bytes], pixels: int, dtype: np.dtype) -> bool:
    """Whether these chunks can be integrated while they are decoded: of a type and block size for it."""
    if dtype.name not in DECODED_TYPES:
        return False
    sizes = {
        block_elements(np.frombuffer(chunk, np.uint8), pixels, dtype.itemsize) for chunk in chunks
    }
    return len(sizes) == 1 and _fits(sizes.pop())


def _fits(block: int) -> bool:
    return block > 0 and block % TILE == 0 and block <= 16 * TILE


def integrate_encoded(
    integrator: Integrator,
    chunks: Sequence[bytes],
    dtype: np.dtype,
    limits: tuple[float, float],
    dead_time_fraction: np.ndarray | None = None,
) -> list[Sums] | None:
    """As `Integrator.frames`, for at most LANES compressed frames that `integrates_encoded` accepts.

    None: a chunk is damaged; nothing of the block was added to anything.
    """
    sources = [np.frombuffer(chunk, np.uint8) for chunk in chunks]
    addresses = np.array([source.ctypes.data for source in sources], dtype=np.int64)
    lengths = np.array([source.size for source in sources], dtype=np.int64)
    block = block_elements(sources[0], integrator.pixels, dtype.itemsize)
    low, high = comparable(limits, dtype)
    rows = aligned_zeros((LANES, block + _SPARE), dtype)

    def run(blocks: int) -> tuple[int, bool]:
        return _add_encoded(
            addresses, lengths, integrator.pixels, block, blocks, rows,
            *scratch(block, dtype.itemsize), low, high,
            integrator.dead_times(dead_time_fraction), *integrator.accumulators,
        )  # fmt: skip

    whole = -(-integrator.pixels // block)
    done, lost = run(whole)
    if done == whole:
        return integrator.take(len(chunks), lost)
    _undo(integrator, dtype, lambda: run(done))
    return None


def _undo(integrator: Integrator, dtype: np.dtype, again: Callable[[], object]) -> None:
    """Take the blocks before the damaged one out of the sums over frames: integers, so that it is exact."""
    kept = integrator.pixel_sums
    integrator.pixel_sums = PixelSums(integrator.pixels, dtype)
    again()
    kept.total -= integrator.pixel_sums.total
    kept.invalid -= integrator.pixel_sums.invalid
    integrator.pixel_sums = kept
    integrator.discard()


@compiled
def _add_encoded(
    addresses, lengths, pixels, block, blocks, rows, shuffled, planes, high_planes, low, high, dead,
    table, first_bins, floors, used, values, factors, bad, beyond, edge, sums, lost, total, rest,
    invalid,
):  # fmt: skip
    """Decode and integrate the first `blocks` blocks; (how many were whole in all frames, whether a used
    pixel was invalid)."""
    frames = addresses.size
    found = False
    positions = np.full(frames, HEADER, np.int64)
    for number in range(blocks):
        first = number * block
        here = min(block, pixels - first)
        shuffled_here = here // 8 * 8
        for lane in range(frames):
            source = carray(pointer_to(addresses[lane], np.uint8), lengths[lane])
            at = positions[lane]
            if shuffled_here:
                at = decode_block(
                    source, at, shuffled_here, rows[lane], 0, shuffled, planes, high_planes
                )
                if at < 0:
                    return number, found
            if first + here == pixels and not decode_rest(
                source, at, here - shuffled_here, rows[lane], shuffled_here
            ):
                return number, found
            positions[lane] = at
        for at in range(0, here, TILE):
            found |= add_tile(
                rows, at, min(TILE, here - at), (first + at) // TILE, frames, low, high, dead, table,
                first_bins, floors, used, values, factors, bad, beyond, edge, sums, lost, total,
                rest, invalid,
            )  # fmt: skip
    return blocks, found
