"""TIFF files: their structure checked, uncompressed pixels read straight from the file.

A detector's TIFF is cut off when a disk fills up or a transfer stops. Readers differ in what they make
of that (an exception, zeros, another reader's guess), so the directories are read here first: every
strip or tile must lie inside the file and, uncompressed, they must add up to the image. Format: TIFF
6.0 (Adobe, 1992) and its 64-bit form BigTIFF: header, chain of directories, tags.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

WIDTH, HEIGHT, BITS, COMPRESSION, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = (
    256, 257, 258, 259, 273, 277, 278, 279,
)  # fmt: skip
TILE_WIDTH, TILE_OFFSETS, TILE_BYTES, SAMPLE_FORMAT = 322, 324, 325, 339

TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8}
TEXTS = {270: "description", 271: "make", 272: "model", 305: "software", 306: "date"}
INTEGER_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
SAMPLE_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}  # 4: undefined, read as unsigned

MOST_IMAGES = 1_000_000
MOST_PIECES = 1_000_000


class BadTiff(ValueError):
    """The file is no complete TIFF image; the message says why."""


@dataclass(frozen=True)
class TiffImage:
    """One image of a TIFF file: shape (rows, columns), stored dtype, where its bytes are, its texts."""

    shape: tuple[int, int]
    dtype: np.dtype
    compression: int
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    tiled: bool
    texts: dict[str, str]

    @property
    def straight(self) -> bool:
        """True if the pixels are stored as they are, row after row."""
        return self.compression == 1 and not self.tiled


def read_directories(stream: BinaryIO) -> list[TiffImage]:
    """The images of a TIFF file, in order; raises BadTiff if any of them is not wholly there."""
    size = stream.seek(0, 2)
    head = _bytes_at(stream, 0, 16 if size >= 16 else 8)
    if head[:4] not in MAGICS:
        raise BadTiff("the file does not begin as a TIFF file")
    order = "<" if head[:1] == b"I" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    offset = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]
    images: list[TiffImage] = []
    seen: set[int] = set()
    while offset:
        # A directory that points back would make an endless chain.
        if offset in seen or len(images) >= MOST_IMAGES:
            raise BadTiff("the chain of images runs in a circle")
        seen.add(offset)
        tags, offset = _read_tags(stream, offset, order, big)
        images.append(_image(tags, order, size))
    if not images:
        raise BadTiff("the file holds no image (was it still being written?)")
    return images


def read_straight(stream: BinaryIO, image: TiffImage) -> np.ndarray:
    """Pixels of an uncompressed image as (rows, columns) in native byte order."""
    pieces = [_bytes_at(stream, *piece) for piece in zip(image.offsets, image.sizes, strict=True)]
    rows, columns = image.shape
    stored = b"".join(pieces) if len(pieces) > 1 else pieces[0]
    pixels = np.frombuffer(stored, image.dtype, rows * columns).reshape(rows, columns)
    return pixels.astype(image.dtype.newbyteorder("="), copy=False)


def _bytes_at(stream: BinaryIO, offset: int, count: int) -> bytes:
    stream.seek(offset)
    found = stream.read(count)
    if len(found) != count:
        raise BadTiff(f"the file ends at byte {offset + len(found)}, byte {offset + count} needed")
    return found


def _read_tags(stream: BinaryIO, offset: int, order: str, big: bool) -> tuple[dict[int, Any], int]:
    # The integer and text tags of one directory, and the offset of the next (0: none).
    count_format, entry_size, word = ("Q", 20, "Q") if big else ("H", 12, "I")
    count_size, word_size = struct.calcsize(count_format), struct.calcsize(word)
    count = struct.unpack(order + count_format, _bytes_at(stream, offset, count_size))[0]
    if count > 65535:
        raise BadTiff(f"a directory claims {count} entries")
    table = _bytes_at(stream, offset + count_size, count * entry_size + word_size)
    tags: dict[int, Any] = {}
    for i in range(count):
        tag, kind, number = struct.unpack_from(order + "HH" + word, table, i * entry_size)
        is_text = kind == 2 and tag in TEXTS
        if number == 0 or not (is_text or kind in INTEGER_TYPES):
            continue
        if number > MOST_PIECES:
            raise BadTiff(f"tag {tag} claims {number} values")
        length = number * TYPE_SIZES[kind]
        if length <= word_size:
            start = i * entry_size + entry_size - word_size
            raw = table[start : start + length]
        else:
            place = struct.unpack_from(order + word, table, (i + 1) * entry_size - word_size)[0]
            raw = _bytes_at(stream, place, length)
        if is_text:
            tags[tag] = raw.split(b"\0")[0].decode("utf-8", "replace")
        else:
            tags[tag] = struct.unpack(f"{order}{number}{INTEGER_TYPES[kind]}", raw)
    return tags, struct.unpack_from(order + word, table, count * entry_size)[0]


def _image(tags: dict[int, Any], order: str, file_size: int) -> TiffImage:
    try:
        shape = (tags[HEIGHT][0], tags[WIDTH][0])
        tiled = TILE_OFFSETS in tags
        offsets = tags[TILE_OFFSETS if tiled else STRIP_OFFSETS]
    except KeyError as error:
        raise BadTiff(f"tag {error} is missing") from None
    dtype = _dtype(tags, order)
    compression = tags.get(COMPRESSION, (1,))[0]
    whole = shape[0] * shape[1] * dtype.itemsize
    # Some writers leave the byte counts out for an image in one piece.
    alone = (whole,) if len(offsets) == 1 and compression == 1 else ()
    sizes = tags.get(TILE_BYTES if tiled else STRIP_BYTES, alone)
    if len(sizes) != len(offsets):
        raise BadTiff(f"{len(offsets)} strips or tiles, but {len(sizes)} byte counts")
    if any(o + s > file_size or s == 0 for o, s in zip(offsets, sizes, strict=True)):
        end = max(o + s for o, s in zip(offsets, sizes, strict=True))
        raise BadTiff(f"the pixels need {end} bytes, the file has {file_size}")
    if compression == 1 and sum(sizes) < whole:
        raise BadTiff(f"{sum(sizes)} bytes of pixels, {whole} needed for {shape[0]} x {shape[1]}")
    texts = {name: tags[tag] for tag, name in TEXTS.items() if isinstance(tags.get(tag), str)}
    return TiffImage(shape, dtype, compression, offsets, sizes, tiled, texts)


def _dtype(tags: dict[int, Any], order: str) -> np.dtype:
    bits = tags.get(BITS, (1,))
    if tags.get(SAMPLES, (1,))[0] != 1 or len(bits) != 1:
        raise BadTiff("a colour image, not a detector frame")
    kind = SAMPLE_KINDS.get(tags.get(SAMPLE_FORMAT, (1,))[0])
    if kind is None or bits[0] not in (8, 16, 32, 64) or (kind == "f" and bits[0] == 8):
        raise BadTiff(f"pixels of {bits[0]} bits in sample format {tags.get(SAMPLE_FORMAT)}")
    return np.dtype(f"{order}{kind}{bits[0] // 8}")
