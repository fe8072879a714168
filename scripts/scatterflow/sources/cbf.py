"""CBF files (Pilatus and others): the binary section, checked by its length and MD5.

Format: imgCIF/CBF (IUCr), byte-offset compression. A text header, the line
`--CIF-BINARY-FORMAT-SECTION--`, MIME fields that state size, type and checksum, the four bytes
0C 1A 04 D5, then the compressed pixels. fabio decodes them; the checks come first, because fabio only
logs a wrong checksum and never comes back from a file that ends within the header.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

import numpy as np

MAGIC = b"###CBF: VERSION"
SECTION = b"--CIF-BINARY-FORMAT-SECTION--"
STARTER = b"\x0c\x1a\x04\xd5"
LONGEST_HEADER = 1 << 20


class BadCbf(ValueError):
    """The file is no complete CBF image; the message says why."""


@dataclass(frozen=True)
class CbfImage:
    """The image of a CBF file: shape (rows, columns), stored dtype, compressed bytes, text header."""

    shape: tuple[int, int]
    dtype: np.dtype
    packed: bytes
    header: str


def read_cbf(content: bytes) -> CbfImage:
    """Take a CBF file apart; raises BadCbf if it is incomplete or its checksum differs."""
    begin = content.find(SECTION, 0, LONGEST_HEADER)
    start = content.find(STARTER, max(begin, 0), max(begin, 0) + LONGEST_HEADER)
    if begin < 0 or start < 0:
        raise BadCbf("no binary section (the file ends within the header?)")
    fields = _fields(content[begin:start].decode("latin-1"))
    if fields.get("conversions") != "x-CBF_BYTE_OFFSET":
        raise BadCbf(f"compression {fields.get('conversions')!r}: only x-CBF_BYTE_OFFSET is read")
    size = _integer(fields, "X-Binary-Size")
    packed = content[start + len(STARTER) : start + len(STARTER) + size]
    if len(packed) < size:
        raise BadCbf(f"{len(packed)} bytes of pixels, {size} stated in the header")
    stated = fields.get("Content-MD5")
    checksum = hashlib.md5(packed, usedforsecurity=False).digest()
    if stated and base64.b64encode(checksum).decode() != stated:
        raise BadCbf("the pixels do not match their MD5 checksum")
    shape = (
        _integer(fields, "X-Binary-Size-Second-Dimension"),
        _integer(fields, "X-Binary-Size-Fastest-Dimension"),
    )
    return CbfImage(shape, _dtype(fields), packed, content[:begin].decode("latin-1"))


def decode(image: CbfImage) -> np.ndarray:
    """Pixels as (rows, columns) in the stored dtype; raises BadCbf if there are too few."""
    from fabio.compression import decByteOffset

    rows, columns = image.shape
    if rows * columns > len(image.packed):  # byte-offset needs at least one byte for a pixel
        raise BadCbf(f"{len(image.packed)} bytes cannot hold {rows} x {columns} pixels")
    pixels = np.asarray(decByteOffset(image.packed, size=rows * columns, dtype=image.dtype))
    if pixels.size != rows * columns:
        raise BadCbf(f"{pixels.size} pixels found, {rows} x {columns} stated")
    return pixels.reshape(rows, columns).astype(image.dtype, copy=False)


def _fields(text: str) -> dict[str, str]:
    found = re.findall(r"^\s*([A-Za-z0-9-]+)\s*[:=]\s*(.*?)\s*$", text, re.MULTILINE)
    return {key: value.strip('"; ') for key, value in found}


def _integer(fields: dict[str, str], key: str) -> int:
    try:
        return int(fields[key])
    except (KeyError, ValueError):
        raise BadCbf(f"{key} is missing or no number") from None


def _dtype(fields: dict[str, str]) -> np.dtype:
    kind = fields.get("X-Binary-Element-Type", "signed 32-bit integer")
    match = re.fullmatch(r"(un)?signed (8|16|32|64)-bit integer", kind)
    if not match or fields.get("X-Binary-Element-Byte-Order", "LITTLE_ENDIAN") != "LITTLE_ENDIAN":
        raise BadCbf(f"pixels of type {kind!r}")
    return np.dtype(f"{'u' if match[1] else 'i'}{int(match[2]) // 8}")
