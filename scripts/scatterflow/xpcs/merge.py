"""From the sums of all pixel blocks to g2 with errors: one delay of all pixels at a time.

Nothing here depends on how pixels were divided into blocks or windows into threads; memory is that of a
few arrays of all pixels, whatever the number of delays.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np

from scatterflow.detectors.qmap import QMap
from scatterflow.xpcs.correlate import WindowSums
from scatterflow.xpcs.g2 import (
    G2Result,
    Normalisation,
    Normalised,
    StaticBins,
    normalise,
    per_frame,
    shared_photons,
    window_labels,
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
    first = blocks.of_delay(int(np.argmax(blocks.pairs > 0)))
    speckles = measure_speckles(
        first[1] + first[2], qmap.order(), qmap.dynamic, qmap.static, threads
    )
    numbers = range(blocks.pairs.size)
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(
            _one_delay, repeat(blocks), numbers, repeat(static), repeat(bins), repeat(how), shared, repeat(speckles)
        )
        g2, empty, variance, independent = (np.stack(part) for part in zip(*found, strict=True))
    error = np.sqrt(variance)
    partial = partial_error = error_time = labels = None
    if blocks.windows is not None:
        partial, pairs, error_time = _windows(blocks, bins, how, valid, scale, photons)
        share = np.divide(blocks.pairs, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)
        partial_error = error * np.sqrt(share)[:, :, None]
        windows = blocks.windows
        labels = window_labels(list(zip(windows.start, windows.stop, strict=True)))
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
