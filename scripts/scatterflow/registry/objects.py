"""Objects: what a version holds, encoded so that equal content gives equal bytes, named by its SHA-256.

The content is one line of JSON (the header), a line end, and the body:

| header `content` | body |
| --- | --- |
| `mask` | good pixels, 8 to a byte (1 = good), then one such plane for each bit in `bits` |
| `arrays` | the arrays in the order of their names, C order, little-endian |
| `text` | UTF-8 |

The name is the SHA-256 of the content as it is before compression: no version of a compressor can
change it. The file `objects/<first two digits>/<name>` is

    8 bytes   SFOBJ, 1, CR, LF
    8 bytes   length of the content, unsigned, little-endian
    32 bytes  SHA-256 of the length and the rest
    rest      the content, zlib

so that every single flipped bit is seen, also one that would decompress to the same content.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from typing import Any

import numpy as np

from scatterflow.errors import UserError

_MAGIC = b"SFOBJ\x01\r\n"
_START = len(_MAGIC) + 8 + 32
_LONGEST_HEADER = 65536
LARGEST_CONTENT = 2**33

REASON_BITS = np.uint32(0xFFFF)  # NeXus: the lower 16 bits are reasons, the upper ones tags
# Bits 0 to 8 are NeXus NXdetector's pixel_mask; 9 to 11 are free there, and below 16 like all reasons.
REASONS = {
    "gap": 0,
    "dead": 1,
    "underresponding": 2,
    "overresponding": 3,
    "hot": 4,
    "cluster": 6,
    "user": 8,
    "beamstop": 9,
    "saturated": 10,
    "outlier": 11,
}


def reason_name(bit: int) -> str:
    """The name of a bit; `bit 5` for one without."""
    return next((name for name, known in REASONS.items() if known == bit), f"bit {bit}")


# Contents -----------------------------------------------------------------------------------------


def encode_mask(good: np.ndarray, reasons: np.ndarray | int) -> bytes:
    """Content of a mask.

    good: bool (rows, columns), True = good. reasons: uint32 of the same shape, bits of a pixel_mask; or
    one bit's number, for all masked pixels. Raises ValueError unless good == ((reasons & 0xFFFF) == 0).
    """
    if good.dtype != bool or good.ndim != 2:
        raise ValueError("a mask is bool (rows, columns)")
    if isinstance(reasons, int):
        planes = {reasons: ~good} if not good.all() else {}
    else:
        if not np.array_equal(good, (reasons & REASON_BITS) == 0):
            raise ValueError("good pixels and reasons contradict")
        used = int(np.bitwise_or.reduce(reasons, axis=None))
        planes = {bit: (reasons & np.uint32(1 << bit)) != 0 for bit in range(32) if used >> bit & 1}
    header = {"content": "mask", "shape": list(good.shape), "bits": sorted(planes)}
    packed = [np.packbits(good), *(np.packbits(planes[bit]) for bit in sorted(planes))]
    return _header(header) + b"".join(plane.tobytes() for plane in packed)


def decode_good(content: bytes) -> np.ndarray:
    """The good pixels of a mask's content: bool (rows, cols), True = good."""
    header, start = read_header(content)
    return _plane(content, header, start, 0)


def decode_reasons(content: bytes) -> np.ndarray:
    """The reasons of a mask's content: uint32 (rows, cols), bits of a pixel_mask."""
    header, start = read_header(content)
    reasons = np.zeros(header["shape"], np.uint32)
    for index, bit in enumerate(header["bits"]):
        reasons |= _plane(content, header, start, index + 1).astype(np.uint32) << np.uint32(bit)
    return reasons


def count_reasons(content: bytes) -> dict[str, int]:
    """Pixels that each reason masks, by name; a pixel with two reasons counts in both."""
    header, start = read_header(content)
    return {
        reason_name(bit): int(np.count_nonzero(_plane(content, header, start, index + 1)))
        for index, bit in enumerate(header["bits"])
    }


