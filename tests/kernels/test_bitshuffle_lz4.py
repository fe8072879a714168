"""Decoding against chunks that the HDF5 filter itself has written, whole and damaged."""

from __future__ import annotations

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels.bitshuffle_lz4 import (
    DECODED_TYPES,
    HEADER,
    decode_chunk,
    decompress_block,
)
from scatterflow.kernels.lanes import COPIED


def encoded(values: np.ndarray, block: int = 0) -> bytes:
    """The chunk that the filter makes of an array."""
    with h5py.File("chunk.h5", "w", driver="core", backing_store=False) as file:
        options = hdf5plugin.Bitshuffle(nelems=block, cname="lz4")
        data = file.create_dataset("d", data=values, chunks=values.shape, **options)
        return data.id.read_direct_chunk((0,) * values.ndim)[1]


def decoded(chunk: bytes, like: np.ndarray) -> np.ndarray | None:
    """The array of a chunk, None if it is damaged; writes nowhere else."""
    room = np.full(like.size + 64, 0x5A, like.dtype)
    out = room[32 : 32 + like.size].reshape(like.shape)
    whole = decode_chunk(chunk, out)
    assert (room[:32] == 0x5A).all()
    assert (room[32 + like.size :] == 0x5A).all()
    return out if whole else None


def counts(rng: np.random.Generator, kind: str, size: int, dtype: np.dtype) -> np.ndarray:
    """Values as detectors and their neighbours give them."""
    largest = np.iinfo(dtype).max
    if kind == "few":
        return rng.poisson(0.05, size).astype(dtype)
    if kind == "many":
        return rng.poisson(40, size).clip(max=largest).astype(dtype)
    if kind == "marks":
        return np.where(rng.random(size) < 0.02, largest, rng.poisson(1, size)).astype(dtype)
    if kind == "periodic":
        return np.resize(rng.integers(0, largest, rng.integers(1, 40)), size).astype(dtype)
    return rng.integers(0, largest, size, dtype=dtype, endpoint=True)


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["few", "many", "marks", "periodic", "random"]),
    dtype=st.sampled_from([np.dtype(name) for name in DECODED_TYPES]),
    size=st.one_of(st.integers(1, 300), st.sampled_from([2047, 2048, 4099, 20_001])),
    block=st.sampled_from([0, 128, 1024]),
)
def test_what_the_filter_wrote_is_read_back(seed, kind, dtype, size, block):
    values = counts(np.random.default_rng(seed), kind, size, dtype)
    found = decoded(encoded(values, block), values)
    assert found is not None
    assert np.array_equal(found, values)


@pytest.fixture(scope="module")
def frame() -> tuple[np.ndarray, bytes]:
    values = counts(np.random.default_rng(2), "marks", 5003, np.dtype(np.uint32))
    return values, encoded(values)


def test_every_cut_chunk_is_refused(frame):
    values, chunk = frame
    for end in [*range(40), *range(40, len(chunk), 23), len(chunk) - 1]:
        assert decoded(chunk[:end], values) is None, end
    assert decoded(chunk + b"\0", values) is None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_chunk_is_refused_or_gives_a_frame_and_touches_nothing_else(frame, data):
    """Flipped literals cannot be told from counts; what must not be is a step out of the arrays."""
    values, chunk = frame
    damaged = bytearray(chunk)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(chunk) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    found = decoded(bytes(damaged), values)
    assert found is None or found.shape == values.shape


@pytest.mark.parametrize(
    ("place", "byte"),
    [(0, 1), (7, 0), (8, 255), (11, 1), (HEADER, 255), (HEADER + 3, 0)],
    ids=["size", "size 0", "block", "odd block", "length beyond", "length 0"],
)
def test_wrong_headers_are_refused(frame, place, byte):
    values, chunk = frame
    damaged = bytearray(chunk)
    damaged[place] = byte
    assert decoded(bytes(damaged), values) is None


@pytest.mark.parametrize(
    ("block", "size"),
    [
        (b"", 0),
        (b"\x10A\x00\x00", 6),  # distance 0
        (b"\x10A\x02\x00\x00", 6),  # distance beyond the beginning
        (b"\x1fA\x01\x00\xff", 30),  # a length without end
        (b"\xf0\xff", 300),  # as many literals as are not there
        (b"\x50ABC", 5),
        (b"\x10A\x01", 6),  # half a distance
        (b"\x1fA\x01\x00\xff\x00\x10B", 20),  # a match longer than the block
        (b"\x20AB", 3),  # too short
        (b"\x30ABC", 2),  # too long
        (b"\x10A\x01\x00", 5),  # ends with a match
    ],
)
def test_blocks_against_the_format_are_refused(block, size):
    out = np.full(size + COPIED + 8, 7, np.uint8)
    source = np.frombuffer(block, np.uint8)
    assert not decompress_block(source, 0, source.size, out[: size + COPIED], size)
    assert (out[size + COPIED :] == 7).all()


@pytest.mark.parametrize("distance", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 32, 33])
@pytest.mark.parametrize("length", [4, 7, 18, 19, 100])
def test_overlapping_matches_repeat_their_pattern(distance, length):
    pattern = bytes(range(1, distance + 1))
    head = [min(distance, 15) << 4 | min(length - 4, 15)]
    more_literals = [] if distance < 15 else [distance - 15]
    more_length = [] if length - 4 < 15 else [length - 4 - 15]
    block = bytes([*head, *more_literals, *pattern, distance, 0, *more_length]) + b"\x10Z"
    expected = (pattern * 110)[: distance + length] + b"Z"
    out = np.zeros(len(expected) + COPIED, np.uint8)
    source = np.frombuffer(block, np.uint8)
    assert decompress_block(source, 0, source.size, out, len(expected))
    assert out[: len(expected)].tobytes() == expected
