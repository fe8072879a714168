"""Decoding of HDF5 chunks outside HDF5: many at a time, one in each thread. Filters:

    1      deflate (zlib)
    2      shuffle: first byte 0 of all elements, then byte 1 ...
    32004  LZ4 (https://github.com/HDFGroup/hdf5_plugins, LZ4/src/H5Zlz4.c): size of the chunk (8 bytes,
           big-endian), size of a block (4), then blocks: length (4) and an LZ4 block, or, where that
           would not be shorter, the bytes themselves
    32008  bitshuffle + LZ4, see `scatterflow.kernels.bitshuffle_lz4`

Apart from `hdf5_encoded`, so that who only reads does not depend on the kernels.
"""

from __future__ import annotations

import zlib

import numpy as np

from scatterflow.kernels.bitshuffle_lz4 import decode_chunk, decompress_block
from scatterflow.kernels.lanes import COPIED
from scatterflow.sources.hdf5_encoded import DEFLATE, SHUFFLE
from scatterflow.sources.hdf5_storage import BITSHUFFLE

_LZ4_HEADER = 12


def decode_frame(chunk: bytes, filters: tuple[int, ...], out: np.ndarray) -> bool:
    """Decode a frame into `out` (C-contiguous, of the stored dtype).

    filters: one of KNOWN. False: the chunk is damaged, `out` is not to be used.
    """
    if filters[-1] == BITSHUFFLE:
        # The bits of any type are shuffled as those of an unsigned integer.
        return decode_chunk(chunk, out.view(f"u{out.itemsize}"))
    plain = (
        _inflate(chunk, out.nbytes) if filters[-1] == DEFLATE else _decode_lz4(chunk, out.nbytes)
    )
    if plain is None:
        return False
    if filters[0] == SHUFFLE:
        target = out.reshape(-1).view(np.uint8).reshape(-1, out.itemsize)
        target[:] = plain.reshape(out.itemsize, -1).T
    else:
        out.reshape(-1).view(np.uint8)[:] = plain
    return True


def _inflate(chunk: bytes, size: int) -> np.ndarray | None:
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(chunk, size)
    except zlib.error:
        return None
    # The end of the stream, where its checksum is, may need a call of its own.
    try:
        more = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error:
        return None
    if len(plain) != size or more or not stream.eof:
        return None
    return np.frombuffer(plain, np.uint8)


def _decode_lz4(chunk: bytes, size: int) -> np.ndarray | None:
    source = np.frombuffer(chunk, np.uint8)
    block = int.from_bytes(chunk[8:_LZ4_HEADER], "big")
    if int.from_bytes(chunk[:8], "big") != size or block == 0:
        return None
    out = np.empty(size + COPIED, np.uint8)
    at, done = _LZ4_HEADER, 0
    while done < size:
        here = min(block, size - done)
        length = int.from_bytes(chunk[at : at + 4], "big")
        at += 4
        if length > source.size - at or length == 0:
            return None
        if length == here:
            out[done : done + here] = source[at : at + here]
        elif not decompress_block(source, at, at + length, out[done:], here):
            return None
        at, done = at + length, done + here
    return out[:size] if at == source.size else None
