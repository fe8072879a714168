"""Frames of an HDF5 file as stored, and how to decode them, so that decoding can go on beside reading.

HDF5 decompresses one chunk at a time, in one thread. Here the bytes of a chunk are taken as they are
(H5Dread_chunk) and decoded by the job's own threads. Known filters:

    1      deflate (zlib)
    2      shuffle: first byte 0 of all elements, then byte 1 ...
    32004  LZ4 (https://github.com/HDFGroup/hdf5_plugins, LZ4/src/H5Zlz4.c): size of the chunk (8 bytes,
           big-endian), size of a block (4), then blocks: length (4) and an LZ4 block, or, where that
           would not be shorter, the bytes themselves
    32008  bitshuffle + LZ4, see `scatterflow.kernels.bitshuffle_lz4`

Only frames that are one chunk each, in this machine's byte order, are taken; all others are `read`.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from scatterflow.errors import UserError
from scatterflow.sources.base import DetectorInfo, EncodedFrames
from scatterflow.sources.hdf5_layout import Segment
from scatterflow.sources.hdf5_links import LinkedFiles
from scatterflow.sources.hdf5_storage import BITSHUFFLE

if TYPE_CHECKING:
    import h5py

DEFLATE, SHUFFLE, LZ4 = 1, 2, 32004
KNOWN = ((DEFLATE,), (SHUFFLE, DEFLATE), (LZ4,), (SHUFFLE, LZ4), (BITSHUFFLE,))
_BITSHUFFLE_LZ4 = 2  # the fifth of the filter's options
_LZ4_HEADER = 12


def read_encoded(
    files: LinkedFiles, segment: Segment, first: int, stop: int, info: DetectorInfo
) -> EncodedFrames | None:
    """Frames first..stop-1 of a dataset, compressed; None where `read` must care for them."""
    if segment.missing:
        return None
    try:
        dataset, _ = files.dataset(segment.name)
        filters = _filters(dataset, info)
        if filters not in KNOWN:
            return None
        stored = [dataset.id.read_direct_chunk((frame, 0, 0)) for frame in range(first, stop)]
    except (UserError, OSError, RuntimeError, ValueError, KeyError):
        return None
    if any(mask for mask, _ in stored):  # a chunk without some of the filters
        return None
    return EncodedFrames([chunk for _, chunk in stored], filters, info.shape, info.dtype)


def joined(parts: list[EncodedFrames | None], frames: int) -> EncodedFrames | None:
    """Frames of several datasets as one; None unless there are `frames` of them, all encoded alike."""
    found = [part for part in parts if part is not None]
    chunks = [chunk for part in found for chunk in part.chunks]
    if len(found) < len(parts) or len(chunks) != frames or not found:
        return None
    if any(part.filters != found[0].filters for part in found):
        return None
    return EncodedFrames(chunks, found[0].filters, found[0].shape, found[0].dtype)


def _filters(dataset: h5py.Dataset, info: DetectorInfo) -> tuple[int, ...]:
    """Filters of a dataset of one chunk a frame; () where it is anything else."""
    plain = (
        not dataset.is_virtual
        and dataset.chunks == (1, *info.shape)
        and dataset.shape[1:] == info.shape
        and dataset.dtype == info.dtype
        and dataset.dtype.isnative
    )
    if not plain:
        return ()
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(i) for i in range(properties.get_nfilters())]
    for number, _, options, _ in filters:
        if number == BITSHUFFLE and (
            len(options) < 5 or options[4] != _BITSHUFFLE_LZ4 or info.dtype.itemsize > 4
        ):
            return ()
    return tuple(number for number, *_ in filters)


def decode_frame(chunk: bytes, filters: tuple[int, ...], out: np.ndarray) -> bool:
    """Decode a frame into `out` (C-contiguous, of the stored dtype).

    filters: one of KNOWN. False: the chunk is damaged, `out` is not to be used.
    """
    if filters[-1] == BITSHUFFLE:
        from scatterflow.kernels.bitshuffle_lz4 import decode_chunk

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
    from scatterflow.kernels.bitshuffle_lz4 import decompress_block
    from scatterflow.kernels.lanes import COPIED

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