def _plane(content: bytes, header: dict[str, Any], start: int, index: int) -> np.ndarray:
    if header["content"] != "mask":
        raise ValueError("this is no mask")
    rows, columns = header["shape"]
    length = -(-rows * columns // 8)
    packed = np.frombuffer(content, np.uint8, length, start + index * length)
    return np.unpackbits(packed, count=rows * columns).view(bool).reshape(rows, columns)


def encode_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    """Content of named arrays of numbers; raises ValueError for anything else."""
    described: dict[str, Any] = {}
    parts = []
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        if array.dtype.kind not in "biuf":
            raise ValueError(f"array {name!r} holds {array.dtype}, not numbers")
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        described[name] = {"dtype": array.dtype.str, "shape": list(array.shape)}
        parts.append(array.tobytes())
    return _header({"content": "arrays", "arrays": described}) + b"".join(parts)


def decode_arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a content, read-only."""
    header, start = read_header(content)
    if header["content"] != "arrays":
        raise ValueError("these are no arrays")
    found = {}
    for name in sorted(header["arrays"]):
        dtype, shape = np.dtype(header["arrays"][name]["dtype"]), header["arrays"][name]["shape"]
        count = math.prod(shape)
        found[name] = np.frombuffer(content, dtype, count, start).reshape(shape)
        start += count * dtype.itemsize
    return found


def encode_text(text: str) -> bytes:
    """Content of a text (a PONI file)."""
    return _header({"content": "text"}) + text.encode()


def decode_text(content: bytes) -> str:
    """The text of a content."""
    header, start = read_header(content)
    if header["content"] != "text":
        raise ValueError("this is no text")
    return content[start:].decode()


def _header(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def read_header(content: bytes) -> tuple[dict[str, Any], int]:
    """The header of a content and where its body starts; raises ValueError if the two disagree."""
    end = content.find(b"\n", 0, _LONGEST_HEADER)
    if end < 0:
        raise ValueError("it has no header")
    header = json.loads(content[:end])
    kind = header["content"]
    if kind == "mask":
        expected = -(-math.prod(header["shape"]) // 8) * (1 + len(header["bits"]))
    elif kind == "arrays":
        expected = sum(
            np.dtype(item["dtype"]).itemsize * math.prod(item["shape"])
            for item in header["arrays"].values()
        )
    elif kind == "text":
        expected = len(content) - end - 1
    else:
        raise ValueError(f"it holds {kind!r}, which is unknown")
    if len(content) - end - 1 != expected:
        raise ValueError(f"{len(content) - end - 1} bytes follow its header instead of {expected}")
    return header, end + 1


# Files --------------------------------------------------------------------------------------------


def content_sha256(content: bytes) -> str:
    """The name of an object."""
    return hashlib.sha256(content).hexdigest()


def pack(content: bytes) -> bytes:
    """The bytes of an object's file."""
    length = struct.pack("<Q", len(content))
    rest = zlib.compress(content, 3)
    return _MAGIC + length + hashlib.sha256(length + rest).digest() + rest


def unpack(stored: bytes, sha256: str, place: str) -> bytes:
    """The content of an object's file, verified.

    sha256: the object's name; place: for messages. Raises UserError for anything but exactly the
    bytes that were stored. Memory is bound by the length that the file states.
    """
    if len(stored) < _START or not stored.startswith(_MAGIC):
        raise damaged(f"it has {len(stored)} bytes that do not begin as an object does", place)
    length, check, rest = stored[8:16], stored[16:_START], stored[_START:]
    if hashlib.sha256(length + rest).digest() != check:
        raise damaged("its bytes do not have the checksum that it states", place)
    (size,) = struct.unpack("<Q", length)
    if size > LARGEST_CONTENT:
        raise damaged(f"it states a content of {size} bytes", place)
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(rest, size + 1)
    except zlib.error as error:
        raise damaged(str(error), place) from error
    if len(content) != size or not unpacker.eof or unpacker.unused_data:
        raise damaged("its content is not as long as it states", place)
    if content_sha256(content) != sha256:
        raise damaged("its content does not have the checksum that it is named by", place)
    return content


def damaged(why: str, place: str) -> UserError:
    """The error for an object that is not what was stored."""
    return UserError(
        f"the object is damaged, and refused: {why}",
        place,
        "restore it from a backup, or register the same content again, which writes it anew",
    )
