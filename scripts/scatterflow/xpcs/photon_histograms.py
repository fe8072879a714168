"""Histograms of photons per pixel and sum of frames, per static bin, exposure and segment of time.

For every exposure e the frames of each segment are added up e at a time, from the segment's first frame
on; sums with an invalid frame, and frames at a segment's end that make no whole sum, are left out. All
numbers are integers and add up exactly over blocks of pixels. File of a block, HDF5:

    exposures (E,), sums (E, S), counts (E, static bins, S, K + 1), photons, pairs (E, static bins, S)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, write_array, writing
from scatterflow.xpcs.blocks import Block

MOST_PHOTONS = 63
"""Photons from which on all share the last class, if nothing else is asked for."""
SEGMENTS = 10
MOST_PAIRS = 2.0**61
"""Of photons in a block of pixels: sums that int64 holds."""
SUMS_PER_SEGMENT = 8
"""Of the longest exposure, if none are asked for."""


@dataclass(frozen=True)
class PhotonHistograms:
    """How many sums of frames hold K photons.

    exposures: (E,) int64, frames per sum. sums: (E, S) int64, sums per pixel in each segment. counts: (E,
    static bins, S, K + 1) int64, the last class K or more. photons, pairs: (E, static bins, S)
    int64, sums of K and of K (K - 1), the last class included.
    """

    exposures: np.ndarray
    sums: np.ndarray
    counts: np.ndarray
    photons: np.ndarray
    pairs: np.ndarray


def chosen_exposures(given: Iterable[int] | None, frames: int, segments: int) -> np.ndarray:
    """(E,) int64 frames per sum, ascending: those given, or 1, 2, 4, ... Raises UserError."""
    longest = frames // segments
    if given is None:
        numbers = 2 ** np.arange(40, dtype=np.int64)
        chosen = numbers[numbers <= max(1, longest // SUMS_PER_SEGMENT)]
    else:
        chosen = np.unique(np.array(list(given), dtype=np.int64))
    if chosen.size == 0 or chosen[0] < 1 or chosen[-1] > longest:
        raise UserError(
            f"exposures of {chosen.tolist()} frames, of which {longest} are in a segment",
            "speckle_statistics: exposures, segments",
            "give exposures of 1 to as many frames as a segment has",
        )
    return chosen


def count_photons(
    block: Block,
    valid: np.ndarray,
    static_of_position: np.ndarray,
    static_bins: int,
    settings: Mapping[str, Any],
    threads: int = 1,
) -> PhotonHistograms:
    """Histograms of a block of pixels.

    valid: (N,) bool. static_of_position: (P,) int32, 0-based, of all positions. settings: `exposures`
    (list of frames per sum or None), `most_photons`, `segments`.
    Raises UserError for counts that are no photons, or exposures longer than a segment.
    """
    segments = int(settings.get("segments") or SEGMENTS)
    most = int(settings.get("most_photons") or MOST_PHOTONS)
    exposures = chosen_exposures(settings.get("exposures"), block.frames, segments)
    _check_photons(block, int(exposures[-1]))
    static = np.ascontiguousarray(static_of_position[block.first : block.last], dtype=np.int32)
    pixels = np.bincount(static, minlength=static_bins)
    shape = (exposures.size, static_bins, segments)
    sums = np.zeros((exposures.size, segments), dtype=np.int64)
    counts = np.zeros((*shape, most + 1), dtype=np.int64)
    photons, pairs = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for place, exposure in enumerate(exposures):
        sample, segment = sums_of_frames(valid, int(exposure), segments)
        sums[place] = np.bincount(segment, minlength=segments)
        found = _counted(block, static, sample, segment, counts[place].shape, threads)
        counts[place], photons[place], pairs[place] = found
        counts[place, ..., 0] = pixels[:, None] * sums[place] - counts[place].sum(axis=2)
    return PhotonHistograms(exposures, sums, counts, photons, pairs)


def sums_of_frames(
    valid: np.ndarray, exposure: int, segments: int
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) int32 sum that each frame is added into, -1: none; (sums,) int32 segment of each sum."""
    frames = valid.size
    sample = np.full(frames, -1, dtype=np.int32)
    owners: list[int] = []
    for segment in range(segments):
        start, stop = segment * frames // segments, (segment + 1) * frames // segments
        whole = (stop - start) // exposure
        kept = valid[start : start + whole * exposure].reshape(whole, exposure).all(axis=1)
        numbers = np.where(kept, len(owners) + np.cumsum(kept) - 1, -1)
        sample[start : start + whole * exposure] = np.repeat(numbers, exposure)
        owners += [segment] * int(kept.sum())
    return sample, np.array(owners, dtype=np.int32)


