"""Image files of any format that fabio reads, opened only if they are whole.

fabio (https://fabio.readthedocs.io) reads a truncated EDF as zeros and logs it, reads PackBits TIFFs
in one strip as garbage, and tries another reader when one fails. Frames must not be made up, so the
structure of TIFF, CBF and EDF files is checked first, errors that fabio only logs are raised, and a
compressed file (gzip, bzip2) is decompressed to its end, which checks its CRC.
"""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scatterflow.sources import cbf, tiff
from scatterflow.sources.raw_faults import NotAFile, open_descriptor, system_number

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
PIECE = 1 << 20
WORD_BYTES = 8  # no detector stores more per pixel
HEADER_BYTES = 1 << 20  # generous room for the text headers of a frame
MOST_PIXELS = 1 << 28  # of a frame whose shape is not known
MOST_KEPT = 4  # files; a compressed one is kept in memory, decompressed


class BadImage(ValueError):
    """The file is no complete image; the message says why."""


UNREADABLE = (BadImage, tiff.BadTiff, cbf.BadCbf)


@dataclass(frozen=True)
class ImageFile:
    """An open image file.

    frames: number of frames.
    shape, dtype: (rows, columns) and stored type of a frame, without reading it.
    read: from the index in the file to the frame, in the stored dtype and native byte order.
    header: from the index in the file to what the file says of the frame.
    """

    frames: int
    shape: Callable[[int], tuple[int, ...]]
    dtype: Callable[[int], np.dtype]
    read: Callable[[int], np.ndarray]
    header: Callable[[int], dict[str, Any]]


def most_bytes(shape: tuple[int, int] | None, frames: int = 1) -> int:
    """Most bytes that frames of a shape (None: not known) can take in a file."""
    pixels = shape[0] * shape[1] if shape else MOST_PIXELS
    return frames * (pixels * WORD_BYTES + HEADER_BYTES)


@contextmanager
def open_image_file(path: Path, largest: int) -> Iterator[ImageFile]:
    """Open an image file, by its content.

    largest: most bytes that a compressed file may expand to.

    Raises FileNotFoundError; BadImage, BadTiff or BadCbf (together: UNREADABLE) for a file that is
    incomplete, corrupt or no image; any other OSError is the computer's. Files of several frames stay
    lazy: a frame is read when asked.
    """
    try:
        descriptor = open_descriptor(path)
    except NotAFile as error:
        raise BadImage(str(error)) from None
    with os.fdopen(descriptor, "rb") as stored:
        stream, compressed = _decompressed(stored, largest)
        magic = _start(stream)
        if not magic:
            raise BadImage("the file is empty")
        if magic.startswith(HDF5_MAGIC):
            raise BadImage("an HDF5 file: give its source `format: hdf5`")
        if magic.startswith(cbf.MAGIC):
            yield _cbf_file(stream)
            return
        images = tiff.read_directories(stream) if magic.startswith(tiff.MAGICS) else []
        if images and all(image.straight for image in images):
            yield _tiff_file(stream, images)
            return
        if images:
            with _raising("opening"):
                image_file = _compressed_tiff_file(stream, images)
            yield image_file
            return
        with _fabio_file(path, stream, compressed) as image_file:
            yield image_file


class KeptImages:
    """Image files of many frames, kept open between reads: to index one again takes long.

    At most `MOST_KEPT`, the one not used for longest is closed; a file that changed is opened again.
    """

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[tuple[int, int, int], ExitStack, ImageFile]] = {}

    def open(self, path: Path, largest: int) -> ImageFile:
        """The file, open; raises as `open_image_file`."""
        found = path.stat()
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        kept = self._kept.pop(path, None)
        if kept and kept[0] != stamp:
            kept[1].close()
            kept = None
        if kept is None:
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))[1].close()
            stack = ExitStack()
            kept = (stamp, stack, stack.enter_context(open_image_file(path, largest)))
        self._kept[path] = kept
        return kept[2]

    def close(self) -> None:
        """Close all files; they open again when needed."""
        for _, stack, _ in self._kept.values():
            stack.close()
        self._kept.clear()


def _start(stream: BinaryIO, count: int = 16) -> bytes:
    stream.seek(0)
    return stream.read(count)


def _decompressed(stored: BinaryIO, largest: int) -> tuple[BinaryIO, bool]:
    # The stream itself, or its decompressed content and True.
    magic = _start(stored)
    stored.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        unpacker: BinaryIO | gzip.GzipFile | bz2.BZ2File = gzip.GzipFile(fileobj=stored)
    elif magic.startswith(b"BZh"):
        unpacker = bz2.BZ2File(stored)
    else:
        return stored, False
    content = io.BytesIO()
    try:
        while piece := unpacker.read(PIECE):
            content.write(piece)
            if content.tell() > largest:
                raise BadImage(
                    f"it expands to more than {largest} bytes, more than its frames need"
                )
    except (EOFError, OSError, zlib.error) as error:
        if system_number(error):
            raise
        raise BadImage(f"the compressed file is cut off or corrupt ({error})") from error
    return content, True


