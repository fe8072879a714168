"""Decoding of bitshuffle + LZ4, HDF5 filter 32008, as Eiger detectors write it.

A chunk is (https://github.com/kiyo-masui/bitshuffle, src/bshuf_h5filter.c and bitshuffle.c):

    8 bytes   size of the decoded chunk in bytes, big-endian
    4 bytes   size of a block in bytes, big-endian
    blocks    4 bytes big-endian length, then an LZ4 block
              (https://github.com/lz4/lz4, doc/lz4_Block_format.md) of the bit-shuffled elements;
              the last one holds what is left, a multiple of 8 elements
    rest      fewer than 8 elements, as they are

Bit-shuffled: for elements of b bits, first bit 0 of all elements, eight to a byte, then bit 1 of all ...
Counts are small, so most of these bit planes are empty: only those in use are put together again.

Nothing outside the given bytes is read or written, whatever they hold; damaged ones are told from whole
ones as far as the format allows.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled
from scatterflow.kernels.lanes import COPIED, copy_bytes, gather_bits, load_word, store_word
from scatterflow.kernels.sizes import LANES

HEADER = 12
DECODED_TYPES = ("uint8", "uint16", "uint32")
# Elements beyond this bit are rare: marks of pixels that do not count, hot pixels.
_LOW_BITS = 8


@compiled
def _long_length(source, at, end, length):
    """Continuation bytes of an LZ4 length; (length, position), -1 as position if they run out."""
    while True:
        if at >= end:
            return length, -1
        byte = source[at]
        at += 1
        length += np.int64(byte)
        if byte != 255:
            return length, at


@compiled
def _copy_match(out, at, distance, length):
    """Repeat what stands `distance` before; out has COPIED bytes to spare behind."""
    if distance >= COPIED:
        for done in range(0, length, COPIED):
            copy_bytes(out, np.int64(at + done), out, np.int64(at - distance + done))
        return
    if distance >= 8:
        for done in range(0, length, 8):
            store_word(out, np.int64(at + done), load_word(out, np.int64(at - distance + done)))
        return
    # As often as the pattern goes into a word.
    shift = 8 * distance
    word = load_word(out, np.int64(at - distance)) & (
        (np.uint64(1) << np.uint64(shift)) - np.uint64(1)
    )
    while shift < 64:
        word |= word << np.uint64(shift)
        shift *= 2
    for done in range(0, length, 8 // distance * distance):
        store_word(out, np.int64(at + done), word)


@compiled
def decompress_block(source, at, end, out, size):
    """Decode the LZ4 block source[at:end] into out[:size]; whether it is whole and gives just `size` bytes.

    source, out: uint8; end <= len(source), size + COPIED <= len(out).
    """
    done = np.int64(0)
    while at < end:
        token = source[at]
        at += 1
        length = np.int64(token >> 4)
        if length == 15:
            length, at = _long_length(source, at, end, length)
            if at < 0:
                return False
        if length > end - at or length > size - done:
            return False
        if at + length + COPIED <= source.size:
            copied = 0
            while copied < length:
                copy_bytes(out, np.int64(done + copied), source, np.int64(at + copied))
                copied += COPIED
        else:
            for i in range(length):
                out[done + i] = source[at + i]
        at += length
        done += length
        if at == end:
            return done == size
        if at + 2 > end:
            return False
        distance = np.int64(source[at]) | np.int64(source[at + 1]) << 8
        at += 2
        if distance == 0 or distance > done:
            return False
        length = np.int64(token & 15)
        if length == 15:
            length, at = _long_length(source, at, end, length)
            if at < 0:
                return False
        length += 4
        if length > size - done:
            return False
        _copy_match(out, done, distance, length)
        done += length
    return False


@compiled
def _planes_in_use(shuffled, stride, bits, planes, high):
    """Bits that are set in any element go to `planes`; (how many of the low ones, how many in all).

    high: gets the bytes of all planes beyond the low ones, or-ed: where it is 0 they need not be looked at.
    """
    count = 0
    low = 0
    high[:stride] = 0
    words = stride // 8
    for plane in range(bits):
        begin = plane * stride
        found = np.uint64(0)
        for i in range(words):
            found |= load_word(shuffled, np.int64(begin + 8 * i))
        for i in range(8 * words, stride):
            found |= np.uint64(shuffled[begin + i])
        if found == 0:
            continue
        planes[count] = plane
        count += 1
        if plane < _LOW_BITS:
            low += 1
            continue
        for i in range(stride):
            high[i] |= shuffled[begin + i]
    return low, count


@compiled
def unshuffle(shuffled, elements, out, at, planes, high):
    """out[at : at + elements] from a bit-shuffled block.

    shuffled: uint8, (elements x item size); elements: a multiple of 8; out: unsigned integers;
    planes, high: uint8 scratch for (bits of an element) and (elements / 8).
    """
    stride = elements // 8
    low, count = _planes_in_use(shuffled, stride, 8 * out.itemsize, planes, high)
    whole = elements // LANES
    for group in range(whole):
        used = count if high[2 * group] | high[2 * group + 1] else low
        gather_bits(
            shuffled,
            np.int64(2 * group),
            np.int64(stride),
            planes,
            np.int64(used),
            out,
            np.int64(at + group * LANES),
        )
    for i in range(whole * LANES, elements):
        value = np.uint64(0)
        for k in range(count):
            bit = shuffled[planes[k] * stride + i // 8] >> np.uint8(i % 8) & 1
            value |= np.uint64(bit) << np.uint64(planes[k])
        out[at + i] = value


@compiled
def _big_endian(source, at, size):
    value = np.uint64(0)
    for i in range(size):
        value = value << np.uint64(8) | np.uint64(source[at + i])
    return np.int64(value)


@compiled
def block_elements(source, elements, itemsize):
    """Elements in a block, as a chunk's header states; 0 if it does not fit a chunk of `elements`."""
    if source.size < HEADER or _big_endian(source, 0, 8) != elements * itemsize:
        return 0
    size = _big_endian(source, 8, 4)
    if size <= 0 or size % (8 * itemsize):
        return 0
    return size // itemsize


