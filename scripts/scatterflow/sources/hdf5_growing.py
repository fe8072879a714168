"""Frames of an HDF5 dataset that a detector appends to, while it does (SWMR: single writer, multiple readers,
https://support.hdfgroup.org/documentation/hdf5/latest/_s_w_m_r.html).

HDF5 writes a chunk before the index that leads to it, so that a reader sees whole chunks or none; the shape
may be ahead of them. A frame that is a chunk of its own does not move when others are appended: where its
bytes are tells whether they are still the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from scatterflow.sources.hdf5_layout import Segment
from scatterflow.sources.hdf5_links import LinkedFiles, is_appended_to

if TYPE_CHECKING:
    import h5py


def appended_files(segments: Iterable[Segment], start: int, stop: int) -> list[Path]:
    """Those files with frames start..stop-1 of a run that a writer appends to."""
    holders = dict.fromkeys(s.holder for s in _within(segments, start, stop) if not s.missing)
    return [path for path in holders if is_appended_to(path)]


def stored_part(segments: Iterable[Segment], start: int, stop: int) -> str | None:
    """Digest of where frames start..stop-1 of a run are stored, and of the bytes of the first and the last of
    them in each file; None unless all of them are there, in chunks of one frame."""
    digest, counted = hashlib.sha256(), start
    for segment in _within(segments, start, stop):
        first, last = max(start, segment.start), min(stop, segment.start + segment.frames)
        files = LinkedFiles(segment.path)
        try:
            if segment.missing or first != counted:
                return None
            dataset, holder = files.dataset(segment.name)
            if dataset.is_virtual or not dataset.chunks or dataset.chunks[0] != 1:
                return None
            # Another file of the same name has another inode.
            digest.update(f"{holder.stat().st_ino} {dataset.shape[1:]} {dataset.dtype}".encode())
            if not _update(digest, dataset, first - segment.start, last - segment.start):
                return None
        finally:
            files.close()
        counted = last
    return digest.hexdigest() if counted == stop else None


def _within(segments: Iterable[Segment], start: int, stop: int) -> list[Segment]:
    return [s for s in segments if s.start < stop and start < s.start + s.frames]


def _update(digest: hashlib._Hash, dataset: h5py.Dataset, first: int, stop: int) -> bool:
    """Add frames of a dataset to the digest; False if one of them was not written."""
    tiles = [
        range(0, n, step) for n, step in zip(dataset.shape[1:], dataset.chunks[1:], strict=True)
    ]
    for frame in range(first, stop):
        for corner in product((frame,), *tiles):
            info = dataset.id.get_chunk_info_by_coord(corner)
            if info.byte_offset is None:
                return False
            digest.update(f"{info.byte_offset} {info.size} {info.filter_mask}".encode())
            if frame in (first, stop - 1):
                digest.update(dataset.id.read_direct_chunk(corner)[1])
    return True
