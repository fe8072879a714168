"""From the sums of all pixel blocks to g2 with errors: one delay of all pixels at a time.

Nothing here depends on how pixels were divided into blocks or windows into threads; memory is that of a
few arrays of all pixels, whatever the number of delays.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from scatterflow.detectors.qmap import QMap
from scatterflow.kernels.lags import Lags
from scatterflow.xpcs.correlate import WindowSums
from scatterflow.xpcs.g2 import (
    G2Result,
    Normalisation,
    Normalised,
    StaticBins,
    normalise,
    per_frame,
    shared_photons,
)
from scatterflow.xpcs.multitau_file import BlockFiles, open_blocks
from scatterflow.xpcs.uncertainty import (
    Speckles,
    jackknife_error,
    measure_speckles,
    speckle_variance,
)


def merge_blocks(
    paths: Sequence[str | Path],
    qmap: QMap,
    how: Normalisation,
    valid: np.ndarray,
    scale: np.ndarray | None = None,
    photons: np.ndarray | None = None,
    threads: int = 1,
) -> G2Result:
    """g2 of a run out of its correlated blocks.

    paths: in any order. valid, scale: of the frames, as they were correlated; photons: (N, Ns), unscaled, in
    each static bin, for bias_corrected. Partial g2 and errors from windows of time are made if the blocks
    have windows. Raises UserError if the blocks are not those of one run.
    """
    static, bins = np.asarray(qmap.static_of_position, np.int64), _static_bins(qmap)
    blocks = open_blocks(paths, bins.pixels.size)
    shared: list[np.ndarray | None] = [None] * blocks.pairs.size
    if how == "bias_corrected":
        assert photons is not None
        shared = list(shared_photons(photons, valid, scale, blocks.lags))
    halves = blocks.of_delay(_half_the_run(blocks))
    speckles = measure_speckles(
        halves[1], halves[2], qmap.pixels, qmap.dynamic, qmap.static, threads
    )
    numbers = range(blocks.pairs.size)
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(
            lambda number, own: _one_delay(blocks, number, own, static, bins, how, speckles),
            numbers,
            shared,
        )
        g2, empty, variance, independent = (np.stack(part) for part in zip(*found, strict=True))
    error = np.sqrt(variance)
    partial = partial_error = error_time = labels = None
    if blocks.windows is not None:
        windows = blocks.windows
        own_shared = _shared_of_windows(blocks.lags, windows, valid, scale, photons, how)
        partial = _partial_g2(blocks.lags, windows, own_shared, bins, how)
        error_time = _jackknife(blocks, windows, own_shared, bins, how)
        share = blocks.pairs / np.where(windows.pairs > 0, windows.pairs, np.nan)
        partial_error = error * np.sqrt(share)[:, :, None]
        labels = tuple(
            f"{start}-{stop - 1}" for start, stop in zip(windows.start, windows.stop, strict=True)
        )
    return G2Result(
        blocks.lags.delay,
        blocks.lags.level,
        blocks.pairs,
        g2,
        empty,
        error,
        error_time,
        partial,
        partial_error,
        labels,
        speckles.size,
        independent,
    )


def _half_the_run(blocks: BlockFiles) -> int:
    """The delay at which past and future have the fewest frames in common, and yet many frames."""
    distance = np.abs(blocks.lags.delay - blocks.lags.frames / 2)
    return int(np.argmin(np.where(blocks.pairs > 0, distance, np.inf)))


def _static_bins(qmap: QMap) -> StaticBins:
    pixels = np.bincount(qmap.static_of_position, minlength=qmap.static_bins)
    return StaticBins(pixels, np.asarray(qmap.parent, np.int64), qmap.dynamic_bins)


def _one_delay(
    blocks: BlockFiles,
    number: int,
    shared: np.ndarray | None,
    static: np.ndarray,
    bins: StaticBins,
    how: Normalisation,
    speckles: Speckles,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """g2, empty static bins, variance and independent pixels of all dynamic bins at one delay."""
    level, pairs = int(blocks.lags.level[number]), int(blocks.pairs[number])
    if not pairs:
        nothing = np.full(bins.dynamic, np.nan)
        return nothing, bins.add(np.ones(bins.parent.size)).astype(np.int64), nothing, nothing
    sums = blocks.of_delay(number)
    totals = np.stack([np.bincount(static, own, bins.pixels.size) for own in sums])
    found = _normalised(totals, shared, level, pairs, bins, how)
    of_pixel = per_frame(sums, level, pairs, np.ones(1))
    factors = found.coefficients[:, static]
    influence = (factors[:3] * of_pixel).sum(axis=0) + factors[3]
    variance, independent = speckle_variance(influence, static, bins.parent, speckles)
    unknown = np.isnan(found.g2)
    return (
        found.g2,
        found.empty,
        np.where(unknown, np.nan, variance),
        np.where(unknown, np.nan, independent),
    )


def _normalised(
    totals: np.ndarray,
    shared: np.ndarray | None,
    level: int,
    pairs: int,
    bins: StaticBins,
    how: Normalisation,
) -> Normalised:
    """g2 out of sums over static bins, (3, Ns)."""
    means = per_frame(totals, level, pairs, bins.pixels)
    if shared is not None:
        shared = shared / np.square(pairs * bins.pixels * 2.0**level)
    return normalise(means, shared, bins, how)


def _shared_of_windows(
    lags: Lags,
    windows: WindowSums,
    valid: np.ndarray,
    scale: np.ndarray | None,
    photons: np.ndarray | None,
    how: Normalisation,
) -> np.ndarray | None:
    """What past and future share in each window, (W, T, Ns); None where it is not asked for."""
    if how != "bias_corrected" or photons is None:
        return None
    found = np.zeros((len(windows.start), lags.delay.size, photons.shape[1]))
    for w, (start, stop) in enumerate(zip(windows.start, windows.stop, strict=True)):
        own = lags.cut(stop - start)
        factors = None if scale is None else scale[start:stop]
        parts = shared_photons(photons[start:stop], valid[start:stop], factors, own)
        kept = np.flatnonzero(lags.samples < (stop - start) >> lags.level)
        for number, part in zip(kept, parts, strict=True):
            found[w, number] = part
    return found


def _partial_g2(
    lags: Lags,
    windows: WindowSums,
    shared: np.ndarray | None,
    bins: StaticBins,
    how: Normalisation,
) -> np.ndarray:
    """g2 of each window, (W, T, Nd), NaN where it has no pairs."""
    partial = np.full((*windows.pairs.shape, bins.dynamic), np.nan)
    for w, number in np.argwhere(windows.pairs > 0):
        totals = np.stack([own[w, number] for own in (windows.G2, windows.IP, windows.IF)])
        own_shared = None if shared is None else shared[w, number]
        pairs, level = int(windows.pairs[w, number]), int(lags.level[number])
        partial[w, number] = _normalised(totals, own_shared, level, pairs, bins, how).g2
    return partial


def _jackknife(
    blocks: BlockFiles,
    windows: WindowSums,
    shared: np.ndarray | None,
    bins: StaticBins,
    how: Normalisation,
) -> np.ndarray:
    """Standard error of g2 from windows of time that are at least twice as long as the delay, (T, Nd)."""
    lags = blocks.lags
    error = np.full((lags.delay.size, bins.dynamic), np.nan)
    for number, delay in enumerate(lags.delay):
        usable = (windows.pairs[:, number] > 0) & (windows.stop - windows.start >= 2 * delay)
        used = np.flatnonzero(usable)
        if used.size < 2:
            continue
        sums = np.stack([own[used, number] for own in (windows.G2, windows.IP, windows.IF)])
        own_shared = None if shared is None else shared[used, number]
        pairs, level = windows.pairs[used, number], int(lags.level[number])
        left_out = [
            _normalised(
                np.delete(sums, w, axis=1).sum(axis=1),
                None if own_shared is None else np.delete(own_shared, w, axis=0).sum(axis=0),
                level,
                int(np.delete(pairs, w).sum()),
                bins,
                how,
            ).g2
            for w in range(used.size)
        ]
        error[number] = jackknife_error(np.stack(left_out), pairs.sum() / blocks.pairs[number])
    return error
