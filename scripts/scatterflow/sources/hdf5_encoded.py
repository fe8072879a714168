"""Frames of an HDF5 file as they are stored, so that decoding can go on beside reading.

HDF5 decompresses one chunk at a time, in one thread. Here the bytes of a chunk are taken as they are
(H5Dread_chunk), for the job's own threads to decode (see `hdf5_decode`).

Only frames that are one chunk each, in this machine's byte order, are taken; all others are `read`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
