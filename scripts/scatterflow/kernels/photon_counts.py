"""How often a pixel counts K photons in sums of frames: histograms, exact in integers.

Frames are added up to sums, `sample` says into which sum each frame goes (-1: into none). K photons or more
share the last class. Sums without a photon are not counted here: the caller knows how many there are
in all. Beside the classes the sums of K and of K (K - 1), the factorial moments, are kept, so that nothing
is lost in the last class.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled


@compiled
def _add(total, static, segment, counts, photons, pairs):
    counts[static, segment, min(total, counts.shape[2] - 1)] += 1
    photons[static, segment] += total
    pairs[static, segment] += total * (total - 1)


@compiled
def count_events(
    starts, frame, count, first, last, sample, segment, static, counts, photons, pairs
):
    """Add the photons of pixels first..last-1, given as lists of events.

    starts: (pixels + 1,) int64, where the events of each pixel begin; frame: (events,) int32 ascending within
    a pixel; count: (events,) above 0. sample: (frames,) int32, ascending but for -1. segment: (sums,)
    int32. static: (pixels,) int32. counts: (static bins, segments, classes) int64; photons, pairs: (static
    bins, segments) int64.
    """
    for pixel in range(first, last):
        current, total = -1, np.int64(0)
        for event in range(starts[pixel], starts[pixel + 1]):
            place = sample[frame[event]]
            if place < 0:
                continue
            if place != current:
                if current >= 0:
                    _add(total, static[pixel], segment[current], counts, photons, pairs)
                current, total = place, np.int64(0)
            total += np.int64(count[event])
        if current >= 0:
            _add(total, static[pixel], segment[current], counts, photons, pairs)


@compiled
def count_frames(values, first, last, sample, segment, static, totals, counts, photons, pairs):
    """Add the photons of pixels first..last-1 of values, (frames, pixels); the rest as `count_events`.

    totals: (pixels,) int64, 0 before and after.
    """
    current = -1
    for frame in range(values.shape[0]):
        place = sample[frame]
        if place < 0:
            continue
        if place != current:
            if current >= 0:
                _add_sums(totals, first, last, segment[current], static, counts, photons, pairs)
            current = place
        for pixel in range(first, last):
            totals[pixel] += np.int64(values[frame, pixel])
    if current >= 0:
        _add_sums(totals, first, last, segment[current], static, counts, photons, pairs)


@compiled
def _add_sums(totals, first, last, segment, static, counts, photons, pairs):
    for pixel in range(first, last):
        if totals[pixel] > 0:
            _add(totals[pixel], static[pixel], segment, counts, photons, pairs)
            totals[pixel] = 0
