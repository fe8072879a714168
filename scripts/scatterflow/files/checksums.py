"""SHA-256 of files, arrays and values."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.files.json import to_json


def file_sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def value_digest(value: Any, length: int = 12) -> str:
    """Short digest of a JSON-able value: equal values, equal digests."""
    return hashlib.sha256(to_json(value, indent=None).encode()).hexdigest()[:length]


def array_sha256(array: np.ndarray) -> str:
    """SHA-256 of an array's dtype, shape and C-ordered bytes (little-endian).

    Raises TypeError for an array of objects: it holds addresses, not values.
    """
    if array.dtype.hasobject:
        raise TypeError(f"an array of {array.dtype} has no checksum")
    shape = array.shape
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{array.dtype.str}{shape}".encode())
    # As bytes: the buffer protocol does not know all dtypes (dates).
    digest.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


class RowsDigest:
    """`array_sha256` of an array that comes row by row: `update` with the next rows."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._digest = hashlib.sha256(f"{self._dtype.str}{shape}".encode())

    def update(self, rows: np.ndarray) -> None:
        """Add rows."""
        rows = np.ascontiguousarray(rows, dtype=self._dtype)
        self._digest.update(rows.reshape(-1).view(np.uint8).data if rows.size else b"")

    def finalize(self) -> str:
        """Hexadecimal checksum of all rows."""
        return self._digest.hexdigest()


def rows_sha256(array: Any, start: int, stop: int) -> str:
    """`array_sha256` of rows start..stop-1 of a chunked array (Zarr), one stored chunk at a time."""
    digest = RowsDigest((stop - start, *array.shape[1:]), array.dtype)
    for row in range(start, stop, array.chunks[0]):
        digest.update(np.asarray(array[row : min(row + array.chunks[0], stop)]))
    return digest.finalize()


def mask_sha256(good: np.ndarray) -> str:
    """Identity of a good mask: SHA-256 of its shape and packed bits."""
    digest = hashlib.sha256(f"good{good.shape}".encode())
    digest.update(np.packbits(np.ascontiguousarray(good, dtype=bool)).tobytes())
    return digest.hexdigest()
