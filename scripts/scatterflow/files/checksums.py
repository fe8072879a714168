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
    """SHA-256 of an array's dtype, shape and C-ordered bytes (little-endian)."""
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def mask_sha256(good: np.ndarray) -> str:
    """Identity of a good mask: SHA-256 of its shape and packed bits."""
    digest = hashlib.sha256(f"good{good.shape}".encode())
    digest.update(np.packbits(np.ascontiguousarray(good, dtype=bool)).tobytes())
    return digest.hexdigest()