@compiled
def decode_block(source, at, elements, out, out_at, shuffled, planes, high):
    """Decode the block at source[at:] of `elements` elements into out[out_at:]; the position behind it, or
    -1 if it is damaged. shuffled: uint8 scratch of the block's size and COPIED more."""
    if at + 4 > source.size:
        return -1
    length = _big_endian(source, at, 4)
    at += 4
    if length > source.size - at:
        return -1
    if not decompress_block(source, at, at + length, shuffled, elements * out.itemsize):
        return -1
    unshuffle(shuffled, elements, out, out_at, planes, high)
    return at + length


@compiled
def decode_rest(source, at, elements, out, out_at):
    """The last, fewer than 8 elements; whether they are there and end the chunk."""
    if source.size - at != elements * out.itemsize:
        return False
    for i in range(elements):
        value = np.uint64(0)
        for byte in range(out.itemsize):
            value |= np.uint64(source[at + i * out.itemsize + byte]) << np.uint64(8 * byte)
        out[out_at + i] = value
    return True


@compiled
def _decode(source, out, block, shuffled, planes, high):
    at = np.int64(HEADER)
    done = 0
    while out.size - done >= 8:
        elements = min(block, (out.size - done) // 8 * 8)
        at = decode_block(source, at, elements, out, done, shuffled, planes, high)
        if at < 0:
            return False
        done += elements
    return decode_rest(source, at, out.size - done, out, done)


def scratch(block: int, itemsize: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scratch for blocks of `block` elements: shuffled bytes, planes, high planes."""
    return (
        np.empty(block * itemsize + COPIED, np.uint8),
        np.empty(8 * itemsize, np.uint8),
        np.empty(block // 8 + 2, np.uint8),
    )


def decode_chunk(chunk: bytes | np.ndarray, out: np.ndarray) -> bool:
    """Decode a chunk into `out` (C-contiguous, one of DECODED_TYPES).

    False: the chunk is damaged, `out` is not to be used.
    """
    source = np.frombuffer(chunk, np.uint8)
    block = block_elements(source, out.size, out.itemsize)
    if not block:
        return False
    largest = min(block, max(out.size // 8 * 8, 8))
    return bool(_decode(source, out.reshape(-1), block, *scratch(largest, out.itemsize)))
