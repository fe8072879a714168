"""Integrating compressed frames gives the bits of integrating the decoded ones."""

from __future__ import annotations

import h5py
import hdf5plugin
import numpy as np
import pytest

from scatterflow.kernels.azimuthal import Integrator, Target
from scatterflow.kernels.encoded import integrate_encoded, integrates_encoded
from scatterflow.kernels.sizes import LANES, TILE
from scatterflow.kernels.tiles import cut_into_tiles

LIMITS = {"uint8": (0, 254), "uint16": (0, 65534), "uint32": (0, 2**32 - 2)}


def chunks_of(frames: np.ndarray, block: int = 0) -> list[bytes]:
    """Frames as the HDF5 filter writes them."""
    with h5py.File("chunks.h5", "w", driver="core", backing_store=False) as file:
        options = hdf5plugin.Bitshuffle(nelems=block, cname="lz4")
        data = file.create_dataset("d", data=frames, chunks=(1, *frames.shape[1:]), **options)
        return [data.id.read_direct_chunk((i, 0))[1] for i in range(len(frames))]


def frames_of(dtype: str, number: int, pixels: int) -> np.ndarray:
    rng = np.random.default_rng(pixels)
    frames = rng.poisson(2, (number, pixels)).astype(dtype)
    frames[:, ::1030] = np.iinfo(dtype).max  # gaps
    frames[number // 2, 3] = np.iinfo(dtype).max  # saturated
    return frames


def integrator_of(dtype: str, pixels: int) -> Integrator:
    rng = np.random.default_rng(1)
    targets = []
    for bins, model in ((50, "poisson"), (7, "counting")):
        rows = np.sort(rng.integers(0, bins, 2 * pixels))
        indptr = np.searchsorted(rows, np.arange(bins + 1))
        shares = rng.uniform(0, 1, rows.size).astype(np.float32)
        indices = rng.integers(0, pixels, rows.size)
        tiles = cut_into_tiles(indptr, indices, shares, pixels)
        weight = rng.uniform(0.5, 1, pixels)
        norm = np.bincount(rows, shares * weight[indices], bins)
        targets.append(Target(tiles, norm, weight, model, dark=rng.uniform(0, 1, pixels)))
    return Integrator(targets, pixels, np.dtype(dtype))


def bits(integrator: Integrator, sums) -> list[bytes]:
    """Everything that was found, bit by bit."""
    found = [
        values.tobytes()
        for s in sums
        for values in (s.signal, s.variance, np.zeros(0) if s.lost is None else s.lost)
    ]
    totals = integrator.pixel_sums
    return [*found, totals.total.tobytes(), totals.invalid.tobytes(), bytes([totals.frames])]


@pytest.mark.parametrize("dtype", list(LIMITS))
@pytest.mark.parametrize("pixels", [5, TILE, 4 * TILE + 13, 9 * TILE])
@pytest.mark.parametrize("number", [1, 5, LANES])
@pytest.mark.parametrize("dead_time", [False, True])
def test_the_same_bits_as_from_decoded_frames(dtype, pixels, number, dead_time):
    frames = frames_of(dtype, number, pixels)
    fraction = np.full(number, 1e-4) if dead_time else None
    chunks = chunks_of(frames)
    decoded, encoded = integrator_of(dtype, pixels), integrator_of(dtype, pixels)
    expected = decoded.frames(frames, LIMITS[dtype], fraction)
    assert integrates_encoded(chunks, pixels, np.dtype(dtype))
    found = integrate_encoded(encoded, chunks, np.dtype(dtype), LIMITS[dtype], fraction)
    assert bits(encoded, found) == bits(decoded, expected)


@pytest.mark.parametrize("place", [0.02, 0.4, 0.999])
def test_a_damaged_chunk_leaves_no_trace(place):
    pixels = 9 * TILE + 5
    frames = frames_of("uint32", 4, pixels)
    chunks = chunks_of(frames)
    integrator, other = (integrator_of("uint32", pixels) for _ in range(2))
    cut = [*chunks[:2], chunks[2][: int(place * len(chunks[2]))], chunks[3]]
    for one in (integrator, other):
        integrate_encoded(one, chunks[:2], np.dtype(np.uint32), LIMITS["uint32"])
    if integrates_encoded(cut, pixels, np.dtype(np.uint32)):
        assert integrate_encoded(integrator, cut, np.dtype(np.uint32), LIMITS["uint32"]) is None
    after = integrate_encoded(integrator, chunks, np.dtype(np.uint32), LIMITS["uint32"])
    expected = integrate_encoded(other, chunks, np.dtype(np.uint32), LIMITS["uint32"])
    assert bits(integrator, after) == bits(other, expected)


def test_other_blocks_and_types_are_left_to_the_decoder():
    frames = frames_of("uint32", 2, 3 * TILE)
    assert not integrates_encoded(chunks_of(frames, block=512), 3 * TILE, np.dtype(np.uint32))
    assert not integrates_encoded(chunks_of(frames), 3 * TILE + 1, np.dtype(np.uint32))
    assert not integrates_encoded(chunks_of(frames), 3 * TILE, np.dtype(np.int32))
    mixed = [chunks_of(frames)[0], chunks_of(frames, block=4096)[1]]
    assert not integrates_encoded(mixed, 3 * TILE, np.dtype(np.uint32))