def _check_photons(block: Block, longest: int) -> None:
    counts = block.count if block.form == "events" else block.values
    if counts.size == 0:
        return
    if counts.dtype.kind == "f" and not np.array_equal(counts, np.floor(counts)):
        raise UserError(
            "speckle statistics need whole photons, and these counts have fractions",
            "preprocessing, speckle_statistics",
            "leave out the flatfield and the dark, or the speckle statistics",
        )
    # A sum of K (K - 1) is at most the largest K times all photons; a static bin may lie in several blocks.
    if float(counts.max()) * longest * float(counts.sum(dtype=np.float64)) > MOST_PAIRS:
        raise UserError(
            f"a pixel counts {counts.max():g} photons in a frame",
            "speckle_statistics",
            "mask the pixels that hold the detector's mark of no value",
        )


def _counted(
    block: Block,
    static: np.ndarray,
    sample: np.ndarray,
    segment: np.ndarray,
    shape: tuple[int, ...],
    threads: int,
) -> tuple[np.ndarray, ...]:
    """Counts, photons and pairs of one exposure, pixels shared among threads."""
    # What reads a result needs no kernels.
    from scatterflow.kernels.photon_counts import count_events, count_frames

    totals = np.zeros(block.pixels, dtype=np.int64)

    def count(first: int, last: int) -> tuple[np.ndarray, ...]:
        own = tuple(np.zeros(part, dtype=np.int64) for part in (shape, shape[:2], shape[:2]))
        if block.form == "events":
            lists = block.starts, block.frame, block.count
            count_events(*lists, first, last, sample, segment, static, *own)
        else:
            count_frames(block.values, first, last, sample, segment, static, totals, *own)
        return own

    edges = [part * block.pixels // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(count, edges[:-1], edges[1:]))
    return tuple(np.sum(part, axis=0) for part in zip(*parts, strict=True))


def merge_histograms(parts: Iterable[PhotonHistograms]) -> PhotonHistograms:
    """Histograms of several blocks of pixels of the same run, added up."""
    merged: PhotonHistograms | None = None
    for part in parts:
        if merged is None:
            merged = part
            continue
        if not np.array_equal(merged.sums, part.sums) or merged.counts.shape != part.counts.shape:
            raise UserError(
                "blocks of pixels with other exposures, segments or valid frames",
                "photon histograms",
                "delete them and run snakemake again",
            )
        merged = PhotonHistograms(
            merged.exposures,
            merged.sums,
            merged.counts + part.counts,
            merged.photons + part.photons,
            merged.pairs + part.pairs,
        )
    if merged is None:
        raise ValueError("no blocks")
    return merged


def write_histograms(path: str | Path, histograms: PhotonHistograms) -> None:
    """Write the histograms of a block."""
    with writing(path) as file:
        for name in PhotonHistograms.__dataclass_fields__:
            write_array(file, name, getattr(histograms, name))


def read_histograms(path: str | Path) -> PhotonHistograms:
    """Read what `write_histograms` has written."""
    with reading(path) as file:
        return PhotonHistograms(
            **{name: file[name][()] for name in PhotonHistograms.__dataclass_fields__}
        )