def _tiff_file(stream: BinaryIO, images: list[tiff.TiffImage]) -> ImageFile:
    return ImageFile(
        frames=len(images),
        shape=lambda i: images[i].shape,
        dtype=lambda i: images[i].dtype.newbyteorder("="),
        read=lambda i: tiff.read_straight(stream, images[i]),
        header=lambda i: dict(images[i].texts),
    )


def _cbf_file(stream: BinaryIO) -> ImageFile:
    stream.seek(0)
    image = cbf.read_cbf(stream.read())
    return ImageFile(
        frames=1,
        shape=lambda i: image.shape,
        dtype=lambda i: image.dtype,
        read=lambda i: cbf.decode(image),
        header=lambda i: {"header": image.header},
    )


def _compressed_tiff_file(stream: BinaryIO, images: list[tiff.TiffImage]) -> ImageFile:
    # By Pillow, to which fabio leaves LZW and deflate; it takes PackBits in one strip for raw pixels.
    from PIL import Image

    stream.seek(0)
    opened = Image.open(stream)
    stated = [image.dtype.newbyteorder("=") for image in images]

    def read(index: int) -> np.ndarray:
        with _raising("reading"):
            opened.seek(index)
            return _as_stated(np.array(opened), stated[index])

    return ImageFile(
        frames=len(images),
        shape=lambda i: images[i].shape,
        dtype=lambda i: stated[i],
        read=read,
        header=lambda i: dict(images[i].texts),
    )


@contextmanager
def _fabio_file(path: Path, stream: BinaryIO, compressed: bool) -> Iterator[ImageFile]:
    import fabio
    from fabio.fabioutils import BytesIO
    from fabio.openimage import MAGIC_NUMBERS

    # Else fabio goes by the name, and hangs on a `.cbf` that is none.
    if not _start(stream, 18).startswith(tuple(magic for magic, _ in MAGIC_NUMBERS)):
        raise BadImage("its first bytes are those of no image format")
    size = stream.seek(0, 2)
    stream.seek(0)
    source = BytesIO(stream.read(), str(path), "rb") if compressed else str(path)
    with _raising("opening"):
        image = fabio.open(source)
    with image:

        def read(index: int) -> np.ndarray:
            with _raising("reading"):
                frame = image.get_frame(index)
                _check_extent(frame, size)
                return np.asarray(frame.data)

        def shape(index: int) -> tuple[int, ...]:
            return tuple(map(int, image.get_frame(index).shape))

        def dtype(index: int) -> np.dtype:
            with _raising("reading"):
                return np.dtype(image.get_frame(index).dtype)

        def header(index: int) -> dict[str, Any]:
            return {str(k): str(v) for k, v in image.get_frame(index).header.items()}

        yield ImageFile(image.nframes, shape, dtype, read, header)


def _check_extent(frame: Any, size: int) -> None:
    # Frames of an EDF file know where their bytes are.
    start, length = getattr(frame, "start", None), getattr(frame, "blobsize", None)
    if start is None or length is None or frame.bfname is not None:
        if getattr(frame, "bfname", None) is not None:
            raise BadImage("its pixels are in another file: not supported")
        return
    if start + length > size:
        raise BadImage(f"the frame ends at byte {start + length}, the file has {size}")


def _as_stated(pixels: np.ndarray, stated: np.dtype) -> np.ndarray:
    # Pillow has fewer types than TIFF: unsigned 32-bit pixels come as the same bits signed, others
    # widened. Back to the stored type, if that loses nothing.
    if pixels.dtype == stated:
        return pixels
    if pixels.dtype.kind in "iu" and stated.kind in "iu" and pixels.itemsize == stated.itemsize:
        return pixels.view(stated)
    converted = pixels.astype(stated)
    if not np.array_equal(converted, pixels):
        raise BadImage(f"pixels stored as {stated} can only be read as {pixels.dtype}")
    return converted


def _refuse_system_errors(error: BaseException | None) -> None:
    # Raise the first error of the operating system among an error and those before it.
    while error is not None:
        if isinstance(error, OSError) and system_number(error):
            raise error
        error = error.__cause__ or error.__context__


@contextmanager
def _raising(doing: str) -> Iterator[None]:
    """Raise what fabio raises, or only logs as an error, as BadImage; keep its log quiet."""
    messages: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                messages.append(record.getMessage())

    logger, keep = logging.getLogger("fabio"), Keep()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(keep)
    try:
        yield
    except (BadImage, MemoryError):
        raise
    except Exception as error:  # its readers raise whatever a corrupt file makes them trip over
        _refuse_system_errors(error)
        reason = messages[0] if messages else f"{type(error).__name__}: {error}"
        raise BadImage(f"{doing} it fails: {reason}") from error
    finally:
        logger.removeHandler(keep)
        logger.propagate = propagate
    if messages:
        raise BadImage(f"{doing} it fails: {messages[0]}")
